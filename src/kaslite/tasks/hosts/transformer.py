"""A small decoder-only transformer that says which token comes next (Radford et al. 2019).

Not for: generating text; it is a host to grow on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from jaxtyping import Float, Int64
    from torch import Tensor

HEAD_WIDTH = 32
EMBEDDING_SCALE = 0.02
"""As in GPT-2: small beside what the blocks add."""


@final
class Transformer(nn.Module):
    """Embeddings of tokens and positions, ``num_layers`` pre-norm blocks, a normalisation, and a linear head.

    Causal: the logits of a token know nothing of later ones. No dropout.

    Args:
        input_dim: the most tokens of a sample.
        hidden_dim: width of every layer.
        num_layers: number of blocks; each returns (batch, tokens, features).
        outputs: size of the vocabulary, of inputs and outputs alike.
    """

    def __init__(self, input_dim: int, hidden_dim: int, num_layers: int, outputs: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(outputs, hidden_dim)
        self.positions = nn.Embedding(input_dim, hidden_dim)
        for embedding in (self.tokens, self.positions):
            nn.init.normal_(embedding.weight, std=EMBEDDING_SCALE)
        self.blocks = nn.ModuleList(Block(hidden_dim) for _ in range(num_layers))
        self.norm = nn.LayerNorm(hidden_dim)
        self.head = nn.Linear(hidden_dim, outputs)

    def forward(self, inputs: Int64[Tensor, "batch tokens"]) -> Float[Tensor, "batch tokens outputs"]:
        """Return the logits of the token after each."""
        hidden = self.tokens(inputs) + self.positions(torch.arange(inputs.shape[1], device=inputs.device))
        for block in self.blocks:
            hidden = block(hidden)
        return self.head(self.norm(hidden))


@final
class Block(nn.Module):
    """Causal self-attention, then a feed-forward network four times as wide, each on a residual stream."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = max(1, width // HEAD_WIDTH)
        inner = self.heads * (width // self.heads)
        self.attention_norm = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * inner)
        self.out = nn.Linear(inner, width)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, hidden: Float[Tensor, "batch tokens features"]) -> Float[Tensor, "batch tokens features"]:
        """Return the feature after both."""
        hidden = hidden + self._attend(self.attention_norm(hidden))
        return hidden + self.feed_forward(hidden)

    def _attend(self, tokens: Tensor) -> Tensor:
        split = self.queries_keys_values(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        queries, keys, values = split.unbind()
        attended = functional.scaled_dot_product_attention(queries, keys, values, is_causal=True)
        return self.out(attended.transpose(1, 2).flatten(2))
