import os
import random
from dataclasses import replace

import pytest

from kaslite.errors import StorageError
from kaslite.events import EpochCompleted, RunResumed, from_line, to_line
from kaslite.telemetry import read_log
from kaslite.telemetry.log_tail import CHUNK, LogTail, Rewound, without_readings
from tests.event_logs import epoch, lines, reading, small_run, started, write, write_big

EVENTS = [from_line(line) for line in lines(small_run(epochs=4))]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "events.jsonl"


@pytest.fixture
def tail(path):
    path.parent.mkdir()
    return LogTail(path)


def append(path, events, start):
    with path.open("ab") as log:
        log.writelines(lines(events, start))


def effective(told):
    """What counts of what was told."""
    return told[max((place for place, event in enumerate(told) if event == Rewound()), default=-1) + 1 :]


def test_a_log_that_does_not_exist_yet_has_nothing_new(tail, path):
    assert list(tail.new()) == []
    write(path, EVENTS)
    assert list(tail.new()) == EVENTS


def test_each_time_only_what_is_new_is_told(tail, path):
    for number, event in enumerate(EVENTS, start=1):
        append(path, [event], number)
        assert list(tail.new()) == [event]
        assert list(tail.new()) == []


def test_a_last_line_without_its_end_waits_for_it(tail, path):
    content = b"".join(lines(EVENTS))
    told = []
    for end in range(0, len(content) + 1, 7):
        path.write_bytes(content[:end])
        told += tail.new()
    path.write_bytes(content)
    assert [*told, *tail.new()] == EVENTS


def test_a_line_longer_than_what_is_read_at_once_is_a_line(tail, path):
    long = replace(EVENTS[0], run_name="x" * (2 * CHUNK + 7))
    write(path, [long, *EVENTS[1:]])
    assert list(tail.new()) == [long, *EVENTS[1:]]


def test_a_resumption_that_makes_void_what_was_told_says_so_and_the_log_begins_again(tail, path):
    write(path, EVENTS)
    assert list(tail.new()) == EVENTS
    cut = RunResumed(epoch=1, timestamp=9.0, sequence=3, last_sequence=3)
    with path.open("ab") as log:
        log.write(to_line(cut).encode() + b"\n")
    append(path, [epoch(2)], start=4)
    assert list(tail.new()) == [Rewound(), *EVENTS[:3], cut, replace(epoch(2), sequence=4)]
    append(path, [epoch(3)], start=5)
    assert list(tail.new()) == [replace(epoch(3), sequence=5)]


def test_a_resumption_after_which_nothing_is_void_is_just_told(tail, path):
    write(path, EVENTS)
    list(tail.new())
    resumed = RunResumed(epoch=4, timestamp=9.0, sequence=len(EVENTS), last_sequence=len(EVENTS))
    with path.open("ab") as log:
        log.write(to_line(resumed).encode() + b"\n")
    assert list(tail.new()) == [resumed]


@pytest.mark.parametrize("number", range(20))
def test_however_often_a_run_is_resumed_and_looked_at_it_tells_what_read_log_tells(path, number):
    choose = random.Random(number)
    path.parent.mkdir()
    tail, told, last = LogTail(path), [], 0
    for _ in range(30):
        with path.open("ab") as log:
            if last and choose.random() < 0.3:
                last = choose.randrange(last + 1)
                log.write(to_line(RunResumed(epoch=last, sequence=last, last_sequence=last)).encode() + b"\n")
            else:
                last += 1
                log.writelines(lines([epoch(last) if last > 1 else started()], last))
        if choose.random() < 0.4:
            told += tail.new()
            assert effective(told) == list(read_log(path))
    fresh = list(LogTail(path).new())
    assert effective(fresh) == list(read_log(path))
    assert fresh.count(Rewound()) <= 1


@pytest.mark.parametrize("other", ["replaced", "written over", "shorter"])
def test_another_log_in_the_place_of_this_one_begins_anew(tail, path, other):
    write(path, EVENTS)
    assert list(tail.new()) == EVENTS
    others = [replace(EVENTS[0], timestamp=5.0, run_name="another"), *EVENTS[1:3]]
    if other == "shorter":
        others = EVENTS[:3]
    if other == "replaced":
        write(path.with_name("new"), [*others, *EVENTS[3:]]).replace(path)
        others += EVENTS[3:]
    else:
        write(path, others)
    assert list(tail.new()) == [Rewound(), *others]


