"""A multi-layer perceptron."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, final

from torch import nn

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


@final
class MLP(nn.Module):
    """``num_layers`` blocks of Linear and ReLU, and a linear head."""

    def __init__(self, input_dim: int, hidden_dim: int, num_layers: int, outputs: int) -> None:
        super().__init__()
        widths = [input_dim] + [hidden_dim] * num_layers
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(before, after), nn.ReLU()) for before, after in pairwise(widths))
        self.head = nn.Linear(hidden_dim, outputs)

    def forward(self, inputs: Float[Tensor, "batch features"]) -> Float[Tensor, "batch outputs"]:
        """Return the logits."""
        hidden = inputs
        for block in self.blocks:
            hidden = block(hidden)
        return self.head(hidden)
