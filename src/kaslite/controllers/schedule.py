"""`Schedule`: what germinates, where and when, is planned beforehand.

For runs to compare with: a controller's growth repeated without the controller, a network that has its final shape from the
start, one that never grows. Not for: judging; what the plan put in stays in, proven or not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from kaslite.controllers.base import Advance, Decision, Germinate, Observation, Wait
from kaslite.errors import UsageError
from kaslite.lifecycle import SeedState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_WRITTEN = re.compile(r"\s*(?P<epoch>[-+]?\d+)\s+(?P<layer>\S+):(?P<seed>\d+)\s+(?P<blueprint>\S+)\s*")


@dataclass(frozen=True)
class Planned:
    """One germination of a plan; written ``EPOCH LAYER:SEED BLUEPRINT``.

    >>> str(Planned(epoch=30, layer="blocks.1", seed=0, blueprint="block"))
    '30 blocks.1:0 block'
    """

    epoch: int  # at whose end it germinates; 0 = before the first
    layer: str
    seed: int
    blueprint: str

    def __post_init__(self) -> None:
        """Refuse a time that never comes."""
        if self.epoch < 0:
            raise UsageError(f"a germination is planned for epoch {self.epoch}; 0 is before the first.")

    def __str__(self) -> str:
        """Write it as it is parsed."""
        return f"{self.epoch} {self.layer}:{self.seed} {self.blueprint}"

    @classmethod
    def parse(cls, text: str) -> Planned:
        """Read ``EPOCH LAYER:SEED BLUEPRINT``.

        Raises:
            UsageError: if the text is not that, or the epoch is negative.

        >>> Planned.parse("30 blocks.1:0 block")
        Planned(epoch=30, layer='blocks.1', seed=0, blueprint='block')
        """
        found = _WRITTEN.fullmatch(text)
        if found is None:
            raise UsageError(f"{text!r} plans no germination; write EPOCH LAYER:SEED BLUEPRINT, such as '30 blocks.1:0 block'.")
        return cls(int(found["epoch"]), found["layer"], int(found["seed"]), found["blueprint"])


@final
class Schedule:
    """Germinates what is due, and lets it blend in; it never culls and never fossilizes.

    Ask it before the first epoch, too (`Grower.begin`), if anything is due then.

    Args:
        plan: the germinations; an empty plan never grows anything.
        shadow_epochs: a seed that trains for this many epochs in the shadow blends.

    Raises:
        UsageError: if a place comes twice, or if ``shadow_epochs`` is less than 1.
    """

    def __init__(self, plan: Iterable[Planned], *, shadow_epochs: int = 5) -> None:
        if shadow_epochs < 1:
            raise UsageError(f"shadow_epochs is {shadow_epochs}; a seed trains for at least 1 epoch before it is moved on.")
        self.plan = tuple(plan)
        self.shadow_epochs = shadow_epochs
        _check_places(self.plan)

    def decide(self, observation: Observation) -> Decision | Sequence[Decision]:
        """Germinate all that is due, and move on what was in the shadow for long enough."""
        due = [planned for planned in self.plan if planned.epoch == observation.epoch]
        trained = [
            seed
            for seed in observation.seeds
            if seed.state is SeedState.TRAINING and seed.epochs_in_state >= self.shadow_epochs
        ]
        return [
            *(Advance(seed.layer, seed.seed, reason=f"{seed.epochs_in_state} epochs in the shadow") for seed in trained),
            *(Germinate(planned.layer, planned.seed, planned.blueprint, reason="as planned") for planned in due),
        ] or Wait(self._outlook(observation.epoch))

    def _outlook(self, epoch: int) -> str:
        later = min((planned.epoch for planned in self.plan if planned.epoch > epoch), default=None)
        return "nothing more is planned" if later is None else f"the next germination is planned for epoch {later}"


def _check_places(plan: Sequence[Planned]) -> None:
    places = [(planned.layer, planned.seed) for planned in plan]
    twice = next((place for place in places if places.count(place) > 1), None)
    if twice is not None:
        raise UsageError(f"{twice[0]}:{twice[1]} is planned twice; a place germinates once, because what grew there stays.")
