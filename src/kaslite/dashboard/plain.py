"""The view where the output is not a terminal: one line a fact, no colours, nothing rewritten; a new phase stands out."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO, final

from kaslite.events import DecisionMade, EpochCompleted, PhaseStarted
from kaslite.telemetry.words import describe, is_stop, plain

if TYPE_CHECKING:
    from kaslite.events import Event


@final
class PlainView:
    """Prints events as lines.

    Args:
        stream: where to.
        every: print every n-th epoch; what happens to seeds is always printed.
        waits: print also why the controller waited.
    """

    def __init__(self, stream: TextIO, *, every: int = 10, waits: bool = False) -> None:
        self._stream = stream
        self._every = every
        self._waits = waits

    def write(self, event: Event) -> None:
        """Print the event if it is worth a line."""
        line = self._line(event)
        if line is not None:
            print(line, file=self._stream, flush=True)

    def close(self) -> None:
        """Leave the stream to its owner."""

    def _line(self, event: Event) -> str | None:
        if isinstance(event, EpochCompleted) and event.epoch % self._every:
            return None
        if self._waits and isinstance(event, DecisionMade) and event.decision == "wait":
            return plain(f"wait: {event.reason}")
        line = describe(event)
        return f"=== {line} ===" if isinstance(event, PhaseStarted) or is_stop(event) else line
