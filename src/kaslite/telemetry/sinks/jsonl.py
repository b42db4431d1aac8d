"""The event log: one JSON object a line, appended and never changed.

Everything that is shown of a run can be rebuilt from it. A run that was cut off goes on in the same file; `read_log` leaves
out what is void since. Not for: interpreting events.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, final

from kaslite.errors import StorageError
from kaslite.events import Event, RunResumed, from_line, to_line
from kaslite.telemetry.file_lock import lock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


@final
class JsonlLog:
    """Appends events to a file that must not exist yet; nobody else can write to it, as long as this process lives.

    Raises:
        FileExistsError: if the file exists.
    """

    def __init__(self, path: Path, *, _goes_on: bool = False) -> None:
        self._path = path
        self._file = path.open("r+b" if _goes_on else "x+b")
        try:
            lock(self._file, f"the run is still going: another process writes its event log {path}; wait until it ends.")
            _cut_off_torn_line(self._file)
        except BaseException:
            self._file.close()
            raise

    @classmethod
    def resume(cls, path: Path) -> JsonlLog:
        """Go on with the log of a run that is over; a last line that was cut off is removed, since it was no event.

        Raises:
            StillGoingError: if the run is still going.
            StorageError: if the file cannot be read and written.
        """
        with told_clearly("go on with", path):
            return cls(path, _goes_on=True)

    def write(self, event: Event) -> None:
        """Append one line, and hand it to the operating system, so that readers can follow and a crash loses nothing."""
        with told_clearly("write", self._path):
            self._file.write(to_line(event).encode() + b"\n")
            self._file.flush()

    def sync(self) -> None:
        """Hand all that was written to the disk, so that even a power failure cannot lose it."""
        with told_clearly("write", self._path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        with told_clearly("write", self._path):
            self._file.close()


def read_log(path: Path) -> Iterator[Event]:
    """Yield the events of a run; a last line that was cut off, by a crash or because it is being written, is left out.

    Of a run that was resumed, this is how it effectively went: what a later `RunResumed` supersedes is left out, and the
    `RunResumed` itself is there.

    Raises:
        StorageError: if the file cannot be read, or if a line but the last is not an event.
    """
    with told_clearly("read", path), path.open("rb") as lines:
        count, resumed = survey(lines)
        lines.seek(0)
        for number, line in enumerate(islice(lines, count), start=1):
            event = parse_line(line, path, number)
            if all(event.sequence <= last_sequence for place, last_sequence in resumed if place > number):
                yield event


def survey(lines: Iterable[bytes]) -> tuple[int, list[tuple[int, int]]]:
    """Return the number of whole lines, and where the run was resumed: (number of the line, last valid sequence)."""
    count, resumed = 0, []
    for line in lines:
        if not line.endswith(b"\n"):
            break
        count += 1
        if b'"run_resumed"' in line:
            with suppress(ValueError):  # that it is damaged is told when its turn comes
                event = from_line(line)
                if isinstance(event, RunResumed):
                    resumed.append((count, event.last_sequence))
    return count, resumed


def parse_line(line: bytes, path: Path, number: int) -> Event:
    """Return the event of a line.

    Args:
        line: with or without its end.
        path: of the log.
        number: of the line, from 1.

    Raises:
        StorageError: if it is not one.
    """
    try:
        return from_line(line)
    except ValueError as error:
        raise StorageError(
            f"line {number} of {path} is not an event of this version of kaslite; the log is damaged, or newer."
        ) from error


def _cut_off_torn_line(file: BinaryIO) -> None:
    file.truncate(sum(len(line) for line in file if line.endswith(b"\n")))
    file.seek(0, os.SEEK_END)


@contextmanager
def told_clearly(what: str, path: Path) -> Iterator[None]:
    """Turn what the operating system says into a sentence on the event log.

    Raises:
        StorageError: in place of an `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot {what} the event log {path}: {error.strerror}.") from error
