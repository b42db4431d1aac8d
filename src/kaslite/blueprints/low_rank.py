"""``low_rank``: a linear update of low rank, as in LoRA (Hu et al. 2021). Cheap, and folds into a linear host layer.

The up-projection starts at zero: the delta is exactly 0 at birth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from kaslite.blueprints.registry import blueprint

if TYPE_CHECKING:
    from kaslite.blueprints.shape import SeedShape

RANK_FRACTION = 4  # rank = width // 4


@blueprint("low_rank", kinds=["dense", "sequence"])
def low_rank(shape: SeedShape) -> nn.Module:
    """Build Linear -> Linear through a quarter of the narrower width (at least 1)."""
    rank = max(1, min(shape.reads, shape.writes) // RANK_FRACTION)
    up = nn.utils.skip_init(nn.Linear, rank, shape.writes, bias=False)  # zeroed below: its numbers need no drawing
    nn.init.zeros_(up.weight)
    return nn.Sequential(nn.Linear(shape.reads, rank, bias=False), up)
