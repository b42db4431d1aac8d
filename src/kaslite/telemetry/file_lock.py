"""A lock on a file: as long as this process holds it open, nobody else gets the lock, and it is gone with the process.

Where the file system has no locks, or the system is no Unix, everybody gets it. Not for: what the file says.
"""

from __future__ import annotations

import errno
from typing import IO, Any

from kaslite.errors import StillGoingError

try:
    import fcntl
except ImportError:  # not a Unix
    fcntl = None  # type: ignore[assignment]

_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)  # what file systems say that have none


def lock(file: IO[Any], complaint: str) -> None:
    """Lock an open file until it is closed.

    Raises:
        StillGoingError: with the complaint, if another process has it.
    """
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StillGoingError(complaint) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
