"""``lora``: a linear update of rank 4, whatever the width (Hu et al. 2021): a small part of a wide layer's parameters.

On images it mixes channels. The up-projection starts at zero: the delta is exactly 0 at birth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from kaslite.blueprints.layers import pointwise
from kaslite.blueprints.registry import blueprint

if TYPE_CHECKING:
    from kaslite.blueprints.shape import SeedShape

RANK = 4


@blueprint("lora", kinds=["dense", "sequence", "image"])
def lora(shape: SeedShape) -> nn.Module:
    """Build two pointwise maps through 4 features (or the narrower width, if that is less)."""
    rank = min(RANK, shape.reads, shape.writes)
    return nn.Sequential(
        pointwise(shape.kind, shape.reads, rank, bias=False),
        pointwise(shape.kind, rank, shape.writes, bias=False, zero=True),
    )
