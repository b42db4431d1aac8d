import json
import os
import signal
import subprocess
import sys

import pytest

from kaslite.errors import StorageError, UsageError
from kaslite.events import DecisionMade, PhaseStarted, RunResumed, to_line
from kaslite.telemetry import JsonlLog, read_log

EVENTS = [
    PhaseStarted(epoch=0, phase="phase_1", epochs=2, sequence=1),
    DecisionMade(epoch=1, decision="wait", reason='"ü"\nand\u2028more', sequence=2),
    PhaseStarted(epoch=2, phase="phase_2", epochs=9, sequence=3),
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events.jsonl"


@pytest.fixture
def log(path):
    log = JsonlLog(path)
    yield log
    log.close()


def write_all(log):
    for event in EVENTS:
        log.write(event)


def test_what_was_written_is_read_back(path, log):
    write_all(log)
    assert list(read_log(path)) == EVENTS


def test_the_log_is_one_json_object_a_line(path, log):
    write_all(log)
    lines = path.read_bytes().split(b"\n")
    assert [json.loads(line)["type"] for line in lines[:-1]] == ["phase_started", "decision_made", "phase_started"]
    assert lines[-1] == b""


def test_a_reader_can_follow_while_the_log_is_written(path, log):
    for count, event in enumerate(EVENTS, start=1):
        log.write(event)
        assert len(list(read_log(path))) == count


def test_a_log_that_exists_is_never_overwritten(path):
    path.write_text("precious")
    with pytest.raises(FileExistsError):
        JsonlLog(path)
    assert path.read_text() == "precious"


def test_a_last_line_that_was_cut_off_anywhere_is_left_out(path, log):
    write_all(log)
    content = path.read_bytes()
    start = content.rindex(b"\n", 0, -1) + 1
    for end in range(start, len(content)):
        path.write_bytes(content[:end])
        assert list(read_log(path)) == EVENTS[:2]


def test_a_log_in_which_nothing_was_written_yet_is_empty(path, log):
    assert log
    assert list(read_log(path)) == []


@pytest.mark.parametrize("damage", ["", "{}", '{"type": "phase_st', "\x00\x00", '{"type": "unheard_of", "epoch": 1}'])
def test_a_damaged_line_is_named_with_its_file(path, damage):
    path.write_text("\n".join([to_line(EVENTS[0]), damage, to_line(EVENTS[2])]) + "\n")
    events = read_log(path)
    assert next(events) == EVENTS[0]
    with pytest.raises(StorageError, match="line 2 of") as error:
        next(events)
    assert str(path) in str(error.value)


def test_bytes_that_are_not_text_are_a_damaged_line(path):
    path.write_bytes(b"\xff\xfe\n")
    with pytest.raises(StorageError, match="line 1 of"):
        list(read_log(path))


def test_a_log_that_is_not_there_is_named(path):
    with pytest.raises(StorageError, match="cannot read the event log") as error:
        list(read_log(path))
    assert str(path) in str(error.value)


def cut_and_resume(path, kept):
    """Write a part of the log, be cut off, and go on with it."""
    log = JsonlLog(path)
    for event in EVENTS[:kept]:
        log.write(event)
    log.close()
    with path.open("ab") as file:
        file.write(to_line(EVENTS[2]).encode()[:-9])
    return JsonlLog.resume(path)


def test_a_resumed_log_goes_on_after_its_last_whole_line(path):
    log = cut_and_resume(path, 2)
    log.write(EVENTS[2])
    log.close()
    assert list(read_log(path)) == EVENTS
    assert path.read_bytes() == "".join(to_line(event) + "\n" for event in EVENTS).encode()


def test_a_log_whose_only_line_was_cut_off_is_resumed_as_an_empty_one(path):
    cut_and_resume(path, 0).close()
    assert path.read_bytes() == b""


def test_a_log_that_is_not_there_cannot_be_resumed(path):
    with pytest.raises(StorageError, match="cannot go on with the event log"):
        JsonlLog.resume(path)
    assert not path.exists()


@pytest.mark.parametrize("resumed", [False, True])
def test_a_log_that_is_being_written_cannot_be_resumed(path, resumed):
    JsonlLog(path).close()
    log = JsonlLog.resume(path)
    if not resumed:
        log.close()
        path.unlink()
        log = JsonlLog(path)
    log.write(EVENTS[0])
    with pytest.raises(UsageError, match="the run is still going") as error:
        JsonlLog.resume(path)
    assert str(path) in str(error.value)
    log.close()
    JsonlLog.resume(path).close()
    assert list(read_log(path)) == EVENTS[:1]


def test_the_lock_of_a_log_dies_with_its_process(path):
    program = f"""
import time
from pathlib import Path
from kaslite.telemetry import JsonlLog
log = JsonlLog(Path({str(path)!r}))
print("open", flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"open\n"
        with pytest.raises(UsageError, match="still going"):
            JsonlLog.resume(path)
        os.kill(process.pid, signal.SIGKILL)
    JsonlLog.resume(path).close()


def event(sequence, reason):
    return DecisionMade(epoch=1, sequence=sequence, timestamp=0.0, decision="wait", reason=reason)


def resumed(last):
    return RunResumed(epoch=1, sequence=last, timestamp=0.0, last_sequence=last)


@pytest.mark.parametrize(
    ("written", "effective"),
    [
        ([event(1, "a"), event(2, "void"), resumed(1), event(2, "b")], [event(1, "a"), resumed(1), event(2, "b")]),
        ([event(1, "a"), resumed(1), event(2, "b")], [event(1, "a"), resumed(1), event(2, "b")]),
        (  # resumed twice from the same checkpoint
            [event(1, "a"), event(2, "void"), resumed(1), event(2, "void"), event(3, "void"), resumed(1), event(2, "b")],
            [event(1, "a"), resumed(1), resumed(1), event(2, "b")],
        ),
        (  # resumed again, from an earlier one, since the later was damaged
            [event(1, "a"), event(2, "void"), event(3, "void"), resumed(2), event(3, "void"), resumed(1), event(2, "b")],
            [event(1, "a"), resumed(1), event(2, "b")],
        ),
        ([event(1, "void"), resumed(0), event(1, "a")], [resumed(0), event(1, "a")]),
        ([event(0, "unnumbered"), event(0, '"run_resumed"')], [event(0, "unnumbered"), event(0, '"run_resumed"')]),
    ],
)
def test_what_a_resumption_supersedes_is_left_out(path, written, effective):
    path.write_text("".join(to_line(event) + "\n" for event in written))
    assert list(read_log(path)) == effective


def test_what_is_written_while_the_log_is_read_waits_for_the_next_reading(path, log):
    log.write(event(1, "a"))
    log.write(event(2, "b"))
    events = read_log(path)
    assert next(events).reason == "a"
    log.write(resumed(1))
    assert [event.reason for event in events] == ["b"]
    assert list(read_log(path))[1:] == [resumed(1)]
