"""Shadow training: a seed learns beside the host, and the host cannot feel it.

Objective ``task``. In the forward pass the host's feature ``x`` passes through unchanged, bit for bit. In the
backward pass the host gets its gradient ``g`` unchanged, and the seed, which read a detached ``x``, gets

    g + |g| / (0.1 |x| + eps) * delta

The first term pulls delta downhill; the second is the gradient of a proximal term that keeps it small against ``x``:
without it the objective is linear in delta, which would grow without end.
Nothing that the seed computes, infinite or not a number, reaches the host.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from kaslite.seeds.chunk import Chunk
    from kaslite.seeds.seed import Seed

_REACH = 0.1  # size of delta against x at which pull and proximal term balance
_EPS = 1e-3


class _TaskObjective(torch.autograd.Function):
    """Identity in ``feature``; see the module's docstring for its gradients.

    ``alignment`` is a leaf of three zeros. What arrives in its ``.grad`` is the sum over steps of
    ``[-<g, delta>, <delta, delta>, <g, g>]``: measured in the backward pass, kept on the device, read once an epoch.
    """

    @staticmethod
    def forward(feature: Tensor, delta: Tensor, alignment: Tensor, chunk: Chunk) -> Tensor:  # noqa: ARG004  needed backwards
        return feature.clone()  # a view would break an in-place activation that follows in the host

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, Chunk], output: Tensor) -> None:  # noqa: ARG004
        feature, delta, _, ctx.chunk = inputs
        ctx.save_for_backward(feature, delta)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        feature, delta = ctx.saved_tensors
        g, d, x = ctx.chunk.of(gradient).float(), delta.float(), ctx.chunk.of(feature).float()
        proximal = g.abs() / (_REACH * x.abs() + _EPS) * d
        sums = torch.stack([-(g * d).sum(), (d * d).sum(), (g * g).sum()])
        # A gradient scaler's overflow is the scaler's affair: it says nothing about the seed.
        sums = torch.where(sums[2].isfinite(), sums, torch.zeros_like(sums))
        return gradient, (g + proximal).to(delta.dtype), sums, None


def pass_beside(feature: Tensor, delta: Tensor, alignment: Tensor, chunk: Chunk) -> Tensor:
    """Return ``feature``, with ``delta`` (computed from a detached feature) learning from the gradient of its chunk."""
    return _TaskObjective.apply(feature, delta, alignment, chunk)  # type: ignore[no-untyped-call]


class ShadowTrainer:
    """Trains one seed with an optimizer of its own: in TRAINING it is in no other."""

    def __init__(self, seed: Seed, lr: float) -> None:
        assert seed.module is not None, "only a germinated seed can train"
        self._seed = seed
        self._parameters = [p for p in seed.module.parameters() if p.requires_grad]
        self._lr = lr
        self._start()
        seed.alignment = torch.zeros(3, device=seed.alpha.device, requires_grad=True)

    def _start(self) -> None:
        self._started_as = self._kind()
        self._optimizer = torch.optim.Adam(self._parameters, lr=self._lr)

    def _kind(self) -> tuple[torch.dtype, torch.device]:
        # When a model moves to another dtype or device, moments do not: they start anew.
        return self._parameters[0].dtype, self._parameters[0].device

    def step(self) -> None:
        """Take one step on the gradients that the host's backward pass left, and clear them.

        A gradient that is not finite counts as zero: asking first would wait for the device at every step.
        """
        if self._kind() != self._started_as:
            self._start()
        for parameter in self._parameters:
            if parameter.grad is not None:
                parameter.grad.nan_to_num_(0.0, 0.0, 0.0)
        self._optimizer.step()
        self._optimizer.zero_grad()

    @property
    def is_finite(self) -> bool:
        """Whether all that the seed has returned since the last reading was finite."""
        sums = self._seed.alignment.grad
        return sums is None or math.isfinite(sums[1].item())

    def read_progress(self) -> float | None:
        """Return the cosine of delta and -g since the last reading, in [0, 1]; not finite if the seed is not.

        ``None`` if no training step passed through the seed.
        """
        sums = self._seed.alignment.grad
        self._seed.alignment.grad = None
        if sums is None:
            return None
        descent, size, slope = sums.tolist()
        if not math.isfinite(size):
            return math.nan
        return max(0.0, min(1.0, descent / math.sqrt(size * slope))) if size * slope > 0 else 0.0
