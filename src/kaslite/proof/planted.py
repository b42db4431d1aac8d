"""Planted seeds: useless by construction, so that a gate which keeps one has been fooled.

They pass through the whole life of a seed like any other, and are known only inside ``registered(*PLANTED)``.
Not for: growing anything; nor for saying how often a gate is fooled (`kaslite.proof.claims.gate`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from kaslite.blueprints.mlp import EXPANSION, feed_forward
from kaslite.blueprints.registry import Blueprint
from kaslite.blueprints.shape import FeatureKind

if TYPE_CHECKING:
    from kaslite.blueprints import SeedShape

SCALE = 0.05
"""Size of what the frozen ones add, relative to what they read."""

JOLT_PASSES = 100
"""Training passes for which `planted_jolt` adds anything; those in the shadow count."""


class Frozen(nn.Module):
    """A fixed linear map, which starts with the second pass (a newborn has to return zeros) and learns nothing.

    Args:
        matrix: (reads, writes).
        passes: after so many training passes it returns zeros for good.
    """

    matrix: Tensor
    passes: Tensor

    def __init__(self, matrix: Tensor, passes: float = math.inf) -> None:
        super().__init__()
        self.last_pass = passes
        self.register_buffer("matrix", matrix)
        self.register_buffer("passes", torch.zeros((), dtype=torch.int64))
        self.idle = nn.Parameter(torch.zeros(()))  # a seed has to have something that could learn; its gradient is zero

    def forward(self, feature: Tensor) -> Tensor:
        """Map (..., reads) to (..., writes)."""
        is_on = (self.passes > 0) & (self.passes <= self.last_pass)
        if self.training:
            self.passes.add_(1)
        return is_on * (feature @ self.matrix) + 0.0 * self.idle


class Deaf(nn.Module):
    """A feed-forward network that hears noise in place of the feature: new draws at every training pass.

    The draws come from a stream of its own, named by its buffers: checkpoints hold it, and nobody else's draws shift.
    """

    stream: Tensor
    passes: Tensor

    def __init__(self, shape: SeedShape) -> None:
        super().__init__()
        self.body = feed_forward(shape, EXPANSION)
        self.register_buffer("stream", torch.randint(2**31, ()))
        self.register_buffer("passes", torch.zeros((), dtype=torch.int64))

    def forward(self, feature: Tensor) -> Tensor:
        """Map standard normal noise of the shape of ``feature``, (..., reads), to (..., writes)."""
        generator = torch.Generator().manual_seed(int(self.stream) * 2**31 + int(self.passes))
        noise = torch.randn(feature.shape, generator=generator).to(feature)
        if self.training:
            self.passes.add_(1)
        return self.body(noise)


def _random(shape: SeedShape) -> nn.Module:
    return Frozen(SCALE / math.sqrt(shape.reads) * torch.randn(shape.reads, shape.writes))


def _identity(shape: SeedShape) -> nn.Module:
    return Frozen(SCALE * torch.eye(shape.reads))


def _jolt(shape: SeedShape) -> nn.Module:
    return Frozen(SCALE / math.sqrt(shape.reads) * torch.randn(shape.reads, shape.writes), JOLT_PASSES)


_KINDS = frozenset({FeatureKind.DENSE, FeatureKind.SEQUENCE})
_IDLE = frozenset({"idle"})

RANDOM = Blueprint("planted_random", _KINDS, _random, without_gradient=_IDLE)
"""Frozen noise on top of the feature."""

IDENTITY = Blueprint("planted_identity", _KINDS, _identity, keeps_width=True, without_gradient=_IDLE)
"""The feature once more, a little of it."""

NOISE = Blueprint("planted_noise", _KINDS, Deaf)
"""A network that learns from noise."""

JOLT = Blueprint("planted_jolt", _KINDS, _jolt, without_gradient=_IDLE)
"""Nothing, after a short disturbance: from then on the model and its twin are both seedless, and differ by chance alone."""

PLANTED = (RANDOM, IDENTITY, NOISE, JOLT)
