"""What a blueprint costs: parameters, and floating-point operations of a forward pass over one sample.

Products and convolutions are counted by ``torch.utils.flop_counter`` (a multiplication and an addition are two). It
reports everything else as 0; here that is counted by a declared rule:

- an element-wise operation: one for each number that it returns;
- a sum or a mean: one for each number that it takes in;
- a normalisation or a softmax: five for each number that it returns.

Not for: time. Masked positions of causal attention count as computed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from kaslite.randomness import global_stream

if TYPE_CHECKING:
    from kaslite.blueprints.registry import Blueprint
    from kaslite.blueprints.shape import SeedShape

_PER_NORMALISED_NUMBER = 5  # two passes for the moments or the maximum and the sum, then shift, scale, and gain or exp
_NORMALISATIONS = frozenset({"native_layer_norm", "native_group_norm", "_fused_rms_norm", "_softmax"})
_FREE = frozenset({"clone"})  # called element-wise by torch, computes nothing


@dataclass(frozen=True)
class Cost:
    """Size of a module and its work for one sample."""

    params: int
    flops: int


class _Elementwise(TorchDispatchMode):
    """Counts what the flop counter reports as 0."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        returned = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name in _NORMALISATIONS:
            first = returned[0] if isinstance(returned, tuple) else returned
            self.flops += _PER_NORMALISED_NUMBER * first.numel()
        elif torch.Tag.reduction in func.tags:
            self.flops += args[0].numel()
        elif torch.Tag.pointwise in func.tags and name not in _FREE:
            self.flops += returned.numel()
        return returned


def cost_of(blueprint: Blueprint, shape: SeedShape, positions: tuple[int, ...]) -> Cost:
    """Count a blueprint's parameters and FLOPs without computing anything: its forward pass runs on the meta device."""
    size = shape.kind.size(1, shape.reads, positions)
    with global_stream(torch.device("cpu"), 0, "cost"):
        module = blueprint.build(shape).to("meta")
    params = sum(math.prod(parameter.shape) for parameter in module.parameters())
    with torch.no_grad(), FlopCounterMode(display=False) as products, _Elementwise() as rest:
        module(torch.empty(size, device="meta"))
    return Cost(params, products.get_total_flops() + rest.flops)
