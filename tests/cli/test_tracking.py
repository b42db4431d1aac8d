"""What `kaslite run` leaves in MLflow and TensorBoard, read back by their own tools."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from kaslite.cli.main import call
from kaslite.cli.tracking import Tracking
from tests.course import course

mlflow = pytest.importorskip("mlflow")
reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

GROWING = ["--n_samples", "120", "--warm_up_epochs", "2", "--patience", "3", "--delta", "1", "--blend_steps", "4"]
QUICK = [*GROWING, "--adaptation_epochs", "12"]
LONG = [*GROWING, "--adaptation_epochs", "500", "--acc_threshold", "1"]


def client_and_runs(folder, name="kaslite"):
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    return client, client.search_runs([client.get_experiment_by_name(name).experiment_id])


def kaslite(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "kaslite", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


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
    code = (
        "import mlflow, numpy\n"
        f"mlflow.set_tracking_uri({uri!r})\n"
        f"for uri in ['models:/grown/1', 'runs:/{run.info.run_id}/model']:\n"
        "    print(mlflow.pyfunc.load_model(uri).predict(numpy.zeros((3, 2), 'float32')).shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["(3, 2)", "(3, 2)"]


def test_nothing_of_it_is_there_where_it_is_turned_off(home):
    (home / "mlflow.db").unlink()
    assert (
        call(
            [
                "run",
                "--n_samples",
                "60",
                "--warm_up_epochs",
                "1",
                "--adaptation_epochs",
                "1",
                "-q",
                "--no-mlflow",
                "--no-tensorboard",
            ]
        )
        == 0
    )
    assert {path.name for path in home.iterdir()} == {"results"}


@pytest.mark.slow
def test_a_resumed_run_goes_on_where_it_was_in_both(home):
    with kaslite("run", *LONG) as process:
        while not any("phase_2" in log.read_text() for log in home.glob("results/*/events.jsonl")):
            time.sleep(0.02)
        while not list(home.glob("results/*/checkpoints/*.safetensors")):
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    (run_dir,) = (home / "results").iterdir()
    assert call(["resume", run_dir.name, "-q"]) == 0
    client, (run,) = client_and_runs(home)
    history = client.get_metric_history(run.info.run_id, "train_loss")
    assert [point.step for point in history] == list(range(1, 503))
    assert run.info.status == "FINISHED"
    (folder,) = (home / "runs").iterdir()
    reader = reading.EventAccumulator(str(folder), size_guidance={"scalars": 0})
    reader.Reload()
    assert [point.step for point in reader.Scalars("train/loss")] == list(range(1, 503))


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Server:
    """A real MLflow server, which can be killed and started again."""

    def __init__(self, home, port):
        self.home, self.port, self.uri = home, port, f"http://127.0.0.1:{port}"
        self.running = None

    def start(self):
        command = [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"),
            *("--backend-store-uri", f"sqlite:///{self.home}/mlflow.db"),
            *("--artifacts-destination", str(self.home / "artifacts")),
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
        os.killpg(self.running.pid, signal.SIGKILL)
        self.running.wait()


@pytest.fixture
def server(home):
    server = Server(home, free_port())
    server.start()
    yield server
    server.kill()


@pytest.mark.slow
def test_a_server_that_dies_stops_nothing_is_told_once_and_the_run_is_uploaded_later(home, server, capsys, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    client, deadline = mlflow.MlflowClient(tracking_uri=f"sqlite:///{home}/mlflow.db"), time.monotonic() + 60
    with kaslite("run", *LONG, "--json") as process:
        runs = []
        while not runs or not runs[0].data.metrics:
            assert time.monotonic() < deadline
            time.sleep(0.05)
            experiment = client.get_experiment_by_name("kaslite")
            runs = client.search_runs([experiment.experiment_id]) if experiment else []
        server.kill()
        out, err = process.communicate()
    assert process.returncode == 0
    result, run_id = json.loads(out), runs[0].info.run_id
    (said,) = [line for line in err.splitlines() if "MLflow" in line]
    assert f"upload it later: kaslite track {result['run_dir']}" in said
    assert 0 < len(client.get_metric_history(run_id, "train_loss")) < result["epochs"]
    server.start()
    for _ in range(2):
        assert call(["track", result["run_dir"], "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["run_id"] == run_id
    points = client.get_metric_history(run_id, "train_loss")
    assert [point.step for point in points] == list(range(1, result["epochs"] + 1))
    run = client.get_run(run_id)
    assert (run.info.status, len(run.outputs.model_outputs)) == ("FINISHED", 1)


def test_a_server_that_is_away_delays_nothing(home, monkeypatch, caplog):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    begun = time.monotonic()
    sinks = Tracking(no_tensorboard=True).sinks(lambda name: home / name)
    for event in course():
        sinks[0].write(event)
    sinks[0].close()
    assert time.monotonic() - begun < 5
    (record,) = caplog.records
    assert "does not answer" in record.message
    assert f"kaslite track {home}/spirals_s0" in record.message


def test_no_sinks_where_nothing_is_installed_or_asked_for(monkeypatch):
    assert Tracking(no_mlflow=True, no_tensorboard=True).sinks(lambda name: name) == []
    monkeypatch.setattr("kaslite.cli.tracking.find_spec", lambda _: None)
    assert Tracking().sinks(lambda name: name) == []
