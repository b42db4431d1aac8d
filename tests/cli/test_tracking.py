"""What `kaslite run` leaves in MLflow and TensorBoard, read back by their own tools."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest
import torch

from kaslite.cli.main import call
from kaslite.cli.tracking import Tracking
from kaslite.experiment.config import resolve
from kaslite.experiment.network_file import read_network
from kaslite.experiment.run import run
from kaslite.experiment.served import ServedNetwork
from tests.course import course

mlflow = pytest.importorskip("mlflow")
reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

SETTINGS = {"n_samples": 120, "warm_up_epochs": 2, "patience": 3, "delta": 1, "blend_steps": 4, "adaptation_epochs": 12}
QUICK = [part for name, value in SETTINGS.items() for part in (f"--{name}", str(value))]
EPOCHS = list(range(1, 15))
LOAD_AND_PREDICT = """
import json, sys
import mlflow, numpy, torch
torch.set_num_threads(1)
mlflow.set_tracking_uri(sys.argv[1])
inputs = numpy.array(json.load(sys.stdin))
print(json.dumps([mlflow.pyfunc.load_model(uri).predict(inputs).tolist() for uri in sys.argv[2:]]))
"""
DIE_WHEN_TRACKED = """
import os, signal, sys, time
from pathlib import Path
from kaslite.cli.tracking import Tracking
from kaslite.experiment import run
from kaslite.experiment.config import resolve
from tests.cli.test_tracking import SETTINGS, At, points
def wait():
    while not points(Path.cwd(), "train_loss"):
        time.sleep(0.05)
