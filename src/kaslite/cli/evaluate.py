"""``kaslite evaluate``: what the network of a completed run does on the test split, and how the run went, as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from kaslite.cli.output import Output
from kaslite.errors import StorageError
from kaslite.telemetry.words import number

if TYPE_CHECKING:
    from collections.abc import Mapping


def evaluate(
    run: str,
    /,
    *,
    to: Path | None = None,
    results_dir: Path = Path("results"),
    output: Output = Output(),  # noqa: B008  frozen
) -> None:
    """Say what the network of a completed run does on the test split, from the files of the run alone.

    Parameters
    ----------
    run
        Folder of the run, or its name under the results folder.
    to
        A folder for metrics.json and learning_curve.csv, a row for each epoch; what they hold is replaced.
    results_dir
        Folder that holds the runs.
    """
    from kaslite.experiment.evaluate import evaluate as carry_out
    from kaslite.experiment.evaluate import learning_curve
    from kaslite.experiment.run_directory import RunDirectory

    output.hear_warnings()
    directory = RunDirectory.find(run, results_dir)
    metrics = carry_out(directory)
    if to is not None:
        files = {
            "metrics.json": json.dumps(metrics, indent=2, allow_nan=False) + "\n",
            "learning_curve.csv": learning_curve(directory),
        }
        _write(to, files)
    lines = [f"{name:<14} {value if isinstance(value, int) else number(value)}" for name, value in metrics.items()]
    output.say("\n".join(lines), metrics)


def _write(folder: Path, files: Mapping[str, str]) -> None:
    from kaslite.experiment.run_directory import RunDirectory

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            RunDirectory.write_text(folder / name, text)
    except OSError as error:
        raise StorageError(f"cannot write to the folder {folder}: {error.strerror}; choose another one with --to.") from error
