"""``kaslite track``: upload a run, or a sweep with all of its runs, to MLflow from its folder."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from kaslite.cli.output import Output
from kaslite.cli.tracking import mlflow_sink, mlflow_sweep
from kaslite.errors import UsageError

if TYPE_CHECKING:
    from kaslite.experiment.run_directory import RunDirectory
    from kaslite.sweeps.tracking import MlflowSweep
    from kaslite.telemetry.mlflow_store import MlflowAddress
    from kaslite.telemetry.sinks.mlflow import MlflowSink


def track(
    run: str,
    /,
    *,
    results_dir: Path = Path("results"),
    output: Output = Output(),  # noqa: B008  frozen
) -> None:
    """Upload a run or a sweep to MLflow from its folder: one that went without, or whose server was away.

    What is there already is left as it is. A run of a sweep is uploaded with its sweep.
    MLFLOW_TRACKING_URI and MLFLOW_EXPERIMENT_NAME say where to.

    Parameters
    ----------
    run
        Folder of the run or the sweep, or its name under the results folder.
    results_dir
        Folder that holds the runs.
    """
    from kaslite.experiment.run_directory import RunDirectory
    from kaslite.telemetry.mlflow_store import MlflowAddress

    if not find_spec("mlflow"):
        raise UsageError("MLflow is not installed; install it with `pip install kaslite[tracking]`.")
    output.hear_warnings()
    address = MlflowAddress.from_environment()
    sweep = _sweep_of(Path(run)) or _sweep_of(results_dir / "sweeps" / run)
    sent = _send_run(address, RunDirectory.find(run, results_dir)) if sweep is None else _send_sweep(address, sweep)
    content = {"run_id": sent.run_id, "experiment_id": sent.experiment_id, "tracking_uri": address.uri}
    output.say(f"MLflow run {sent.run_id} of experiment {address.experiment!r} at {address.uri}", content)


def _sweep_of(path: Path) -> Path | None:
    """Return the sweep that a folder is, or is a run of; ``None`` if it is neither."""
    return next((folder for folder in (path, path.absolute().parent) if (folder / "plan.json").is_file()), None)


def _send_run(address: MlflowAddress, directory: RunDirectory) -> MlflowSink:
    from kaslite.telemetry import read_log

    sink = mlflow_sink(address, lambda _: directory.path)
    sink.recall(list(read_log(directory.events)))
    sink.close()
    return sink


def _send_sweep(address: MlflowAddress, folder: Path) -> MlflowSweep:
    from kaslite.sweeps.directory import SweepDirectory
    from kaslite.sweeps.tracking import upload

    directory = SweepDirectory(folder)
    sweep = mlflow_sweep(address, directory)
    upload(sweep, directory)
    return sweep