die = lambda: os.kill(os.getpid(), signal.SIGKILL)
results = Path("results")
tracked = Tracking().sinks(lambda name: results / name)
run.CHECKPOINT_SHARE = 0.9
run.run(resolve(SETTINGS), results, [*tracked, At(6, wait), At(10, die)])
"""


class At:
    """A view that does something at the end of an epoch, and the run waits for it."""

    def __init__(self, epoch, action):
        self.epoch, self.action = epoch, action

    def write(self, event):
        if event.type == "epoch_completed" and event.epoch == self.epoch:
            self.action()

    def recall(self, history):
        pass

    def close(self):
        pass


def points(home, key):
    """Return the epochs of which the one run there has a point, read without MLflow."""
    with closing(sqlite3.connect(home / "mlflow.db")) as store:
        return [step for (step,) in store.execute("SELECT step FROM metrics WHERE key = ? ORDER BY step", [key])]


def client_and_runs(folder, name="kaslite"):
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    return client, client.search_runs([client.get_experiment_by_name(name).experiment_id])


@pytest.fixture
def home(store, tracked):
    assert store.endswith(f"{tracked}/mlflow.db")
    return tracked


@pytest.mark.slow
def test_a_run_is_in_both_without_being_asked_for(home, capsys, monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    assert call(["run", *QUICK, "--json", "-q"]) == 0
    result = json.loads(capsys.readouterr().out)
    client, (run,) = client_and_runs(home, "mine")
    history = client.get_metric_history(run.info.run_id, "val_acc")
    assert [point.step for point in history] == list(range(1, result["epochs"] + 1))
    assert {f"seed/blocks.{n}:0/alpha" for n in range(3)} <= set(run.data.metrics)
    assert run.data.params["adaptation_epochs"] == "12"
    assert run.data.tags["phase"] == "phase_2"
    assert run.data.metrics["test_accuracy"] == result["test_accuracy"]
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert {"config.yaml", "events.jsonl", "metrics.json", "tensorboard"} <= files
    (output,) = run.outputs.model_outputs
    assert client.get_logged_model(output.model_id).status == "READY"
    reader = reading.EventAccumulator(str(home / "runs" / run.info.run_name), size_guidance={"scalars": 0})
    reader.Reload()
    assert len(reader.Scalars("validation/accuracy")) == result["epochs"]
    assert {f"seed/blocks.{n}:0/alpha" for n in range(3)} <= set(reader.Tags()["scalars"])


@pytest.mark.slow
def test_the_network_of_a_run_goes_into_the_registry_and_comes_back_in_a_fresh_process(home):
    call(["run", *QUICK, "-q"])
    client, (run,) = client_and_runs(home)
    uri = f"sqlite:///{home}/mlflow.db"
    client.create_registered_model("grown")
    client.create_model_version("grown", f"models:/{run.outputs.model_outputs[0].model_id}", run.info.run_id)
    network = read_network(home / "results" / run.info.run_name / "model")
    inputs = torch.randn(16, 2, generator=torch.manual_seed(0), dtype=torch.float64)
    uris = ["models:/grown/1", f"runs:/{run.info.run_id}/model"]
    command = [sys.executable, "-c", LOAD_AND_PREDICT, uri, *uris]
    done = subprocess.run(command, input=json.dumps(inputs.tolist()), capture_output=True, text=True, check=True)
    expected = ServedNetwork(network).predict(inputs.numpy()).tolist()
    assert json.loads(done.stdout) == [expected, expected]


def test_nothing_of_it_is_there_where_it_is_turned_off(home):
    (home / "mlflow.db").unlink()
    assert call(["run", *QUICK, "-q", "--no-mlflow", "--no-tensorboard"]) == 0
    assert {path.name for path in home.iterdir()} == {"results"}


@pytest.mark.slow
def test_a_resumed_run_goes_on_where_it_was_in_both(home):
    root = str(Path(__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    died = subprocess.run([sys.executable, "-c", DIE_WHEN_TRACKED], env=environment, check=False)
    assert died.returncode == -signal.SIGKILL
    (run_dir,) = (home / "results").iterdir()
    assert list(run_dir.glob("checkpoints/*.safetensors"))
    assert call(["resume", run_dir.name, "-q"]) == 0
    assert points(home, "train_loss") == points(home, "val_loss") == EPOCHS
    _, (run,) = client_and_runs(home)
    assert run.info.status == "FINISHED"
    (folder,) = (home / "runs").iterdir()
    reader = reading.EventAccumulator(str(folder), size_guidance={"scalars": 0})
    reader.Reload()
    assert [point.step for point in reader.Scalars("train/loss")] == EPOCHS


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Server:
    """A real MLflow server, which can be killed; its store can be used without it, too."""

    def __init__(self, home, port):
        self.home, self.port, self.uri = home, port, f"http://127.0.0.1:{port}"
        self.running = None

    def start(self):
        command = [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"),
            *("--backend-store-uri", f"sqlite:///{self.home}/mlflow.db"),
            *("--no-serve-artifacts", "--default-artifact-root", str(self.home / "artifacts")),
        ]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.running = subprocess.Popen(command, start_new_session=True, **quiet)
        deadline = time.monotonic() + 60
        while not self.answers():
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def answers(self):
        try:
            return urllib.request.urlopen(f"{self.uri}/health", timeout=1).status == 200  # noqa: S310  our own server
        except OSError:
            return False

    def kill(self):
        if self.running.poll() is not None:
            return
        os.killpg(self.running.pid, signal.SIGKILL)
        self.running.wait()


@pytest.fixture
def server(home):
    server = Server(home, free_port())
    server.start()
    yield server
    server.kill()


@pytest.mark.slow
def test_a_server_that_dies_stops_nothing_is_told_once_and_the_run_is_uploaded_later(home, server, caplog, capsys, monkeypatch):
    def wait_and_kill():
        while not points(home, "train_loss"):
            time.sleep(0.05)
        server.kill()

    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    tracked = Tracking(no_tensorboard=True).sinks(lambda name: home / "results" / name)
    done = run(resolve(SETTINGS), home / "results", [*tracked, At(6, wait_and_kill)])
    (said,) = [record.message for record in caplog.records if "MLflow" in record.message]
    assert f"upload it later: kaslite track {done.run_dir}" in said
    assert 0 < len(points(home, "train_loss")) < done.metrics["epochs"]
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    for _ in range(2):
        assert call(["track", str(done.run_dir), "--json"]) == 0
    assert points(home, "train_loss") == points(home, "val_loss") == EPOCHS
    _, (there,) = client_and_runs(home)
    assert (there.info.status, len(there.outputs.model_outputs)) == ("FINISHED", 1)
    assert capsys.readouterr().out.count(there.info.run_id) == 2


def test_a_server_that_is_away_delays_nothing(home, monkeypatch, caplog):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # nobody listens there
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free.getsockname()[1]}")
        begun = time.monotonic()
        sinks = Tracking(no_tensorboard=True).sinks(lambda name: home / name)
        for event in course():
            sinks[0].write(event)
        sinks[0].close()
    assert time.monotonic() - begun < 30  # its patience is 60
    (record,) = caplog.records
    assert "does not answer" in record.message
    assert f"kaslite track {home}/spirals_s0" in record.message


def test_no_sinks_where_nothing_is_installed_or_asked_for(monkeypatch):
    assert Tracking(no_mlflow=True, no_tensorboard=True).sinks(lambda name: name) == []
    monkeypatch.setattr("kaslite.cli.tracking.find_spec", lambda _: None)
    assert Tracking().sinks(lambda name: name) == []
