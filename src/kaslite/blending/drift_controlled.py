"""DRIFT_CONTROLLED: the ramp rises as long as the seed does not turn its layer's feature too far.

Where nothing was measured it holds: a drift that nobody saw is not a low one.
"""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, ClassVar, final

from kaslite.blending.base import WINDOW, BlendingStrategy

if TYPE_CHECKING:
    from kaslite.blending.base import BlendSignals, Signal


@final
class DriftControlledBlending(BlendingStrategy):
    """Takes two steps of the fixed ramp below half of ``high_drift_threshold``, one below all of it, and else none.

    What is compared is the mean of the last five drifts.

    >>> from kaslite.blending import BlendingConfig, BlendSignals
    >>> DriftControlledBlending(BlendingConfig(fixed_steps=10)).update(BlendSignals(ramp=0.5, drifts=(0.0, 0.02)))
    0.7
    """

    reads: ClassVar[frozenset[Signal]] = frozenset({"drift"})

    def update(self, signals: BlendSignals) -> float:
        """Return the ramp, two steps, one or none higher."""
        if not signals.drifts:
            return signals.ramp
        drift = fmean(signals.drifts[-WINDOW:])
        high = self.cfg.high_drift_threshold
        steps = 2 if drift < 0.5 * high else 1 if drift < high else 0
        return min(1.0, signals.ramp + steps / self.cfg.fixed_steps)
