"""What speaks for a seed: an interval, and what was measured.

`removal` is what switching it off costs; the host has adapted to it, so that is not what the seed contributed. `twin` is the
gain against a copy of the model that was trained on without the seed. Not for: measuring either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kaslite.signals.interval import Interval

Measure = Literal["removal", "twin"]


@dataclass(frozen=True)
class Evidence:
    """Validation loss without the seed minus with it, per sample: positive speaks for the seed.

    >>> str(Evidence("removal", Interval(mean=0.2, lower=0.1, upper=0.3)))
    'removing it costs +0.1000 to +0.3000'
    """

    measure: Measure
    interval: Interval

    @property
    def proves(self) -> bool:
        """Whether the seed is surely worth something."""
        return self.interval.lower > 0

    @property
    def refutes(self) -> bool:
        """Whether the seed surely does harm."""
        return self.interval.upper < 0

    def __str__(self) -> str:
        claim = "removing it costs" if self.measure == "removal" else "its gain against the twin is"
        return f"{claim} {self.interval.lower:+.4f} to {self.interval.upper:+.4f}"
