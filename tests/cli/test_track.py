import json

import pytest

from kaslite.cli.main import call

mlflow = pytest.importorskip("mlflow")

SMALL = ["--n_samples", "60", "--warm_up_epochs", "1", "--adaptation_epochs", "2"]


@pytest.mark.slow
def test_a_run_that_went_without_is_uploaded_whole(store, tmp_path, capsys):
    call(["run", *SMALL, "-q"])
    (run_dir,) = (tmp_path / "results").iterdir()
    capsys.readouterr()
    assert call(["track", run_dir.name, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    client = mlflow.MlflowClient(tracking_uri=store)
    run = client.get_run(said["run_id"])
    assert run.info.run_name == run_dir.name
    assert len(client.get_metric_history(said["run_id"], "val_acc")) == 3
    assert len(run.outputs.model_outputs) == 1
    assert said["tracking_uri"] == store


@pytest.mark.usefixtures("store")
def test_a_server_that_is_away_fails_with_its_name(tmp_path, capsys, monkeypatch):
    call(["run", *SMALL, "-q"])
    (run_dir,) = (tmp_path / "results").iterdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert call(["track", run_dir.name]) == 1
    assert "the server http://127.0.0.1:9 does not answer" in capsys.readouterr().err


@pytest.mark.usefixtures("store")
def test_a_run_that_is_not_there_is_wrong_usage(capsys):
    assert call(["track", "nothing"]) == 2
    assert "there is no run 'nothing'" in capsys.readouterr().err


def test_it_says_how_to_install_mlflow_where_it_is_not(monkeypatch, capsys):
    monkeypatch.setattr("kaslite.cli.track.find_spec", lambda _: None)
    assert call(["track", "nothing"]) == 2
    assert "pip install kaslite[tracking]" in capsys.readouterr().err
