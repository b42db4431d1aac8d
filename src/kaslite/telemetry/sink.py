"""`Sink`, the two methods that every reader of events has, and the sinks that are made of other sinks.

A sink whose picture of a run is a fold over all its events can be told, by `recall`, what happened before it came.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, final, runtime_checkable

from kaslite.events import RunResumed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kaslite.events import Event


class Sink(Protocol):
    """Something that events are written to."""

    def write(self, event: Event) -> None:
        """Take one event; called in the order in which things happened."""
        ...

    def close(self) -> None:
        """Finish; nothing is written afterwards."""
        ...


@runtime_checkable
class Recalling(Sink, Protocol):
    """A sink that wants to know what happened before it came."""

    def recall(self, history: Sequence[Event]) -> None:
        """Take in the events of the past, before the first is written."""
        ...


def recall(sinks: Iterable[Sink], history: Sequence[Event]) -> None:
    """Tell the past of a run to those sinks that want to know it; the others, such as printed lines, begin with what is new."""
    for sink in sinks:
        if isinstance(sink, Recalling):
            sink.recall(history)


@final
class Numbered:
    """Numbers the events on their way: their order in the run.

    Args:
        sink: where the numbered events go.
        start: number of the last event that there is already; 0 in a new run.
    """

    def __init__(self, sink: Sink, start: int = 0) -> None:
        self._sink = sink
        self.count = start  # number of the last event

    def write(self, event: Event) -> None:
        """Pass on a numbered copy; a `RunResumed` shares the number of the event after which the run goes on."""
        if isinstance(event, RunResumed):
            self._sink.write(replace(event, sequence=event.last_sequence))
            return
        self.count += 1
        self._sink.write(replace(event, sequence=self.count))

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
