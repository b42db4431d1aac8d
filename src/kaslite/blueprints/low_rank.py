"""``low_rank``: a linear update of low rank, as in LoRA (Hu et al. 2021). Cheap, and folds into a linear host layer.

On images it mixes channels. The up-projection starts at zero: the delta is exactly 0 at birth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from kaslite.blueprints.layers import pointwise
from kaslite.blueprints.registry import blueprint

if TYPE_CHECKING:
    from kaslite.blueprints.shape import SeedShape

RANK_FRACTION = 4  # rank = width // 4


@blueprint("low_rank", kinds=["dense", "sequence", "image"])
def low_rank(shape: SeedShape) -> nn.Module:
    """Build two pointwise maps through a quarter of the narrower width (at least 1)."""
    rank = max(1, min(shape.reads, shape.writes) // RANK_FRACTION)
    return nn.Sequential(
        pointwise(shape.kind, shape.reads, rank, bias=False),
        pointwise(shape.kind, rank, shape.writes, bias=False, zero=True),
    )
