"""A small convolutional network for square images in one colour.

Not for: large images; every layer keeps all positions.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, final

from torch import nn

from kaslite.errors import UsageError

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


@final
class CNN(nn.Module):
    """A convolution, ``num_layers`` blocks of convolution, normalisation and ReLU, the mean over the image, and a linear head.

    Args:
        input_dim: pixels of an image; a square number.
        hidden_dim: channels of every layer.
        num_layers: number of blocks; each returns (batch, channels, height, width).
        outputs: number of logits.

    Raises:
        UsageError: if the pixels make no square.
    """

    def __init__(self, input_dim: int, hidden_dim: int, num_layers: int, outputs: int) -> None:
        super().__init__()
        self.side = math.isqrt(input_dim)
        if self.side**2 != input_dim:
            raise UsageError(f"input_dim is {input_dim}; a CNN reads square images, of 4, 9, 16, 25 ... pixels.")
        self.stem = nn.Sequential(_convolution(1, hidden_dim), nn.ReLU())
        self.blocks = nn.ModuleList(_block(hidden_dim) for _ in range(num_layers))
        self.head = nn.Linear(hidden_dim, outputs)

    def forward(self, inputs: Float[Tensor, "batch pixels"]) -> Float[Tensor, "batch outputs"]:
        """Return the logits."""
        hidden = self.stem(inputs.unflatten(1, (1, self.side, self.side)))
        for block in self.blocks:
            hidden = block(hidden)
        return self.head(hidden.mean((2, 3)))


def _block(channels: int) -> nn.Module:
    # One group: unlike BatchNorm it keeps no statistics, which a growing network would leave behind.
    return nn.Sequential(_convolution(channels, channels), nn.GroupNorm(1, channels), nn.ReLU())


def _convolution(before: int, after: int) -> nn.Module:
    return nn.Conv2d(before, after, kernel_size=3, padding=1)
