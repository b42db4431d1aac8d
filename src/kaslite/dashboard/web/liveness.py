"""Whether somebody is still writing a log. Not for: how a run ended; its log tells that."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from kaslite.telemetry.file_lock import is_locked

if TYPE_CHECKING:
    from pathlib import Path

_FRESH_S = 10.0


def is_being_written(log: Path) -> bool:
    """Return whether a process of this machine has the log, or something was written to it in the last ten seconds.

    The second is for folders that are copied from another machine as they grow, and for file systems without locks.
    """
    try:
        return is_locked(log) or time.time() - log.stat().st_mtime < _FRESH_S
    except OSError:
        return False


def status_now(status: str, log: Path) -> str:
    """Return the status that an event log tells, or ``interrupted`` if it tells of no end and nobody writes it any more.

    >>> from pathlib import Path
    >>> status_now("running", Path("no/such/log"))
    'interrupted'
    """
    return "interrupted" if status == "running" and not is_being_written(log) else status
