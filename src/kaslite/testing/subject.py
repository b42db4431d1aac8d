"""What is under test: one blueprint, for one shape of feature, in one precision, on one device.

All numbers come from named streams, so that a failure comes back. Not for: judging; see the modules of checks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from kaslite.blueprints.shape import FeatureKind
from kaslite.randomness import generator, global_stream

if TYPE_CHECKING:
    from torch import Tensor, nn

    from kaslite.blueprints.registry import Blueprint
    from kaslite.blueprints.shape import SeedShape

SAMPLES = 32
POSITIONS = {FeatureKind.DENSE: (), FeatureKind.SEQUENCE: (5,), FeatureKind.IMAGE: (6, 6)}
SHAKE = 0.3
"""Spread of what is added to each parameter of a module that needs an output to look at."""
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-3, torch.float16: 0.05, torch.bfloat16: 0.15}
"""How far two ways of computing one thing may lie apart, against its size."""


@dataclass(frozen=True)
class Subject:
    """One case of a conformance test."""

    blueprint: Blueprint
    shape: SeedShape
    dtype: torch.dtype = torch.float32
    device: str = "cpu"

    def build(self, stream: str = "birth") -> nn.Module:
        """Build a newborn module; equal streams build equal modules."""
        with global_stream(torch.device("cpu"), 0, self.blueprint.name, stream):
            module = self.blueprint.build(self.shape)
        return module.to(device=self.device, dtype=self.dtype)

    def build_shaken(self, stream: str = "birth") -> nn.Module:
        """Build a module with no parameter at zero: one that has learned something."""
        module, shake = self.build(stream), generator(0, stream, "shake")
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=shake).to(parameter), alpha=SHAKE)
        return module

    def read(self, samples: int = SAMPLES) -> Tensor:
        """Return a feature to read."""
        size = self.shape.kind.size(samples, self.shape.reads, POSITIONS[self.shape.kind])
        return torch.randn(size, generator=generator(0, "read")).to(device=self.device, dtype=self.dtype)

    def written_size(self, samples: int = SAMPLES) -> tuple[int, ...]:
        """Return the size of the delta."""
        return self.shape.kind.size(samples, self.shape.writes, POSITIONS[self.shape.kind])

    def __str__(self) -> str:
        """Name the case, as in the id of a test."""
        words = [self.blueprint.name, self.shape.kind, *(["causal"] if self.shape.causal else [])]
        return "-".join(map(str, [*words, self.shape.reads, self.shape.writes, str(self.dtype).split(".")[1], self.device]))


def require(holds: object, otherwise: str) -> None:
    """Raise `AssertionError` unless it holds; an ``assert`` would be silent under ``python -O``."""
    if not holds:
        raise AssertionError(otherwise)


def distance(one: Tensor, other: Tensor) -> float:
    """Return how far two tensors lie apart, against the size of the second; not a number if either is not."""
    one, other = one.double(), other.double()
    return ((one - other).norm() / other.norm().clamp_min(1e-12)).item()
