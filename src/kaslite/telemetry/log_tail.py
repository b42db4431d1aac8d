"""`LogTail`: reads an event log while it is written, by whatever process, and each time only what is new.

It tells what `read_log` tells. When a resumption makes void what was told, or another log takes the place of this one, it says
so and begins again. A log that nobody writes to costs a look at its size. Of a long one the readings of seeds, which are
nearly all of it, can be left out unparsed. Not for: waiting.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, final

from kaslite.errors import StorageError
from kaslite.events import Event, RunResumed
from kaslite.telemetry.sinks.jsonl import parse_line, survey, told_clearly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CHUNK = 1 << 22
"""Bytes that are read at once."""
LONGEST_LINE = 1 << 24
"""Bytes; what goes on without an end for longer is no line."""

_HEAD = 128  # bytes, by which a log is known again: they tell when its run began
_EPOCH, _SEEDS = b'"type":"epoch_completed"', b'"seeds":['
_NUMBER = re.compile(rb'\{"epoch":(\d{1,18}),')
_BEGINNING = 200  # bytes of a line in which its type stands
_AFTER_SEEDS = re.compile(rb'\](?:,"train_flops":(?:\d+|null))?\}')


@final
@dataclass(frozen=True)
class Rewound:
    """What was told so far is void; the log follows from its beginning."""


@final
class LogTail:
    """What comes at the end of a log.

    Args:
        path: of the log; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None  # the file as it was when all of it was read
        self._head = b""
        self._begin()

    def new(self, wants_readings: Callable[[int], bool] = lambda _: True) -> Iterator[Event | Rewound]:
        """Yield the events of the lines that were completed since the last call; a last line without its end waits.

        Args:
            wants_readings: asked with the number of each epoch; if it says no, the epoch comes without the readings of its
                seeds, if it is not the last of those that are read at once.

        Raises:
            StorageError: if the file cannot be read, or if a line is not an event; then nothing after it is ever told.
        """
        with told_clearly("read", self._path):
            if not self._path.exists():
                return
            status = self._path.stat()
            seen = status.st_ino, status.st_size, status.st_mtime_ns
            if seen != self._seen:
                with self._path.open("rb") as log:
                    yield from self._read(log, status.st_size, wants_readings)
                self._seen = seen

    def _begin(self, resumed: list[tuple[int, int]] | None = None) -> None:
        self._offset = self._number = self._last = 0  # bytes and lines that were read; sequence of what was told last
        self._resumed = resumed or []  # where the run is known to have been resumed: (number of the line, last valid sequence)

    def _read(self, log: BinaryIO, size: int, wants_readings: Callable[[int], bool]) -> Iterator[Event | Rewound]:
        head = log.read(_HEAD)
        if self._offset and (size < self._offset or not head.startswith(self._head)):
            self._begin()
            yield Rewound()
        self._head = head
        while lines := self._whole_lines(log, size):
            last = max((place for place, line in enumerate(lines) if _epoch_of(line) is not None), default=None)
            for place, line in enumerate(lines):
                epoch = _epoch_of(line)
                thin = place != last and epoch is not None and not wants_readings(epoch)
                event = parse_line(without_readings(line) if thin else line, self._path, self._number + 1)
                if isinstance(event, RunResumed) and self._is_news(event):
                    log.seek(0)
                    self._begin(survey(log)[1])
                    yield Rewound()
                    break
                self._offset += len(line) + 1
                self._number += 1
                if all(event.sequence <= valid for number, valid in self._resumed if number > self._number):
                    self._last = event.sequence
                    yield event

    def _is_news(self, event: RunResumed) -> bool:
        """Whether the line makes void what was told before anybody knew of it."""
        known = any(number == self._number + 1 for number, _ in self._resumed)
        return not known and self._last > event.last_sequence

    def _whole_lines(self, log: BinaryIO, size: int) -> list[bytes]:
        """Return the next lines, without their ends; at least one, if there is one."""
        log.seek(self._offset)
        data = b""
        while b"\n" not in data and (more := log.read(min(CHUNK, size - self._offset - len(data)))):
            data += more
            if len(data) > LONGEST_LINE:
                raise StorageError(f"line {self._number + 1} of {self._path} has no end; the log is damaged.")
        return data.split(b"\n")[:-1]


def without_readings(line: bytes) -> bytes:
    """Return the line of an epoch without the readings of its seeds; as it is, if it does not look as ours do.

    >>> without_readings(b'{"type":"epoch_completed","seeds":[{"layer":"a]","seed":0}],"train_flops":7}')
    b'{"type":"epoch_completed","seeds":[],"train_flops":7}'
    """
    start, end = line.find(_SEEDS) + len(_SEEDS), line.rfind(b"]")
    if not start < end or line[start : start + 1] + line[end - 1 : end] != b"{}" or not _AFTER_SEEDS.fullmatch(line, end):
        return line
    return line[:start] + line[end:]


def _epoch_of(line: bytes) -> int | None:
    """Return the number of the epoch of a line; ``None`` if it tells of something else, or does not begin as ours do.

    >>> _epoch_of(b'{"epoch":3,"sequence":9,"timestamp":0.0,"type":"epoch_completed"}'), _epoch_of(b"{}")
    (3, None)
    """
    number = _NUMBER.match(line)
    return int(number[1]) if number and line.find(_EPOCH, 0, _BEGINNING) >= 0 else None
