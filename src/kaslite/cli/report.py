"""``kaslite report``: one HTML file of a run or a sweep, to be mailed or archived."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    from kaslite.whole_file import write_whole

    folder, logs = _find(run, results_dir)
    path = output or folder / "report.html"
    page = _sweep_page(folder, logs) if logs else _run_page(folder)
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


def _run_page(folder: Path) -> str:
    from kaslite.dashboard.web.report import run_report

    return run_report(_story(folder / "events.jsonl"))


def _sweep_page(folder: Path, logs: Sequence[Path]) -> str:
    """Return the page of many runs; those whose logs are damaged are named in it."""
    from kaslite.dashboard.web.report import sweep_report

    stories: dict[str, dict[str, Any]] = {}
    unreadable: dict[str, str] = {}
    for log in logs:
        try:
            stories[log.parent.name] = _story(log)
        except StorageError as error:
            unreadable[log.parent.name] = str(error)
    return sweep_report(folder.resolve().name, stories, unreadable)


def _story(log: Path) -> dict[str, Any]:
    from kaslite.dashboard.web.liveness import status_now
    from kaslite.dashboard.web.story import Story
    from kaslite.telemetry import read_log

    story, is_begun = Story(), False
    for event in read_log(log):
        story.take(event)
        is_begun = True
    if not is_begun:
        raise StorageError(f"no event was written to {log} yet.")
    whole = story.whole()
    whole["run"]["status"] = status_now(story.status, log)
    return whole
