"""`Lifelines`: which states each seed went through, from which epoch to which, and why. Not for: what was measured of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from kaslite.events import GovernorRolledBack, SeedStateChanged
from kaslite.telemetry.analytics import seed_id

if TYPE_CHECKING:
    from kaslite.events import Event

_Span = dict[str, Any]


@final
class Lifelines:
    """The spans of all seeds; a dormant seed has none."""

    def __init__(self) -> None:
        self.moves = 0  # how often any seed moved
        self._spans: dict[str, list[_Span]] = {}
        self._moved: dict[str, int] = {}  # which move was the last of a seed

    def take(self, event: Event) -> None:
        """Take one more event in."""
        match event:
            case SeedStateChanged():
                self._move(seed_id(event.layer, event.seed), event.epoch, event.to_state, event.blueprint_id, event.reason)
            case GovernorRolledBack():
                for restored in event.seeds:
                    seed, why = seed_id(restored.layer, restored.seed), f"rolled back: {event.reason}"
                    if restored.state != self._state(seed):
                        self._move(seed, event.epoch, restored.state, restored.blueprint_id, why)
            case _:
                pass

    def since(self, moves: int) -> list[dict[str, Any]]:
        """Return, whole, the lifelines of the seeds that moved after so many moves."""
        return [{"seed": seed, "spans": spans} for seed, spans in self._spans.items() if self._moved[seed] > moves]

    def _state(self, seed: str) -> str:
        spans = self._spans.get(seed)
        return spans[-1]["state"] if spans and spans[-1]["to"] is None else "dormant"

    def _move(self, seed: str, epoch: int, state: str, blueprint: str | None, cause: str) -> None:
        self.moves += 1
        self._moved[seed] = self.moves
        spans = self._spans.setdefault(seed, [])
        if spans and spans[-1]["to"] is None:
            spans[-1]["to"] = epoch
        if state != "dormant":
            spans.append({"state": state, "blueprint": blueprint, "from": epoch, "to": None, "cause": cause})
