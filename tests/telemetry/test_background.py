import logging
import os
import sys
import threading
import time

import pytest

from kaslite.errors import StorageError
from kaslite.telemetry.background import Background
from tests.course import course, started


class Book:
    """A batched sink that writes down what is done to it, and in which thread."""

    def __init__(self):
        self.events, self.flushes, self.closed, self.threads = [], [], False, set()

    def write(self, event):
        self.threads.add(threading.current_thread())
        self.events.append(event)

    def flush(self):
        self.flushes.append(len(self.events))

    def close(self):
        self.closed = True


class Broken(Book):
    def flush(self):
        raise OSError(28, "No space left on device")


class Stuck(Book):
    def __init__(self):
        super().__init__()
        self.released = threading.Event()

    def flush(self):
        self.released.wait(30)


def wait_for(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_everything_arrives_in_its_order_in_another_thread_and_then_it_is_closed():
    book, events = Book(), course()
    sink = Background("it", lambda: book)
    sink.recall(events[:3])
    for event in events[3:]:
        sink.write(event)
    sink.close()
    assert book.events == events
    assert book.closed
    assert threading.current_thread() not in book.threads


def test_what_is_written_within_a_second_is_one_batch():
    book, events = Book(), course()
    sink = Background("it", lambda: book, every_s=0.2)
    sink.write(events[0])
    wait_for(lambda: book.flushes)
    for event in events[1:]:
        sink.write(event)
    wait_for(lambda: len(book.flushes) == 2)
    assert book.flushes[1] == len(events)
    sink.close()


def test_a_sink_that_is_slow_to_open_keeps_nobody_waiting():
    book, opened = Book(), threading.Event()

    def open_slowly():
        opened.wait(10)
        return book

    sink = Background("it", open_slowly)
    begun = time.monotonic()
    for event in course():
        sink.write(event)
    assert time.monotonic() - begun < 5  # it opens after 10
    opened.set()
    sink.close()
    assert book.events == course()


@pytest.mark.parametrize("broken", [Broken, lambda: 1 / 0], ids=["in the middle", "at once"])
def test_a_failure_is_said_once_and_never_raised(broken, caplog):
    sink = Background("it", broken, every_s=0.01, remedy=lambda name: f"do something about {name}")
    with caplog.at_level(logging.WARNING, "kaslite"):
        for event in course():
            sink.write(event)
            time.sleep(0.02)
        sink.close()
    (record,) = caplog.records
    assert record.message.startswith("it: ")
    assert record.message.endswith("The run goes on without it; do something about spirals_s0")


def test_closing_waits_no_longer_than_the_patience_goes(caplog):
    stuck = Stuck()
    sink = Background("it", lambda: stuck, patience_s=0.1)
    sink.write(started())
    with caplog.at_level(logging.WARNING, "kaslite"):
        sink.close()
    assert "no answer for 0.1 s" in caplog.text
    stuck.released.set()


def test_closing_does_not_wait_for_what_is_known_to_be_away(caplog):
    def check():
        raise StorageError("it is away.")

    stuck = Stuck()
    sink = Background("it", lambda: stuck, check=check)
    sink.write(started())
    begun = time.monotonic()
    sink.close()
    assert time.monotonic() - begun < 30  # its patience is 60
    assert [record.message for record in caplog.records] == ["it: it is away. The run goes on without it."]
    stuck.released.set()


def test_a_run_of_which_nothing_was_written_opens_nothing():
    opened = []
    Background("it", lambda: opened.append(1)).close()
    assert opened == []


@pytest.mark.skipif(sys.platform != "linux", reason="only there a thread has a priority of its own")
def test_a_gentle_one_gives_way_and_nothing_else_does():
    there = []
    before = os.getpriority(os.PRIO_PROCESS, 0)

    def opened():
        there.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return Book()

    sink = Background("it", opened, gently=True)
    sink.write(started())
    sink.close()
    assert there == [15]
    assert os.getpriority(os.PRIO_PROCESS, 0) == before
