"""``mlp``: normalise, widen, bend, narrow. The general-purpose seed for features that are vectors.

The last layer starts at zero: the seed's delta is exactly 0 at birth, and after one step every parameter has a gradient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from kaslite.blueprints.registry import blueprint

if TYPE_CHECKING:
    from kaslite.blueprints.shape import SeedShape

EXPANSION = 2
MIN_HIDDEN = 8


@blueprint("mlp", kinds=["dense", "sequence"])
def mlp(shape: SeedShape) -> nn.Module:
    """Build LayerNorm -> Linear -> GELU -> Linear with ``2 * writes`` hidden units (at least 8)."""
    hidden = max(MIN_HIDDEN, EXPANSION * shape.writes)
    narrow = nn.Linear(hidden, shape.writes)
    nn.init.zeros_(narrow.weight)
    nn.init.zeros_(narrow.bias)
    return nn.Sequential(nn.LayerNorm(shape.reads), nn.Linear(shape.reads, hidden), nn.GELU(), narrow)
