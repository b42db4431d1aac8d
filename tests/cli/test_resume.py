import json
import os
import signal
import subprocess
import sys
import time

import pytest

from kaslite.cli.main import call

FLAGS = ["--n_samples", "400", "--warm_up_epochs", "2", "--adaptation_epochs", "60"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_that_ctrl_c_stopped_says_how_to_go_on_and_does(folder, capsys):
    command = [sys.executable, "-m", "kaslite", "run", *FLAGS]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while not any("epoch_completed" in log.read_text() for log in folder.glob("results/*/events.jsonl")):
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGINT)
        said = process.communicate()[1]
    assert process.returncode == 130
    told = said.rstrip().rsplit("to go on: kaslite ", 1)[1].split()
    assert call([*told, "--json"]) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert result["epochs"] == 62
    assert "resumed after epoch" in err
    assert json.loads((folder / result["run_dir"] / "metrics.json").read_text())["epochs"] == 62


def test_a_finished_run_is_answered_with_its_result(folder, capsys):
    call(["run", "--n_samples", "80", "--warm_up_epochs", "1", "--adaptation_epochs", "1", "--json", "-q"])
    result = json.loads(capsys.readouterr().out)
    name = next((folder / "results").iterdir()).name
    assert call(["resume", name, "--json", "-q"]) == 0
    assert json.loads(capsys.readouterr().out) == result


@pytest.mark.usefixtures("folder")
def test_a_run_that_is_not_there_is_wrong_usage(capsys):
    assert call(["resume", "nothing"]) == 2
    assert "there is no run 'nothing'" in capsys.readouterr().err


def test_a_damaged_log_fails(folder, capsys):
    call(["run", "--n_samples", "80", "--warm_up_epochs", "1", "--adaptation_epochs", "1", "-q"])
    (run,) = (folder / "results").iterdir()
    (run / "events.jsonl").write_text("nonsense\n{}\n")
    assert call(["resume", str(run)]) == 1
    assert "the log is damaged" in capsys.readouterr().err
