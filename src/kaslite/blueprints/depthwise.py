"""``depthwise``: a depthwise separable convolution: each channel looks at its neighbourhood, then channels mix.

The pointwise layer, the last one, starts at zero: the delta is exactly 0 at birth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from kaslite.blueprints.layers import convolution, normalisation, pointwise
from kaslite.blueprints.registry import blueprint

if TYPE_CHECKING:
    from kaslite.blueprints.shape import SeedShape


@blueprint("depthwise", kinds=["image"], compute_multiplier=1.08)
def depthwise(shape: SeedShape) -> nn.Module:
    """Build normalisation -> 3 x 3 a channel -> GELU -> 1 x 1."""
    return nn.Sequential(
        normalisation(shape.kind, shape.reads),
        convolution(shape.reads, shape.reads, groups=shape.reads),
        nn.GELU(),
        pointwise(shape.kind, shape.reads, shape.writes, zero=True),
    )
