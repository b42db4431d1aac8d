"""``autoencoder``: the documented child, ``d -> 4d -> d``, blended as ``(1 - alpha) * x + alpha * child(x)``.

That is the delta ``child(x) - x``, which is not zero at birth: the child would have to reproduce its input to the last
bit. So each feature of the delta has a gate, a number that starts at zero:

    delta(x) = gate * (child(x) - x)

At birth it is exactly 0. The gates have a gradient at once, the child's parameters after one step. ``child`` is
a submodule of its own, so that it can be trained to reproduce its input whatever the gates are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from kaslite.blueprints.layers import pointwise
from kaslite.blueprints.registry import blueprint
from kaslite.blueprints.shape import FeatureKind

if TYPE_CHECKING:
    from kaslite.blueprints.shape import SeedShape

EXPANSION = 4


class Autoencoder(nn.Module):
    """Computes ``gate * (child(x) - x)``."""

    def __init__(self, shape: SeedShape) -> None:
        super().__init__()
        hidden = EXPANSION * shape.writes
        self.child = nn.Sequential(
            pointwise(shape.kind, shape.reads, hidden),
            nn.GELU(),
            pointwise(shape.kind, hidden, shape.writes),
        )
        positions = (1, 1) if shape.kind is FeatureKind.IMAGE else ()
        self.gate = nn.Parameter(torch.zeros(shape.writes, *positions))

    def forward(self, feature: Tensor) -> Tensor:
        """Return the delta."""
        return self.gate * (self.child(feature) - feature)


@blueprint("autoencoder", kinds=["dense", "sequence", "image"], keeps_width=True, has_child=True)
def autoencoder(shape: SeedShape) -> nn.Module:
    """Build the child, four times as wide inside as outside, and its gates."""
    return Autoencoder(shape)
