import csv
import json

import pytest

from kaslite.cli.main import call
from kaslite.experiment.config import resolve
from kaslite.experiment.run import run

SMALL = {"n_samples": 80, "warm_up_epochs": 1, "adaptation_epochs": 2}


@pytest.fixture
def result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return run(resolve(SMALL), tmp_path / "results")


def test_it_says_what_the_network_does_on_the_test_split(result, capsys):
    assert call(["evaluate", result.run_dir.name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["test_accuracy"] == result.metrics["test_accuracy"]
    assert call(["evaluate", str(result.run_dir)]) == 0
    assert f"test_accuracy  {result.metrics['test_accuracy']:.4f}\n" in capsys.readouterr().out


def test_it_writes_metrics_and_learning_curve(tmp_path, result, capsys):
    for _ in range(2):  # what was there is replaced
        assert call(["evaluate", str(result.run_dir), "--to", "deep/folder", "--json"]) == 0
    folder = tmp_path / "deep" / "folder"
    assert sorted(path.name for path in folder.iterdir()) == ["learning_curve.csv", "metrics.json"]
    assert json.loads((folder / "metrics.json").read_text()) == json.loads(capsys.readouterr().out.split("}\n")[0] + "}")
    with (folder / "learning_curve.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 3


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path, result, capsys):
    (tmp_path / "file").write_text("")
    assert call(["evaluate", str(result.run_dir), "--to", "file"]) == 1
    assert "choose another one with --to" in capsys.readouterr().err
