import json
import os
import pty
import subprocess
import sys

import pytest

from kaslite.cli.main import call
from kaslite.events import DecisionMade, RunResumed, to_line


@pytest.fixture
def run_dir(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    call(["run", "--n_samples", "60", "--warm_up_epochs", "1", "--adaptation_epochs", "1", "-q"])
    capsys.readouterr()
    (made,) = (tmp_path / "results").iterdir()
    return made


def test_a_run_is_shown_again_line_by_line(run_dir, capsys):
    assert call(["replay", str(run_dir), "-v"]) == 0
    out = capsys.readouterr().out
    assert "epoch 2:" in out
    assert out.endswith("run completed\n")


def test_the_json_of_a_replay_equals_the_metrics_of_the_run(run_dir, capsys):
    call(["replay", run_dir.name, "--json"])
    replayed = json.loads(capsys.readouterr().out)
    assert replayed["metrics"] == json.loads((run_dir / "metrics.json").read_text())
    assert replayed["status"] == "completed"


def test_in_a_terminal_the_dashboard_is_drawn(run_dir):
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "kaslite", "replay", str(run_dir)]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "NO_COLOR": "1"}
    with subprocess.Popen(command, stdout=slave, env=environment):
        os.close(slave)
        drawn = b""
        while True:
            try:
                drawn += os.read(master, 65536)
            except OSError:
                break
    os.close(master)
    assert "Seeds Active" in drawn.decode()


def test_a_resumed_run_is_shown_as_it_effectively_went(run_dir, capsys):
    log = run_dir / "events.jsonl"
    whole = log.read_text().splitlines(keepends=True)
    (cut,) = [number for number, line in enumerate(whole, start=1) if '"epoch_completed"' in line and '"epoch":1,' in line]
    void = DecisionMade(epoch=2, sequence=cut + 1, decision="cull", layer="l", seed=0, reason="void")
    resumed = RunResumed(epoch=1, sequence=cut, last_sequence=cut)
    log.write_text("".join([*whole[:cut], to_line(void) + "\n", to_line(resumed) + "\n", *whole[cut:]]))
    call(["replay", str(run_dir), "-v"])
    out = capsys.readouterr().out
    assert "void" not in out
    assert out.index("epoch 1:") < out.index("resumed after epoch 1") < out.index("epoch 2:")
    call(["replay", str(run_dir), "--json"])
    assert json.loads(capsys.readouterr().out)["status"] == "completed"


def test_a_damaged_log_is_named(run_dir, capsys):
    log = run_dir / "events.jsonl"
    log.write_text("not an event\n" + log.read_text())
    assert call(["replay", str(run_dir)]) == 1
    assert "line 1 of" in capsys.readouterr().err
