"""``squeeze_excite``: turns channels up and down by what the whole image looks like (Hu et al. 2018).

    delta(x) = x * tanh(excite(mean of x over positions))

so a channel ends between 0 and twice what it was. The last layer of ``excite`` starts at zero and tanh(0) is 0: the
delta is exactly 0 at birth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from kaslite.blueprints.layers import pointwise
from kaslite.blueprints.registry import blueprint

if TYPE_CHECKING:
    from kaslite.blueprints.shape import SeedShape

REDUCTION = 4
MIN_HIDDEN = 4


class SqueezeExcite(nn.Module):
    """Weighs each channel by a function of all channels' means."""

    def __init__(self, shape: SeedShape) -> None:
        super().__init__()
        hidden = max(MIN_HIDDEN, shape.reads // REDUCTION)
        self.excite = nn.Sequential(
            pointwise(shape.kind, shape.reads, hidden),
            nn.SiLU(),
            pointwise(shape.kind, hidden, shape.writes, zero=True),
            nn.Tanh(),
        )

    def forward(self, feature: Tensor) -> Tensor:
        """Return the delta."""
        return feature * self.excite(feature.mean((2, 3), keepdim=True))


@blueprint("squeeze_excite", kinds=["image"], keeps_width=True)
def squeeze_excite(shape: SeedShape) -> nn.Module:
    """Build the weights' network, through a quarter of the channels (at least 4)."""
    return SqueezeExcite(shape)
