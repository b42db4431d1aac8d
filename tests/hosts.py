"""Small networks of several kinds.

All take (batch, 6), answer (batch, 2), and have ``stem``, ``blocks.0``, ``blocks.1`` and ``head``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTH = 8


class InPlaceMLP(nn.Module):
    """Every activation overwrites the feature that a seed read or wrote."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(6, WIDTH)
        self.blocks = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(2))
        self.head = nn.Linear(WIDTH, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = functional.relu(self.stem(inputs), inplace=True)
        for block in self.blocks:
            hidden = functional.relu(block(hidden), inplace=True)
        return self.head(hidden)


class BatchNormMLP(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Linear(6, WIDTH), nn.ReLU())
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.BatchNorm1d(WIDTH), nn.ReLU(inplace=True)) for _ in range(2)
        )
        self.norm = nn.BatchNorm1d(WIDTH)
        self.head = nn.Linear(WIDTH, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.stem(inputs)
        for block in self.blocks:
            hidden = self.norm(block(hidden)) if block is self.blocks[-1] else block(hidden)
        return self.head(hidden)


class TransformerBlock(nn.Module):
    """Answers with a tuple: the feature and the attention weights."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, feature: Tensor) -> tuple[Tensor, Tensor]:
        attended, weights = self.attention(feature, feature, feature)
        return self.norm(feature + attended), weights


class Transformer(nn.Module):
    """Reads the six numbers as three tokens of two."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(2, WIDTH)
        self.blocks = nn.ModuleList(TransformerBlock() for _ in range(2))
        self.head = nn.Linear(WIDTH, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.stem(inputs.unflatten(1, (3, 2)))
        for block in self.blocks:
            hidden, _ = block(hidden)
        return self.head(hidden.mean(1))


class GraphBreakMLP(InPlaceMLP):
    """``torch.compile`` makes two graphs of it."""

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.blocks[0](self.stem(inputs).relu()).relu()
        torch._dynamo.graph_break()
        return self.head(self.blocks[1](hidden).relu())


HOSTS = {
    "in_place": InPlaceMLP,
    "batch_norm": BatchNormMLP,
    "transformer": Transformer,
    "graph_break": GraphBreakMLP,
}


def build(name: str = "in_place") -> nn.Module:
    """Return a host, always with the same weights."""
    torch.manual_seed(0)
    return HOSTS[name]()


def samples(count: int = 64, rng_seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return inputs and classes: whether the first two numbers have the same sign (which is not linear)."""
    inputs = torch.randn(count, 6, generator=torch.Generator().manual_seed(rng_seed))
    return inputs, (inputs[:, 0] * inputs[:, 1] > 0).long()


def hooks(module: nn.Module) -> int:
    """Return how many hooks of any kind are on a module and what it contains."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(part, kind)) for part in module.modules() for kind in kinds)
