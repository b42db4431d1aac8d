from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kaslite.errors import StillGoingError
from kaslite.telemetry.file_lock import lock

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
