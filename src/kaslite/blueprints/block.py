"""``block``: a whole pre-norm transformer block, so that a transformer grows in depth.

The block would answer ``x + a + f(x + a)`` with ``a = attention(x)``; the delta is what it adds. The last layers of both
parts start at zero: the delta is exactly 0 at birth. Causal where the shape says so, as `attention` is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from kaslite.blueprints.attention import SelfAttention
from kaslite.blueprints.mlp import feed_forward
from kaslite.blueprints.registry import blueprint

if TYPE_CHECKING:
    from kaslite.blueprints.shape import SeedShape

EXPANSION = 4


class Block(nn.Module):
    """Self-attention, then a feed-forward network, each on a residual stream."""

    def __init__(self, shape: SeedShape) -> None:
        super().__init__()
        self.attention = SelfAttention(shape)
        self.feed_forward = feed_forward(shape, EXPANSION)

    def forward(self, feature: Tensor) -> Tensor:
        """Return the delta."""
        attended = self.attention(feature)
        return attended + self.feed_forward(feature + attended)


@blueprint("block", kinds=["sequence"], keeps_width=True)
def block(shape: SeedShape) -> nn.Module:
    """Build self-attention and a feed-forward network four times as wide as the feature."""
    return Block(shape)
