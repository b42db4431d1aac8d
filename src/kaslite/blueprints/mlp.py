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
    # Drawing numbers only to zero them would take half the time of a germination.
    narrow = nn.utils.skip_init(nn.Linear, hidden, shape.writes)
    nn.init.zeros_(narrow.weight)
    nn.init.zeros_(narrow.bias)
    # Of a single number, normalising leaves nothing.
    norm = nn.LayerNorm(shape.reads) if shape.reads > 1 else nn.Identity()
    return nn.Sequential(norm, nn.Linear(shape.reads, hidden), nn.GELU(), narrow)
