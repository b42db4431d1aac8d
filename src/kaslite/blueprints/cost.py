"""What a blueprint costs: parameters, and floating-point operations of a forward pass over one sample.

Not for: the rule by which operations are counted (`kaslite.blueprints.counting`), or what training spends
(`kaslite.training.flops`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from kaslite.blueprints.counting import FlopCount
from kaslite.randomness import global_stream

if TYPE_CHECKING:
    from kaslite.blueprints.registry import Blueprint
    from kaslite.blueprints.shape import SeedShape


@dataclass(frozen=True)
class Cost:
    """Size of a module and its work for one sample."""

    params: int
    flops: int


def cost_of(blueprint: Blueprint, shape: SeedShape, positions: tuple[int, ...]) -> Cost:
    """Count a blueprint's parameters and FLOPs without computing anything: its forward pass runs on the meta device."""
    size = shape.kind.size(1, shape.reads, positions)
    with global_stream(torch.device("cpu"), 0, "cost"):
        module = blueprint.build(shape).to("meta")
    params = sum(math.prod(parameter.shape) for parameter in module.parameters())
    with torch.no_grad(), FlopCount() as count:
        module(torch.empty(size, device="meta"))
    return Cost(params, count.total)
