"""What every blending strategy is given, and what it owes.

A strategy maps the signals of one seed to the next value of its ramp: in [0, 1], never lower than it was.
Not for: ending a blend, which the Grower does when the ramp reaches `COMPLETE`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

from kaslite.errors import UsageError

COMPLETE = 0.99
"""A blend is complete at this ramp; the last hundredth is ticked while the seed is already shadowing."""


@dataclass(frozen=True)
class BlendingConfig:
    """Settings of a blend."""

    fixed_steps: int = 30  # ticks from 0 to 1 on the fixed ramp
    tick: Literal["step", "epoch"] = "epoch"  # what a tick is: an optimizer step, or an epoch

    def __post_init__(self) -> None:
        """Refuse a ramp that would never move."""
        if self.tick not in ("step", "epoch"):
            raise UsageError(f"tick is {self.tick!r}; a tick is a 'step' or an 'epoch'.")
        if self.fixed_steps < 1:
            raise UsageError(f"fixed_steps is {self.fixed_steps}; a blend needs at least 1 tick.")


@dataclass(frozen=True)
class BlendSignals:
    """What a strategy may look at."""

    ramp: float  # where the seed's ramp stands, in [0, 1]


class BlendingStrategy(ABC):
    """Decides how far a ramp rises at one tick."""

    def __init__(self, cfg: BlendingConfig) -> None:
        self.cfg = cfg

    @abstractmethod
    def update(self, signals: BlendSignals) -> float:
        """Return the next value of the ramp, in [``signals.ramp``, 1]."""
