"""FIXED_RAMP: the ramp rises by the same amount at every tick."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, final

from kaslite.blending.base import BlendingStrategy

if TYPE_CHECKING:
    from kaslite.blending.base import BlendSignals, Signal


@final
class FixedRampBlending(BlendingStrategy):
    """Rises by ``1 / fixed_steps`` a tick.

    >>> from kaslite.blending import BlendingConfig, BlendSignals
    >>> FixedRampBlending(BlendingConfig(fixed_steps=4)).update(BlendSignals(ramp=0.5))
    0.75
    """

    reads: ClassVar[frozenset[Signal]] = frozenset()

    def update(self, signals: BlendSignals) -> float:
        """Return the ramp, one step higher."""
        return min(1.0, signals.ramp + 1 / self.cfg.fixed_steps)
