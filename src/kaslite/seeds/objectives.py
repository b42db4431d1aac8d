"""Shadow objectives: from what a seed in TRAINING learns, while the host cannot feel it.

``task`` and ``gradient``: in the forward pass the host's feature ``x`` passes through unchanged, bit for bit. In the
backward pass the host gets its gradient ``g`` unchanged, and the seed, which read a detached ``x``, gets the slope of its
objective (see `task_slope`, `fit_slope`). ``reconstruct``: the feature passes by, and rows of it are kept; what learns
from them is `kaslite.seeds.reconstruction`.
Nothing that the seed computes, infinite or not a number, reaches the host.
Not for: taking the steps; see `kaslite.seeds.shadow`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kaslite.blueprints.registry import fitting, get
from kaslite.errors import UsageError, unknown_name
from kaslite.seeds.fault import delta_or_fault

if TYPE_CHECKING:
    from kaslite.blueprints import Blueprint, SeedShape
    from kaslite.seeds.chunk import Chunk
    from kaslite.seeds.seed import Seed

RECONSTRUCT = "reconstruct"
OBJECTIVES = ("task", "gradient", RECONSTRUCT)
_REACH = 0.1  # size of delta against x that an objective aims at
_EPS = 1e-3
_NO_SLOPE = 1e-18  # below it, squares underflow in float32


def check_objective(objective: str) -> None:
    """Refuse a name that is none of `OBJECTIVES`, with the nearest that is."""
    if objective not in OBJECTIVES:
        raise unknown_name("shadow objective", objective, OBJECTIVES)


def can_learn(blueprint: Blueprint, objective: str) -> bool:
    """Return whether what the blueprint builds has what the objective trains."""
    return objective != RECONSTRUCT or blueprint.has_child


def check_can_learn(blueprint: Blueprint, shape: SeedShape, objective: str) -> None:
    """Refuse a blueprint that the objective cannot train, with those on this shape that it can.

    Raises:
        UsageError: likewise if there is no such objective.
    """
    check_objective(objective)
    if not can_learn(blueprint, objective):
        able = [name for name in fitting(shape) if can_learn(get(name), objective)]
        others = [name for name in OBJECTIVES if name != objective]
        raise UsageError(
            f"blueprint {blueprint.name!r} declares no child (has_child=True), which the shadow objective {objective!r} "
            f"would train; here these do: {', '.join(able) or 'none'}; every blueprint can learn by: {', '.join(others)}."
        )


def task_slope(g: Tensor, x: Tensor, delta: Tensor) -> Tensor:
    """Return ``g + |g| / (0.1 |x| + eps) * delta``: the pull downhill, and that of a proximal term.

    Without the second, which keeps delta small against ``x``, the objective is linear in delta, which would grow without end.
    """
    return g + g.abs() / (_REACH * x.abs() + _EPS) * delta


def fit_slope(g: Tensor, x: Tensor, delta: Tensor) -> Tensor:
    """Return the slope of ``0.5 |delta - target|^2``, where target is -g, scaled to a tenth of x (norms over the batch)."""
    downhill = -g / g.norm().clamp_min(_NO_SLOPE)
    return delta - _REACH * x.norm() * downhill


_SLOPES = {"task": task_slope, "gradient": fit_slope}


class _Beside(torch.autograd.Function):
    """Identity in ``feature``; see the module's docstring for its gradients.

    ``alignment`` is a leaf of three zeros. What arrives in its ``.grad`` is the sum over steps of
    ``[-<g, delta>, <delta, delta>, <g, g>]``: measured in the backward pass, kept on the device, read once an epoch.
    """

    @staticmethod
    def forward(feature: Tensor, delta: Tensor, alignment: Tensor, chunk: Chunk, objective: str) -> Tensor:  # noqa: ARG004  needed backwards
        return feature.clone()  # a view would break an in-place activation that follows in the host

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, Chunk, str], output: Tensor) -> None:  # noqa: ARG004
        feature, delta, _, ctx.chunk, ctx.objective = inputs
        ctx.save_for_backward(feature, delta)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        feature, delta = ctx.saved_tensors
        g, x, d = ctx.chunk.of(gradient).float(), ctx.chunk.of(feature).float(), delta.float()
        sums = torch.stack([-(g * d).sum(), (d * d).sum(), (g * g).sum()])
        # A gradient scaler's overflow is the scaler's affair: it says nothing about the seed.
        sums = torch.where(sums[2].isfinite(), sums, torch.zeros_like(sums))
        return gradient, _SLOPES[ctx.objective](g, x, d).to(delta.dtype), sums, None, None


def pass_beside(seed: Seed, read: Tensor, feature: Tensor) -> Tensor:
    """Return ``feature``, the layer's, with the seed learning beside it from what it reads, ``read``."""
    own = seed.reads.of(read).detach()
    if seed.objective == RECONSTRUCT:
        _keep(seed, own)
        return feature
    delta = delta_or_fault(seed, own, seed.writes.of(feature))
    if delta is None:
        return feature
    return _Beside.apply(feature, delta, seed.alignment, seed.writes, seed.objective)  # type: ignore[no-untyped-call]


@torch.compiler.disable  # type: ignore[untyped-decorator]  # which rows stay is drawn on the CPU
def _keep(seed: Seed, rows: Tensor) -> None:
    assert seed.reservoir is not None, "its ShadowTrainer made one"
    if not seed.reservoir.add(rows):
        seed.note_fault(f"one row of what it reads, {tuple(rows.shape[1:])}, is more than its reservoir may hold")
