"""PERFORMANCE_LINKED: the ramp is the part of the held-out loss that has gone since the blend began.

So the blend is complete only when 99 % of the loss has gone: for hosts that are far from having learned their task.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, final

from kaslite.blending.base import BlendingStrategy

if TYPE_CHECKING:
    from kaslite.blending.base import BlendSignals, Signal

_EPS = 1e-12


@final
class PerformanceLinkedBlending(BlendingStrategy):
    """Rises to ``drop / (initial_loss + 1e-12)``, and never falls; holds where a loss is missing.

    >>> from kaslite.blending import BlendingConfig, BlendSignals
    >>> PerformanceLinkedBlending(BlendingConfig()).update(BlendSignals(ramp=0.1, initial_loss=1.0, current_loss=0.5))
    0.4999...
    """

    reads: ClassVar[frozenset[Signal]] = frozenset({"loss"})

    def update(self, signals: BlendSignals) -> float:
        """Return the part of the loss that has gone, or the ramp where that is more."""
        start, current = signals.initial_loss, signals.current_loss
        if start is None or current is None or start < 0:
            return signals.ramp
        drop = max(0.0, start - current)
        return max(signals.ramp, min(1.0, drop / (start + _EPS)))
