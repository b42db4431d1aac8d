"""Against a real SQLite store, read back by MLflow's own client."""

import os
import socket
import sqlite3
import threading
import time
from contextlib import closing, nullcontext

import pytest

from kaslite.errors import StorageError
from kaslite.telemetry.mlflow_store import MlflowAddress, MlflowStore, Point, check_answers

mlflow = pytest.importorskip("mlflow")


def opened(uri, key="k1", **changes):
    values = {"key": key, "name": "a run", "started_s": 1000.0, "tags": {"who": "me"}} | changes
    return MlflowStore(MlflowAddress(uri, "tests"), **values)


def read(uri, run_id):
    return mlflow.MlflowClient(tracking_uri=uri).get_run(run_id)


def history(uri, run_id, key):
    return [(p.step, p.value) for p in mlflow.MlflowClient(tracking_uri=uri).get_metric_history(run_id, key)]


def test_a_run_is_made_once_and_found_again_by_its_key(store):
    first = opened(store)
    assert opened(store, name="otherwise called").run_id == first.run_id
    assert opened(store, key="k2").run_id != first.run_id
    run = read(store, first.run_id)
    assert (run.info.run_name, run.info.start_time, run.data.tags["who"]) == ("a run", 1_000_000, "me")


def test_no_point_is_there_twice(store):
    first = opened(store)
    first.log([Point("loss", 1.0, 1, 1000), Point("loss", 0.5, 2, 2000)], {})
    again = opened(store)
    again.log([Point("loss", 0.5, 2, 9000), Point("loss", 0.25, 3, 9001)], {})
    again.log([Point("loss", 0.25, 3, 9002)], {})
    assert history(store, first.run_id, "loss") == [(1, 1.0), (2, 0.5), (3, 0.25)]


def test_more_points_and_parameters_than_mlflow_takes_at_once_all_arrive(store):
    it = opened(store)
    it.log([Point("loss", float(step), step, step) for step in range(2500)], {"done": "yes"})
    it.log_params({f"p{number}": "x" for number in range(250)})
    assert len(history(store, it.run_id, "loss")) == 2500
    run = read(store, it.run_id)
    assert len(run.data.params) == 250
    assert run.data.tags["done"] == "yes"


def test_a_long_parameter_is_shortened_and_none_is_logged_twice(store):
    opened(store).log_params({"long": "x" * 7000})
    it = opened(store)
    it.log_params({"long": "y" * 7000, "new": "1"})
    params = read(store, it.run_id).data.params
    assert params["new"] == "1"
    assert params["long"] == "x" * 5997 + "..."


def test_a_run_ends_when_it_ended_and_goes_on_when_it_is_opened_again(store, capsys):
    first = opened(store)
    first.end("KILLED", 1060.0)
    run = read(store, first.run_id)
    assert (run.info.status, run.info.end_time) == ("KILLED", 1_060_000)
    opened(store)
    assert read(store, first.run_id).info.status == "RUNNING"
    assert capsys.readouterr().out == ""


def test_a_run_has_one_model_of_a_name(store, tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.txt").write_text("a")
    it = opened(store)
    model_id = it.new_model("model")
    it.fill_model(model_id, tmp_path / "files", 7)
    assert opened(store).new_model("model") is None
    (output,) = read(store, it.run_id).outputs.model_outputs
    assert (output.model_id, output.step) == (model_id, 7)


def test_a_model_that_was_left_half_is_gone_on_with(store):
    it = opened(store)
    assert it.new_model("model") == it.new_model("model")


def test_a_store_that_is_broken_is_named_with_the_reason_and_what_to_do(tmp_path):
    file = tmp_path / "mlflow.db"
    file.write_text("no database, but a file of some length" * 100)
    with pytest.raises(StorageError, match=r"the store .*mlflow\.db cannot be used: .*not a database; move the file away"):
        opened(f"sqlite:///{file}")
    file.unlink()
    with closing(sqlite3.connect(file)) as half:
        half.execute("CREATE TABLE experiments (x)")
    with pytest.raises(StorageError, match=r"MLflow cannot open the store .*mlflow\.db: .*If it is broken, move the file away"):
        opened(f"sqlite:///{file}")


def test_a_folder_instead_of_a_store_is_told_at_once_and_mlflow_is_not_heard(tmp_path, capfd):
    begun = time.monotonic()
    with pytest.raises(StorageError, match="make it a file that can be written to"):
        opened(f"sqlite:///{tmp_path}")
    assert time.monotonic() - begun < 30  # MLflow would try for 51 s
    assert capfd.readouterr().err == ""


def test_a_server_that_is_away_is_told_within_seconds():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{free.getsockname()[1]}"  # nobody listens there
        begun = time.monotonic()
        with pytest.raises(StorageError, match=f"the server {uri} does not answer"):
            opened(uri)
    assert time.monotonic() - begun < 30


def test_a_server_that_connects_and_never_answers_is_told_in_time(monkeypatch):
    monkeypatch.setattr("kaslite.telemetry.mlflow_store._ANSWERS_WITHIN_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as mute, pytest.raises(StorageError, match="does not answer: timed out"):
        check_answers(f"http://127.0.0.1:{mute.getsockname()[1]}")


@pytest.mark.parametrize(("answer", "is_one"), [(b"HTTP/1.1 404 Not Found\r\n\r\n", True), (b"SSH-2.0-it\r\n", False)])
def test_any_answer_to_a_request_is_one(answer, is_one):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with server.accept()[0] as asked:
                asked.sendall(answer)

        threading.Thread(target=serve).start()
        with nullcontext() if is_one else pytest.raises(StorageError, match="does not answer"):
            check_answers(f"http://127.0.0.1:{server.getsockname()[1]}/below")


def test_what_is_no_server_is_not_asked():
    check_answers("sqlite:///mlflow.db")
    check_answers("databricks")


def test_neither_environment_nor_global_state_is_changed(store):
    before = dict(os.environ), mlflow.get_tracking_uri()
    opened(store, key="k3").end("FINISHED", 1.0)
    assert (dict(os.environ), mlflow.get_tracking_uri()) == before
    assert mlflow.active_run() is None


def test_the_address_is_that_of_the_environment_or_a_file_in_the_present_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert MlflowAddress.from_environment() == MlflowAddress(f"sqlite:///{tmp_path}/mlflow.db", "kaslite")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://there")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    assert MlflowAddress.from_environment() == MlflowAddress("http://there", "mine")
