"""``bottleneck``: a full convolution at a quarter of the width, between two pointwise maps (He et al. 2015).

The last map starts at zero, and nothing normalises after it: the delta is exactly 0 at birth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from kaslite.blueprints.layers import convolution, normalisation, pointwise
from kaslite.blueprints.registry import blueprint

if TYPE_CHECKING:
    from kaslite.blueprints.shape import SeedShape

REDUCTION = 4
MIN_HIDDEN = 4


@blueprint("bottleneck", kinds=["image"])
def bottleneck(shape: SeedShape) -> nn.Module:
    """Build normalisation -> 1 x 1 -> GELU -> 3 x 3 -> GELU -> 1 x 1, through a quarter of what it writes (at least 4)."""
    hidden = max(MIN_HIDDEN, shape.writes // REDUCTION)
    return nn.Sequential(
        normalisation(shape.kind, shape.reads),
        pointwise(shape.kind, shape.reads, hidden),
        nn.GELU(),
        convolution(hidden, hidden),
        nn.GELU(),
        pointwise(shape.kind, hidden, shape.writes, zero=True),
    )
