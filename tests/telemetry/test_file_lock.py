from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from kaslite.errors import StillGoingError
from kaslite.telemetry.file_lock import is_locked, lock

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


def test_whether_it_is_locked_can_be_asked_without_taking_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_locked(path)
    with path.open("w") as file:
        assert not is_locked(path)
        lock(file, "free.")
        assert is_locked(path)
    assert not is_locked(path)


def test_who_asks_all_the_time_keeps_nobody_from_getting_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            is_locked(path)

    asking = [threading.Thread(target=ask) for _ in range(1)]
    for thread in asking:
        thread.start()
    try:
        for _ in range(30):
            with path.open("w") as file:
                lock(file, "somebody only asked.")
    finally:
        over.set()
        for thread in asking:
            thread.join()
