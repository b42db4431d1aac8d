from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, final

import pytest

from kaslite.events import EpochCompleted, RunFinished, RunResumed, RunStarted, to_line
from kaslite.sweeps.following import FollowedRuns
from kaslite.sweeps.summary import Comparison
from tests.course import course
from tests.sweeping import outcome

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kaslite.events import Event


@final
class Book:
    """Writes down what comes."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.closed = False

    def write(self, event: Event) -> None:
        self.events.append(event)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def books() -> dict[str, Book]:
    return {}


@pytest.fixture
def runs(tmp_path: Path, books: dict[str, Book]) -> FollowedRuns:
    return FollowedRuns(tmp_path, lambda name: books.setdefault(name, Book()))


def log(folder: Path, name: str, events: Sequence[Event]) -> None:
    (folder / name).mkdir(exist_ok=True)
    with (folder / name / "events.jsonl").open("a") as file:
        file.writelines(to_line(event) + "\n" for event in events)


WHOLE = [replace(event, sequence=number) for number, event in enumerate(course(), start=1)]
ONE, TWO = (outcome(number) for number in (1, 2))
NAME = ONE.planned.name


def test_what_a_run_logs_is_written_as_it_comes_and_its_sink_is_closed_when_it_is_over(
    tmp_path: Path, runs: FollowedRuns, books: dict[str, Book]
) -> None:
    runs.write(ONE.planned)
    runs.flush()
    assert books == {}
    log(tmp_path, NAME, WHOLE[:3])
    runs.flush()
    assert (books[NAME].events, books[NAME].closed) == (WHOLE[:3], False)
    log(tmp_path, NAME, WHOLE[3:])
    runs.write(ONE)
    assert (books[NAME].events, books[NAME].closed) == (WHOLE, True)


def test_each_run_has_a_sink_of_its_own_also_one_that_was_over_before(
    tmp_path: Path, runs: FollowedRuns, books: dict[str, Book]
) -> None:
    for over in (ONE, TWO):
        log(tmp_path, over.planned.name, WHOLE)
        runs.write(over)
    runs.write(Comparison([ONE, TWO]))
    runs.close()
    assert [book.events for book in books.values()] == [WHOLE, WHOLE]


def test_what_a_resumed_run_repeats_is_written_once_and_how_it_ended_before_not_at_all(
    tmp_path: Path, runs: FollowedRuns, books: dict[str, Book]
) -> None:
    cut = len(WHOLE) - 2
    interrupted = RunFinished(epoch=3, sequence=cut + 1, status="interrupted", metrics=None)
    log(tmp_path, NAME, [*WHOLE[:cut], interrupted])
    runs.write(ONE.planned)
    runs.flush()
    log(tmp_path, NAME, [RunResumed(epoch=2, sequence=cut - 2, last_sequence=cut - 2), *WHOLE[cut - 2 :]])
    runs.flush()
    runs.write(ONE)
    assert books[NAME].events == WHOLE


def test_a_run_that_did_not_log_its_end_gets_one(tmp_path: Path, runs: FollowedRuns, books: dict[str, Book]) -> None:
    for each in (ONE, TWO):
        log(tmp_path, each.planned.name, WHOLE[:4])
        runs.write(each.planned)
    runs.write(outcome(1, "failed"))
    runs.close()
    ends = [book.events[-1] for book in books.values()]
    assert [(end.status, end.error) for end in ends if isinstance(end, RunFinished)] == [
        ("failed", "why"),
        ("interrupted", None),
    ]
    assert all(book.closed and isinstance(book.events[-2], EpochCompleted | type(WHOLE[3])) for book in books.values())


def test_a_run_that_failed_before_its_first_event_is_written_where_that_is_wanted(
    tmp_path: Path, runs: FollowedRuns, books: dict[str, Book]
) -> None:
    failed = outcome(1, "failed", lr=0.1)
    runs.write(failed)
    assert books == {}
    wanted = FollowedRuns(tmp_path, lambda name: books.setdefault(name, Book()), unbegun=True)
    wanted.write(failed)
    begun, ended = books[NAME].events
    assert isinstance(begun, RunStarted)
    assert isinstance(ended, RunFinished)
    assert (begun.run_name, begun.config["lr"], ended.status, ended.error) == (NAME, 0.1, "failed", "why")
