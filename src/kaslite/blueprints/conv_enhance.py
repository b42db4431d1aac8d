"""``conv_enhance``: two full convolutions, the residual branch of a ResNet in pre-activation order (He et al. 2016).

The second convolution, the last layer, starts at zero, and nothing normalises after it: the delta is exactly 0 at birth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from kaslite.blueprints.layers import convolution, normalisation
from kaslite.blueprints.registry import blueprint

if TYPE_CHECKING:
    from kaslite.blueprints.shape import SeedShape

MIN_HIDDEN = 4


@blueprint("conv_enhance", kinds=["image"], compute_multiplier=1.15)
def conv_enhance(shape: SeedShape) -> nn.Module:
    """Build normalisation -> 3 x 3 -> GELU -> 3 x 3, with as many hidden channels as it writes (at least 4)."""
    hidden = max(MIN_HIDDEN, shape.writes)
    return nn.Sequential(
        normalisation(shape.kind, shape.reads),
        convolution(shape.reads, hidden),
        nn.GELU(),
        convolution(hidden, shape.writes, zero=True),
    )
