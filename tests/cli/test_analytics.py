import json
import os
import pty
import re
import subprocess
import sys
from functools import reduce

import pytest

from kaslite.cli.main import call
from kaslite.dashboard.blending import NOTHING, TITLE, blending_text
from kaslite.events import to_line
from kaslite.telemetry import read_log
from kaslite.telemetry.analytics import BlendingStats, fold_blending
from tests.blends import blending_run, chosen
from tests.dashboard.test_fold import START


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    return blending_run(tmp_path_factory.mktemp("results")).parent


def stats_of(run_dir):
    return reduce(fold_blending, read_log(run_dir / "events.jsonl"), BlendingStats())


def run_with(folder, *events):
    """Write the log of a run that is still going, or was killed."""
    folder.mkdir()
    (folder / "events.jsonl").write_text("".join(to_line(event) + "\n" for event in events))
    return folder


def test_a_run_tells_how_each_strategy_went(run_dir, capsys):
    assert call(["analytics", str(run_dir)]) == 0
    out, err = capsys.readouterr()
    assert f"\n\n{TITLE}\n{blending_text(stats_of(run_dir))}\n\n" in out
    assert "DRIFT_CONTROLLED" in out
    assert err == ""


def test_json_holds_the_same_numbers_and_how_the_run_stands(run_dir, capsys):
    assert call(["analytics", run_dir.name, "--results_dir", str(run_dir.parent), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    blueprints = content.pop("blueprints")
    assert content == {
        "run_name": run_dir.name,
        "status": "completed",
        "metrics": json.loads((run_dir / "metrics.json").read_text()),
        "blending": stats_of(run_dir).as_dict(),
    }
    assert content["blending"]["DRIFT_CONTROLLED"]["failed"] == 1
    counts = {name: sum(stats[name] for stats in blueprints.values()) for name in ("germinated", "fossilized", "culled")}
    assert counts == {name: content["metrics"][name] for name in counts}


def test_its_results_are_the_ones_that_the_run_wrote(run_dir, capsys):
    call(["analytics", str(run_dir)])
    head, *results = capsys.readouterr().out.split("\n\n")[0].splitlines()
    assert head == f"{run_dir.name}, completed"
    values = dict(line.split() for line in results[1:])
    metrics = json.loads((run_dir / "metrics.json").read_text())
    assert values == {name: "-" if value is None else f"{value:,}" for name, value in metrics.items()}


def test_it_tells_what_became_of_the_seeds_of_each_blueprint(run_dir, capsys):
    call(["analytics", str(run_dir)])
    rows = capsys.readouterr().out.split("Blueprint Analytics\n")[1].splitlines()
    assert rows[1].split()[:4] == ["mlp", "3", "0", "1"]


def test_replay_tells_the_same_in_json(run_dir, capsys):
    call(["replay", str(run_dir), "--json"])
    replayed = json.loads(capsys.readouterr().out)
    assert replayed["blending"] == stats_of(run_dir).as_dict()
    assert replayed["seeds"]["blocks.0:0"]["blend_strategy"] == "FIXED_RAMP"


def test_of_a_run_without_blends_it_says_so(tmp_path, capsys):
    run_dir = run_with(tmp_path / "r", START)
    assert call(["analytics", str(run_dir)]) == 0
    assert f"{TITLE}\n{NOTHING}\n" in capsys.readouterr().out
    call(["analytics", str(run_dir), "--json"])
    content = json.loads(capsys.readouterr().out)
    assert (content["status"], content["blending"], content["blueprints"]) == ("running", {}, {})


def test_a_run_that_is_still_going_has_open_blends(tmp_path, capsys):
    run_dir = run_with(tmp_path / "r", START, chosen(strategy_name="MINE"))
    with (run_dir / "events.jsonl").open("a") as log:
        log.write('{"type": "blend_comp')  # being written
    call(["analytics", str(run_dir), "--json"])
    blends = json.loads(capsys.readouterr().out)["blending"]["MINE"]
    assert (blends["count"], blends["open"], blends["mean_duration_epochs"]) == (1, 1, None)


def test_a_run_that_nobody_writes_any_more_was_interrupted(tmp_path, capsys):
    run = run_with(tmp_path / "run", START, chosen())
    os.utime(run / "events.jsonl", (0, 0))
    assert call(["analytics", str(run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "interrupted"


def test_in_a_terminal_the_table_is_drawn_to_its_width(run_dir):
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "kaslite", "analytics", str(run_dir)]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "72", "NO_COLOR": "1"}
    with subprocess.Popen(command, stdout=slave, env=environment):
        os.close(slave)
        drawn = b""
        while True:
            try:
                drawn += os.read(master, 65536)
            except OSError:
                break
    os.close(master)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", drawn.decode()).splitlines()
    assert any(line.rstrip().endswith("Failure  Open") for line in lines)
    assert max(map(len, lines)) <= 72


@pytest.mark.parametrize(
    ("content", "code", "complaint"),
    [(None, 2, "nowhere"), ("not an event\n", 1, "line 1 of")],
    ids=["no such run", "a damaged log"],
)
def test_what_cannot_be_read_is_one_sentence_and_an_exit_code(tmp_path, capsys, content, code, complaint):
    if content is not None:
        (tmp_path / "nowhere").mkdir()
        (tmp_path / "nowhere" / "events.jsonl").write_text(content)
    assert call(["analytics", str(tmp_path / "nowhere")]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert complaint in err
    assert len(err.splitlines()) == 1