def test_a_log_that_is_deleted_is_waited_for_and_known_again(tail, path):
    write(path, EVENTS[:3])
    list(tail.new())
    path.unlink()
    assert list(tail.new()) == []
    write(path, EVENTS)
    assert list(tail.new()) == EVENTS[3:]


def test_a_damaged_line_is_a_sentence_after_what_comes_before_it(tail, path):
    write(path, EVENTS[:2])
    with path.open("ab") as log:
        log.write(b'{"type": "unheard_of"}\n')
    append(path, EVENTS[2:], start=3)
    told = tail.new()
    assert [next(told), next(told)] == EVENTS[:2]
    for _ in range(2):
        with pytest.raises(StorageError, match=r"line 3 of .*events\.jsonl is not an event"):
            next(told)
        told = tail.new()
    write(path, [replace(EVENTS[0], timestamp=5.0)])
    assert next(tail.new()) == Rewound()


def test_what_has_no_lines_at_all_is_not_read_to_its_end(tail, path):
    with path.open("wb") as log:
        log.truncate(1 << 40)
    with pytest.raises(StorageError, match=r"line 1 of .* has no end"):
        list(tail.new())


def test_a_folder_in_its_place_is_a_sentence(tail, path):
    path.mkdir()
    with pytest.raises(StorageError, match="cannot read the event log"):
        list(tail.new())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_log_that_may_not_be_read_is_a_sentence(tail, path):
    write(path, EVENTS).chmod(0)
    with pytest.raises(StorageError, match="Permission denied"):
        list(tail.new())


NAMES = ["blocks.0", 'a"],"train_flops":1}', "]}", "\\", '"seeds":[', "ü\u2028"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("train_flops", [None, 0, 10**15])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_line_of_an_epoch_without_readings_is_the_same_epoch(name, train_flops, count):
    readings = tuple(reading(name, seed, blueprint_id=name, state=name) for seed in range(count))
    whole = replace(epoch(3, readings), phase=name, train_flops=train_flops)
    assert from_line(without_readings(to_line(whole).encode())) == replace(whole, seeds=())


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"epoch_completed","seeds":[],"a_new_list":[1,2]}',
        b'{"type":"epoch_completed","seeds":[],"a_new_text":"]"}',
        b'{"type":"epoch_completed"}',
        b'{"seeds": [], "type": "epoch_completed"}',
        b'{"seeds":[],"type":"epoch_completed"}',
        b"",
    ],
)
def test_a_line_that_does_not_look_as_ours_is_left_as_it_is(line):
    assert without_readings(line) == line


def test_readings_that_nobody_wants_are_left_out_but_for_the_last_that_there_are(tail, path):
    write_big(path, epochs=200, seeds=8)
    everything = list(read_log(path))
    told = list(tail.new(lambda _: False))
    assert [replace(event, seeds=()) if isinstance(event, EpochCompleted) else event for event in told] == [
        replace(event, seeds=()) if isinstance(event, EpochCompleted) else event for event in everything
    ]
    epochs = [event for event in told if isinstance(event, EpochCompleted)]
    assert epochs[-1] == [event for event in everything if isinstance(event, EpochCompleted)][-1]
    assert sum(bool(event.seeds) for event in epochs) == 1 + path.stat().st_size // CHUNK
    append(path, [epoch(201, [reading()]), epoch(202, [reading()])], start=9_999)
    assert [len(event.seeds) for event in tail.new(lambda _: False)] == [0, 1]


def test_the_reader_says_before_each_epoch_whether_it_wants_readings(tail, path):
    write(path, [started(), *(epoch(number, [reading()]) for number in range(1, 8))])
    told = tail.new(lambda number: number % 2 == 0)
    assert [event.epoch for event in told if isinstance(event, EpochCompleted) and event.seeds] == [2, 4, 6, 7]
