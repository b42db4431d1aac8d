"""What speaks for a seed: an interval, and what was measured.

`removal` is what switching it off costs; the host has adapted to it, so that is not what the seed contributed. `twin` is the
gain against a copy of the model that was trained on without the seed. Anything that touches a network shifts its training a
little, and paired samples see the smallest shift: so a gain also has to be worth having. Not for: measuring either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kaslite.signals.interval import Interval

Measure = Literal["removal", "twin"]

TWIN_MARGIN = 0.075
"""What a gain has to exceed to be worth a seed, as a share of the twin's loss: what it has to be, docs/log.md tells."""


@dataclass(frozen=True)
class Evidence:
    """Validation loss without the seed minus with it, per sample: positive speaks for the seed.

    >>> str(Evidence("removal", Interval(mean=0.2, lower=0.1, upper=0.3)))
    'removing it costs +0.1000 to +0.3000'
    """

    measure: Measure
    interval: Interval
    margin: float = 0.0  # what is less than this, for the seed or against it, counts as nothing

    @classmethod
    def of_twin(cls, gain: Interval, loss: float) -> Evidence:
        """Return what a gain against the twin says, where the model with the seed has this loss.

        >>> Evidence.of_twin(Interval(mean=0.02, lower=0.01, upper=0.03), loss=0.98).proves
        False
        """
        return cls("twin", gain, TWIN_MARGIN * abs(loss + gain.mean))

    @property
    def proves(self) -> bool:
        """Whether the seed is surely worth something."""
        return self.interval.lower > self.margin

    @property
    def refutes(self) -> bool:
        """Whether the seed surely does harm."""
        return self.interval.upper < -self.margin

    def __str__(self) -> str:
        claim = "removing it costs" if self.measure == "removal" else "its gain against the twin is"
        asked = f", where {self.margin:.4f} are asked for" if self.margin else ""
        return f"{claim} {self.interval.lower:+.4f} to {self.interval.upper:+.4f}{asked}"
