"""A check in a real host: a network with BatchNorm, around a seed layer, in training and in evaluation."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import nn

from kaslite.blueprints.layers import pointwise
from kaslite.lifecycle import SeedState
from kaslite.randomness import global_stream
from kaslite.seeds import SeededModel, Span
from kaslite.testing.subject import Subject, require

if TYPE_CHECKING:
    from torch import Tensor

    from kaslite.blueprints.shape import FeatureKind, SeedShape


def check_lives_in_batch_norm_host(subject: Subject) -> None:
    """At alpha 0 the host computes and remembers what it would alone; at alpha 1 the seed learns, and nothing breaks."""
    bare = _build_host(subject)
    model = _seeded(copy.deepcopy(bare), subject)
    _require_same_host(bare, model, subject)
    seed = model.seed_at("target", 0)
    seed.set_ramp(1.0)
    model.train()(subject.read()).float().square().mean().backward()
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    require(all(gradient.isfinite().all() for gradient in gradients), f"{subject}: in a host, gradients are not finite")
    reached = any(parameter.grad is not None and parameter.grad.any() for parameter in seed.parameters())
    require(reached, f"{subject}: in a host at alpha 1, no gradient reached it")
    finite = all(value.isfinite().all() for value in model.host.state_dict().values())
    require(finite, f"{subject}: the host's statistics are not finite")
    model.eval()
    outputs = [model(subject.read()) for _ in range(2)]
    require(outputs[0].isfinite().all(), f"{subject}: in a host in evaluation, the output is not finite")
    require(torch.equal(*outputs), f"{subject}: in a host in evaluation, two passes differ")


def _require_same_host(bare: nn.Module, model: SeededModel, subject: Subject) -> None:
    for training in (True, False):
        alone, seeded = (network.train(training)(subject.read()) for network in (bare, model))
        mode = "training" if training else "evaluation"
        require(torch.equal(alone, seeded), f"{subject}: at birth it changes the output of a host in {mode}")
    states = zip(bare.state_dict().values(), model.host.state_dict().values(), strict=True)
    require(all(torch.equal(*pair) for pair in states), f"{subject}: at birth it changes the statistics of a host")


class _BatchNorm(nn.BatchNorm1d):
    """Normalises each feature or channel over all samples and positions."""

    def __init__(self, kind: FeatureKind, width: int) -> None:
        super().__init__(width)
        self.feature_axis = kind.axis

    def forward(self, feature: Tensor) -> Tensor:
        last = feature.movedim(self.feature_axis, -1)
        normal = super().forward(last.reshape(-1, last.shape[-1])).view(last.shape)
        return normal.movedim(-1, self.feature_axis)


class _BatchNormHost(nn.Module):
    """Between two normalisations it goes from the width that a seed reads to the width that it writes."""

    def __init__(self, shape: SeedShape) -> None:
        super().__init__()
        self.source = _BatchNorm(shape.kind, shape.reads)
        self.target = pointwise(shape.kind, shape.reads, shape.writes)
        self.after = _BatchNorm(shape.kind, shape.writes)
        self.head = pointwise(shape.kind, shape.writes, shape.writes)

    def forward(self, feature: Tensor) -> Tensor:
        return self.head(self.after(self.target(self.source(feature))).relu())


def _build_host(subject: Subject) -> nn.Module:
    with global_stream(torch.device("cpu"), 0, "host"):
        return _BatchNormHost(subject.shape).to(device=subject.device, dtype=subject.dtype)


def _seeded(host: nn.Module, subject: Subject) -> SeededModel:
    """Return the host with the blueprint in its forward pass, at alpha 0."""
    model = SeededModel(host, at=[Span("target", reads="source")], example_input=subject.read())
    seed = model.seed_at("target", 0)
    seed.germinate(subject.blueprint, subject.shape, next(host.parameters()).detach(), rng_seed=0)
    for state in (SeedState.GERMINATED, SeedState.TRAINING, SeedState.BLENDING):
        seed.move(state, epoch=0, reason="conformance")
    model.update_topology()
    return model
