import re
from datetime import datetime

import pytest

from kaslite.errors import StorageError
from kaslite.events import DecisionMade, PhaseStarted, RunFinished, RunResumed
from kaslite.telemetry.sinks.text_log import TextLog

BEGINS = PhaseStarted(epoch=0, phase="phase_1", epochs=2, sequence=1)
ENDS = RunFinished(epoch=2, status="completed", metrics={"val_loss": 0.25, "final_params": 1234, "test_accuracy": None})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results_it.log"


def written(path, *events, history=None):
    log = TextLog(path)
    if history is not None:
        log.recall(history)
    for event in events:
        log.write(event)
    log.close()
    return path.read_text().splitlines()


def test_a_line_is_the_time_and_what_happened(path):
    (line,) = written(path, BEGINS)
    when, what = line.split("  ", 1)
    assert abs(datetime.fromisoformat(when).timestamp() - BEGINS.timestamp) < 1
    assert what == "phase_1: Warm-up Training, 2 epochs"


def test_what_is_worth_no_line_has_none(path):
    assert len(written(path, BEGINS, DecisionMade(epoch=1, decision="wait", reason="nothing to do"))) == 1


def test_it_ends_with_the_results(path):
    line, *results = written(path, ENDS)
    assert line.endswith("run completed")
    assert [re.split(" {2,}", result.strip()) for result in results] == [
        ["val_loss", "0.25"],
        ["final_params", "1,234"],
        ["test_accuracy", "-"],
    ]


def test_lines_are_there_as_soon_as_they_are_written(path):
    log = TextLog(path)
    log.write(BEGINS)
    assert path.read_text().endswith("epochs\n")
    log.close()


def test_it_tells_of_a_resumed_run_how_it_effectively_went(path):
    written(path, BEGINS, ENDS)
    lines = written(path, RunResumed(epoch=0, last_sequence=1), ENDS, history=[BEGINS])
    assert [line.split("  ", 1)[1] for line in lines[:3]] == [
        "phase_1: Warm-up Training, 2 epochs",
        "resumed after epoch 0",
        "run completed",
    ]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_log_without_lines_is_closed_without_a_file(path):
    TextLog(path).close()
    assert not path.exists()


@pytest.mark.parametrize("do", [lambda log: log.write(BEGINS), lambda log: log.recall([BEGINS])])
def test_a_file_that_cannot_be_written_is_named(tmp_path, do):
    with pytest.raises(StorageError, match=r"cannot write the log .*results_it\.log: No such file"):
        do(TextLog(tmp_path / "gone" / "results_it.log"))
