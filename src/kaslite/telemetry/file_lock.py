"""A lock on a file: as long as this process holds it open, nobody else gets the lock, and it is gone with the process.

Where the file system has no locks, or the system is no Unix, everybody gets it, and nobody has it. Not for: what the file says.
"""

from __future__ import annotations

import errno
import time
from typing import IO, TYPE_CHECKING, Any

from kaslite.errors import StillGoingError

if TYPE_CHECKING:
    from pathlib import Path

try:
    import fcntl
except ImportError:  # not a Unix
    fcntl = None  # type: ignore[assignment]

_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)  # what file systems say that have none
_GLANCES = 10  # how often it is tried: who only asks has it for a moment
_PAUSE_S = 0.01


def lock(file: IO[Any], complaint: str) -> None:
    """Lock an open file until it is closed.

    Raises:
        StillGoingError: with the complaint, if another process has it.
    """
    if fcntl is None:
        return
    for glance in range(1, _GLANCES + 1):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if glance == _GLANCES:
                raise StillGoingError(complaint) from error
            time.sleep(_PAUSE_S)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            return
        else:
            return


def is_locked(path: Path) -> bool:
    """Return whether a process, this one included, has the lock; not if the file cannot be opened."""
    if fcntl is None:
        return False
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
