import json

import pytest

from kaslite.errors import StorageError
from kaslite.events import DecisionMade, PhaseStarted, to_line
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
