"""GRAD_NORM_GATED: the ramp rises while the seed learns steadily: neither hardly at all nor wildly."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, final

from kaslite.blending.base import BlendingStrategy

if TYPE_CHECKING:
    from kaslite.blending.base import BlendSignals, Signal


@final
class GradNormGatedBlending(BlendingStrategy):
    """Takes a step of the fixed ramp where the gradient norm is strictly between its bounds; holds where it is missing.

    >>> from kaslite.blending import BlendingConfig, BlendSignals
    >>> GradNormGatedBlending(BlendingConfig(fixed_steps=4)).update(BlendSignals(ramp=0.5, grad_norm=0.3))
    0.75
    """

    reads: ClassVar[frozenset[Signal]] = frozenset({"grad_norm"})

    def update(self, signals: BlendSignals) -> float:
        """Return the ramp, one step higher if the gate is open."""
        norm = signals.grad_norm
        if norm is None or not self.cfg.grad_norm_lower < norm < self.cfg.grad_norm_upper:
            return signals.ramp
        return min(1.0, signals.ramp + 1 / self.cfg.fixed_steps)
