"""``kaslite track``: upload a run to MLflow from its folder."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from kaslite.cli.output import Output
from kaslite.cli.tracking import mlflow_sink
from kaslite.errors import UsageError


def track(
    run: str,
    /,
    *,
    results_dir: Path = Path("results"),
    output: Output = Output(),  # noqa: B008  frozen
) -> None:
    """Upload a run to MLflow from its folder: one that went without, or whose server was away.

    What is there already is left as it is. MLFLOW_TRACKING_URI and MLFLOW_EXPERIMENT_NAME say where to.

    Parameters
    ----------
    run
        Folder of the run, or its name under the results folder.
    results_dir
        Folder that holds the runs.
    """
    from kaslite.experiment.run_directory import RunDirectory
    from kaslite.telemetry import read_log
    from kaslite.telemetry.mlflow_store import MlflowAddress

    if not find_spec("mlflow"):
        raise UsageError("MLflow is not installed; install it with `pip install kaslite[tracking]`.")
    output.hear_warnings()
    directory = RunDirectory.find(run, results_dir)
    address = MlflowAddress.from_environment()
    sink = mlflow_sink(address, lambda _: directory.path)
    sink.recall(list(read_log(directory.events)))
    sink.close()
    content = {"run_id": sink.run_id, "experiment_id": sink.experiment_id, "tracking_uri": address.uri}
    output.say(f"MLflow run {sink.run_id} of experiment {address.experiment!r} at {address.uri}", content)
