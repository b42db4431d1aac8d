"""The strategies by name. A strategy of your own registers in one line: ``kaslite.STRATEGIES["MINE"] = MyBlending``.

Not for: choosing one; that is `kaslite.blending.selection`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaslite.blending.drift_controlled import DriftControlledBlending
from kaslite.blending.fixed_ramp import FixedRampBlending
from kaslite.blending.grad_norm_gated import GradNormGatedBlending
from kaslite.blending.performance_linked import PerformanceLinkedBlending
from kaslite.errors import unknown_name

if TYPE_CHECKING:
    from kaslite.blending.base import BlendingConfig, BlendingStrategy

STRATEGIES: dict[str, type[BlendingStrategy]] = {
    "FIXED_RAMP": FixedRampBlending,
    "PERFORMANCE_LINKED": PerformanceLinkedBlending,
    "DRIFT_CONTROLLED": DriftControlledBlending,
    "GRAD_NORM_GATED": GradNormGatedBlending,
}


def get_strategy(name: str, cfg: BlendingConfig) -> BlendingStrategy:
    """Return a strategy.

    Raises:
        UsageError: if nobody registered it, with the nearest name; it does not fall back to the fixed ramp.

    >>> from kaslite.blending import BlendingConfig
    >>> get_strategy("FIXED_RAM", BlendingConfig())
    Traceback (most recent call last):
        ...
    kaslite.errors.UsageError: unknown blending strategy 'FIXED_RAM': did you mean 'FIXED_RAMP'? Known are: ...
    """
    if name not in STRATEGIES:
        raise unknown_name("blending strategy", name, STRATEGIES)
    return STRATEGIES[name](cfg)
