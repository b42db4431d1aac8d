from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from kaslite.errors import StillGoingError
from kaslite.telemetry.file_lock import lock, one_at_a_time

if TYPE_CHECKING:
    from pathlib import Path


def test_one_at_a_time_gets_the_lock_and_it_goes_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("w") as first, path.open("w") as second:
        lock(first, "first come.")
        with pytest.raises(StillGoingError, match=r"first served\."):
            lock(second, "first served.")
        first.close()
        lock(second, "free again.")


def test_where_one_is_at_work_the_next_one_waits(tmp_path: Path) -> None:
    path, entered = tmp_path / "lock", threading.Event()

    def enter() -> None:
        with one_at_a_time(path):
            entered.set()

    with one_at_a_time(path):
        next_one = threading.Thread(target=enter)
        next_one.start()
        assert not entered.wait(0.1)
    next_one.join(10)
    assert entered.is_set()


def test_where_no_file_can_be_made_nobody_waits(tmp_path: Path) -> None:
    with one_at_a_time(tmp_path / "nowhere" / "lock"), one_at_a_time(tmp_path / "nowhere" / "lock"):
        pass
