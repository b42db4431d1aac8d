"""The log of a run for people: a line for each event that is worth one, with the time; at the end its results.

It is a fold of the event log, and made anew when a run is resumed, so it tells how the run effectively went. Not for:
machines; they read ``events.jsonl``.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO, final

from kaslite.errors import StorageError
from kaslite.events import RunFinished
from kaslite.telemetry.words import describe, exact
from kaslite.whole_file import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from kaslite.events import Event


@final
class TextLog:
    """Appends lines to a file, each handed to the operating system as a whole.

    Args:
        path: of the file; it is made by what is written first.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None

    def recall(self, history: Sequence[Event]) -> None:
        """Put the past in the place of what the file holds, whole or not at all."""
        with self._told_clearly():
            write_whole(self._path, "".join(map(_lines, history)))

    def write(self, event: Event) -> None:
        """Append what there is to say of an event."""
        lines = _lines(event)
        if not lines:
            return
        with self._told_clearly():
            if self._file is None:
                self._file = self._path.open("a", encoding="utf-8")
            self._file.write(lines)
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with self._told_clearly():
                self._file.close()

    @contextmanager
    def _told_clearly(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(f"cannot write the log {self._path}: {error.strerror}.") from error


def _lines(event: Event) -> str:
    line = describe(event)
    if line is None:
        return ""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event.timestamp))
    results = event.metrics or {} if isinstance(event, RunFinished) else {}
    return "".join([f"{when}  {line}\n", *(f"    {name:<14}  {exact(results[name])}\n" for name in results)])
