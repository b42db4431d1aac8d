"""``mlp``: normalise, widen, bend, narrow. The general-purpose seed; on images it acts on the channels at each position.

The last layer starts at zero: the seed's delta is exactly 0 at birth, and after one step every parameter has a gradient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from kaslite.blueprints.layers import normalisation, pointwise
from kaslite.blueprints.registry import blueprint

if TYPE_CHECKING:
    from kaslite.blueprints.shape import SeedShape

EXPANSION = 2
MIN_HIDDEN = 8


def hidden_width(shape: SeedShape, expansion: int = EXPANSION) -> int:
    """Return the number of hidden units: a multiple of the written width, and at least 8."""
    return max(MIN_HIDDEN, expansion * shape.writes)


def feed_forward(shape: SeedShape, expansion: int) -> nn.Sequential:
    """Build normalisation -> pointwise -> GELU -> pointwise, the last one at zero."""
    hidden = hidden_width(shape, expansion)
    return nn.Sequential(
        normalisation(shape.kind, shape.reads),
        pointwise(shape.kind, shape.reads, hidden),
        nn.GELU(),
        pointwise(shape.kind, hidden, shape.writes, zero=True),
    )


@blueprint("mlp", kinds=["dense", "sequence", "image"])
def mlp(shape: SeedShape) -> nn.Module:
    """Build a feed-forward network with ``2 * writes`` hidden units (at least 8)."""
    return feed_forward(shape, EXPANSION)
