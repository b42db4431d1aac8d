"""``gated``: one half of the hidden units lets the other through (SwiGLU, Shazeer 2020): products of features.

The last layer starts at zero: the delta is exactly 0 at birth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

from kaslite.blueprints.layers import normalisation, pointwise
from kaslite.blueprints.registry import blueprint

if TYPE_CHECKING:
    from kaslite.blueprints.shape import SeedShape

MIN_HIDDEN = 8


class Gated(nn.Module):
    """Computes ``narrow(silu(gate) * value)``."""

    def __init__(self, shape: SeedShape) -> None:
        super().__init__()
        hidden = max(MIN_HIDDEN, shape.writes)
        self.feature_axis = shape.kind.axis
        self.norm = normalisation(shape.kind, shape.reads)
        self.widen = pointwise(shape.kind, shape.reads, 2 * hidden)
        self.narrow = pointwise(shape.kind, hidden, shape.writes, zero=True)

    def forward(self, feature: Tensor) -> Tensor:
        """Return the delta."""
        gate, value = self.widen(self.norm(feature)).chunk(2, dim=self.feature_axis)
        return self.narrow(functional.silu(gate) * value)


@blueprint("gated", kinds=["dense", "sequence", "image"])
def gated(shape: SeedShape) -> nn.Module:
    """Build a gated network with as many hidden units as it writes (at least 8)."""
    return Gated(shape)
