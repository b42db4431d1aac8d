"""What grew in a run, read from its event log, as a plan that grows it once more.

Not for: views of a run; `kaslite.dashboard` folds the same events for people.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaslite.controllers import Planned
from kaslite.events import SeedCulled, SeedGerminated, SeedStateChanged
from kaslite.lifecycle import SeedState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kaslite.events import Event

_IN_THE_MODEL = {SeedState.BLENDING, SeedState.SHADOWING, SeedState.PROBATIONARY, SeedState.FOSSILIZED}


def germinations(events: Iterable[Event]) -> list[Planned]:
    """Return all that germinated, those that were culled too."""
    return [_germination(event) for event in events if isinstance(event, SeedGerminated)]


def kept(events: Iterable[Event]) -> list[Planned]:
    """Return what is part of the network at the end: blending, on trial or fossilized."""
    growing: dict[tuple[str, int], Planned] = {}
    states: dict[tuple[str, int], str] = {}
    for event in events:
        if isinstance(event, SeedGerminated):
            growing[event.layer, event.seed] = _germination(event)
        elif isinstance(event, SeedStateChanged):
            states[event.layer, event.seed] = event.to_state
        elif isinstance(event, SeedCulled):
            growing.pop((event.layer, event.seed), None)
    return [germination for place, germination in growing.items() if states.get(place) in _IN_THE_MODEL]


def _germination(event: SeedGerminated) -> Planned:
    assert event.blueprint_id is not None, "it grows into something"
    return Planned(event.epoch, event.layer, event.seed, event.blueprint_id)
