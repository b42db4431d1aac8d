"""``norm``: a learned share of the normalised feature. The smallest seed, two numbers a feature.

Its gain and its shift start at zero: the delta is exactly 0 at birth, and both have a gradient at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from kaslite.blueprints.layers import zeroed
from kaslite.blueprints.registry import blueprint
from kaslite.blueprints.shape import FeatureKind

if TYPE_CHECKING:
    from kaslite.blueprints.shape import SeedShape


@blueprint("norm", kinds=["dense", "sequence", "image"], compute_multiplier=1.02, min_width=2, keeps_width=True)
def norm(shape: SeedShape) -> nn.Module:
    """Build LayerNorm, or GroupNorm of one group for images."""
    if shape.kind is FeatureKind.IMAGE:
        return zeroed(nn.GroupNorm, 1, shape.writes)
    return zeroed(nn.LayerNorm, shape.writes)
