"""The event log: one JSON object a line, appended and never changed.

Everything that is shown of a run can be rebuilt from it. Not for: interpreting it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, final

from kaslite.errors import StorageError
from kaslite.events import Event, from_line, to_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@final
class JsonlLog:
    """Appends events to a file that must not exist yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("x", encoding="utf-8")

    def write(self, event: Event) -> None:
        """Append one line, and hand it to the operating system, so that readers can follow and a crash loses nothing."""
        with self._told_clearly():
            self._file.write(to_line(event) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        with self._told_clearly():
            self._file.close()

    @contextmanager
    def _told_clearly(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(f"cannot write the event log {self._path}: {error.strerror}.") from error


def read_log(path: Path) -> Iterator[Event]:
    """Yield the events of a log; a last line that was cut off, by a crash or because it is being written, is left out.

    Raises:
        StorageError: if the file cannot be read, or if another line is not an event.
    """
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.endswith(b"\n"):
                    return
                yield _parse(line, path, number)
    except OSError as error:
        raise StorageError(f"cannot read the event log {path}: {error.strerror}.") from error


def _parse(line: bytes, path: Path, number: int) -> Event:
    try:
        return from_line(line)
    except ValueError as error:
        raise StorageError(
            f"line {number} of {path} is not an event of this version of kaslite; the log is damaged, or newer."
        ) from error
