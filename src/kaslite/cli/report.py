"""``kaslite report``: one HTML file of a run or a sweep, to be mailed or archived."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kaslite.cli.output import Output
from kaslite.errors import StorageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence


def report(
    run: str,
    /,
    *,
    output: Path | None = None,
    results_dir: Path = Path("results"),
    said: Output = Output(),  # noqa: B008  frozen
) -> None:
    """Write a run or a sweep into one HTML file: all that the live page shows, with the reason of each decision.

    Parameters
    ----------
    run
        Folder of a run, or one that holds runs, such as a sweep's; or its name under the results folder.
    output
        The file to write; by default report.html in that folder.
    results_dir
        Folder that holds the runs.
    """
    from kaslite.dashboard.web.report import report_of_run, report_of_runs
    from kaslite.whole_file import write_whole

    folder, logs = _find(run, results_dir)
    path = output or folder / "report.html"
    page = report_of_runs(folder.resolve().name, logs) if logs else report_of_run(folder / "events.jsonl")
    try:
        write_whole(path, page)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}; choose another file with --output.") from error
    said.say(str(path), {"report": str(path)})


def _find(run: str, results: Path) -> tuple[Path, Sequence[Path]]:
    """Return the folder of a run, or one that holds runs with their logs."""
    from kaslite.experiment.run_directory import RunDirectory

    for path in (Path(run), results / run, results / "sweeps" / run):
        logs = [] if (path / "events.jsonl").is_file() else sorted(path.glob("*/events.jsonl"))
        if logs:
            return path, logs
    try:
        return RunDirectory.find(run, results).path, ()
    except UsageError as error:
        raise UsageError(str(error).replace("there is no run", "there is no run, and no folder that holds runs,", 1)) from error
