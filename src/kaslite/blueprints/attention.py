"""``attention``: tokens of a sequence, or positions of an image, look at one another.

The last layer starts at zero: the delta is exactly 0 at birth. Keys have no bias: it would shift all scores of a query
alike, which softmax does not see, so its gradient would be zero by algebra. On a sequence whose shape says
``causal``, a token looks at itself and earlier ones only. It knows nothing of order: that is in the host's features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

from kaslite.blueprints.layers import normalisation, pointwise
from kaslite.blueprints.registry import blueprint
from kaslite.blueprints.shape import FeatureKind

if TYPE_CHECKING:
    from kaslite.blueprints.shape import SeedShape

HEAD_WIDTH = 32
MIN_HEAD_WIDTH = 8


class SelfAttention(nn.Module):
    """Heads of 32 features; a narrower feature gets one head, as wide as itself but at least 8."""

    def __init__(self, shape: SeedShape) -> None:
        super().__init__()
        self.heads = max(1, shape.reads // HEAD_WIDTH)
        inner = self.heads * max(MIN_HEAD_WIDTH, min(HEAD_WIDTH, shape.reads))
        self.causal = shape.causal
        self.norm = normalisation(shape.kind, shape.reads)
        self.queries_keys_values = pointwise(FeatureKind.SEQUENCE, shape.reads, 3 * inner, bias=False)
        self.out = pointwise(FeatureKind.SEQUENCE, inner, shape.writes, zero=True)

    def forward(self, feature: Tensor) -> Tensor:
        """Return the delta."""
        normal = self.norm(feature)
        if feature.ndim == 3:
            return self.attend(normal)
        return self.attend(normal.flatten(2).transpose(1, 2)).transpose(1, 2).unflatten(2, feature.shape[2:])

    def attend(self, tokens: Tensor) -> Tensor:
        """Map (batch, tokens, reads) to (batch, tokens, writes)."""
        heads = self.queries_keys_values(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        queries, keys, values = heads.unbind()
        attended = functional.scaled_dot_product_attention(queries, keys, values, is_causal=self.causal)
        return self.out(attended.transpose(1, 2).flatten(2))


@blueprint("attention", kinds=["sequence", "image"], compute_multiplier=1.35)
def attention(shape: SeedShape) -> nn.Module:
    """Build normalisation -> scaled dot-product self-attention -> linear."""
    return SelfAttention(shape)
