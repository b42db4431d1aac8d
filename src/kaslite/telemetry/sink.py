"""`Sink`, the two methods that every reader of events has, and the sinks that are made of other sinks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kaslite.events import Event


class Sink(Protocol):
    """Something that events are written to."""

    def write(self, event: Event) -> None:
        """Take one event; called in the order in which things happened."""
        ...

    def close(self) -> None:
        """Finish; nothing is written afterwards."""
        ...


@final
class Numbered:
    """Numbers the events on their way, from 1: the order of the log."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._count = 0

    def write(self, event: Event) -> None:
        """Pass on a numbered copy."""
        self._count += 1
        self._sink.write(replace(event, sequence=self._count))

    def close(self) -> None:
        """Close what is behind it."""
        self._sink.close()


@final
class FanOut:
    """Passes every event on to several sinks, in their order."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = tuple(sinks)

    def write(self, event: Event) -> None:
        """Pass the event on to each."""
        for sink in self._sinks:
            sink.write(event)

    def close(self) -> None:
        """Close each, the last one first."""
        for sink in reversed(self._sinks):
            sink.close()
