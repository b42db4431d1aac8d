"""Where every seed stands, the dormant ones too, by its id ``layer:index``, and the fold that takes in one more event.

Not for: what was measured of seeds; readings have that.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from kaslite.events import EpochCompleted, Event, GovernorRolledBack, RunStarted, SeedStateChanged

if TYPE_CHECKING:
    from collections.abc import Mapping

STATE_NUMBERS: Mapping[str, int] = MappingProxyType(
    {
        "dormant": 0,
        "germinated": 1,
        "training": 2,
        "blending": 3,
        "shadowing": 4,
        "probationary": 5,
        "fossilized": 6,
        "culled": -1,
        "embargoed": -2,
        "resetting": -3,
    }
)
"""What stands for a state where only numbers can."""

_EMPTY = frozenset({"dormant", "embargoed", "resetting"})  # no module, so alpha is 0


@dataclass(frozen=True)
class SeedStanding:
    """One seed as last told."""

    state: str
    alpha: float | None  # None: it moved, and was not measured since


def fold_seed_states(seeds: Mapping[str, SeedStanding], event: Event) -> Mapping[str, SeedStanding]:
    """Return where the seeds stand after one more event.

    >>> from kaslite.events import SeedStateChanged
    >>> moved = SeedStateChanged(
    ...     epoch=3, layer="a", seed=0, blueprint_id="mlp", from_state="dormant", to_state="germinated", reason=""
    ... )
    >>> fold_seed_states({}, moved)
    {'a:0': SeedStanding(state='germinated', alpha=None)}
    """
    match event:
        case RunStarted():
            return {seed_id(*place): SeedStanding("dormant", 0.0) for place in event.seeds}
        case SeedStateChanged():
            alpha = 0.0 if event.to_state in _EMPTY else None
            return {**seeds, seed_id(event.layer, event.seed): SeedStanding(event.to_state, alpha)}
        case EpochCompleted() if event.seeds:
            return {**seeds, **{seed_id(r.layer, r.seed): SeedStanding(r.state, r.alpha) for r in event.seeds}}
        case GovernorRolledBack():
            return {**seeds, **{seed_id(s.layer, s.seed): SeedStanding(s.state, s.alpha) for s in event.seeds}}
        case _:
            return seeds


def seed_id(layer: str, index: int) -> str:
    """Return how a seed is written.

    >>> seed_id("blocks.0", 1)
    'blocks.0:1'
    """
    return f"{layer}:{index}"
