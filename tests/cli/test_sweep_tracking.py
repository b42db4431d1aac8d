"""What `kaslite sweep` leaves in MLflow and TensorBoard, read back by their own tools."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from kaslite.cli.main import call
from tests.sweeping import TINY, written

if TYPE_CHECKING:
    from pathlib import Path

mlflow = pytest.importorskip("mlflow")
reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
pytestmark = pytest.mark.slow
FLAGS = [f"--{name}={value}" for name, value in TINY.items()]
EPOCHS = 3


@pytest.fixture
def home(store: str, tracked: Path) -> Path:
    assert store.endswith(f"{tracked}/mlflow.db")
    written(tracked, "lr: [0.003, 0.01]\n")
    return tracked


def nested(home: Path) -> tuple[Any, Any, list[Any]]:
    """Return MLflow's client, the one sweep there, and the runs under it."""
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{home}/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("kaslite").experiment_id])
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(runs) == 1 + len(children)
    return client, parent, children


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_sweep_and_its_runs_are_in_both_without_being_asked_for(
    home: Path, capsys: pytest.CaptureFixture[str], workers: str
) -> None:
    assert call(["sweep", "sweep.yaml", *FLAGS, "--workers", workers, "-q", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    client, parent, children = nested(home)
    assert {run.info.run_name for run in children} == {row["run"] for row in result["runs"]}
    assert all(len(client.get_metric_history(run.info.run_id, "val_acc")) == EPOCHS for run in children)
    assert all(len(run.outputs.model_outputs) == 1 and run.info.status == "FINISHED" for run in children)
    files = {file.path for run in children for file in client.list_artifacts(run.info.run_id)}
    logs = {name for name in files if name.startswith("results_") and name.endswith(".log")}
    assert logs
    assert files - logs == {"config.yaml", "events.jsonl", "metrics.json", "tensorboard"}
    assert parent.data.tags["best_run"] == result["best"]["run"]
    for row in result["runs"]:
        reader = reading.EventAccumulator(str(home / "runs" / parent.info.run_name / row["run"]))
        reader.Reload()
        assert len(reader.Scalars("validation/accuracy")) == EPOCHS


def test_run_with_a_sweep_file_takes_the_same_flags(home: Path) -> None:
    flags = ["--workers", "0", "-q", "--no_mlflow", "--no_tensorboard"]
    assert call(["run", "-s", "sweep.yaml", *FLAGS, *flags]) == 0
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{home}/mlflow.db")
    assert client.get_experiment_by_name("kaslite") is None
    assert not (home / "runs").exists()


def test_a_sweep_that_is_resumed_goes_on_in_the_same_run(home: Path) -> None:
    written(home, "n_samples: [60, 1]\n")
    assert call(["sweep", "sweep.yaml", *FLAGS, "--workers", "0", "-q"]) == 1
    _, before, _ = nested(home)
    (folder,) = (home / "results" / "sweeps").iterdir()
    assert call(["sweep", "--resume", str(folder), "--workers", "0", "-q"]) == 1
    _, after, children = nested(home)
    assert (after.info.run_id, after.info.status) == (before.info.run_id, "FAILED")
    assert sorted(run.info.status for run in children) == ["FAILED", "FINISHED"]


def test_a_server_that_is_away_is_said_once_for_the_sweep_which_is_uploaded_later(
    home: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free.getsockname()[1]}")
    assert call(["sweep", "sweep.yaml", *FLAGS, "--workers", "0", "-q"]) == 0
    (folder,) = (home / "results" / "sweeps").iterdir()
    (record,) = [record for record in caplog.records if "MLflow" in record.message]
    assert f"The sweep goes on without it; upload it later: kaslite track {folder.relative_to(home)}" in record.message
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    capsys.readouterr()
    runs = [folder.name, str(folder), str(next(folder.glob("run_*")))]  # a run of it means the whole
    for named in runs:
        assert call(["track", named, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["run_id"] == nested(home)[1].info.run_id
    client, _, children = nested(home)
    assert len(children) == 2
    assert all(len(client.get_metric_history(run.info.run_id, "val_acc")) == EPOCHS for run in children)
