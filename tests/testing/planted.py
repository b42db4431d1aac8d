"""Blueprints with one fault each, to see the kit find it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kaslite.blueprints import Blueprint, FeatureKind, SeedShape
from kaslite.blueprints.layers import normalisation, zeroed
from kaslite.testing import Subject

WIDTH = 6


def subject(recipe, kind="dense", *, reads=WIDTH, writes=WIDTH, causal=False, dtype=torch.float32, **declared) -> Subject:
    """Return a case of a blueprint that nobody registered."""
    shape = SeedShape(FeatureKind(kind), reads, writes, causal=causal)
    return Subject(Blueprint("planted", frozenset({shape.kind}), recipe, **declared), shape, dtype)


def sound(shape: SeedShape) -> nn.Sequential:
    """Build a dense seed without a fault."""
    return nn.Sequential(
        normalisation(shape.kind, shape.reads), nn.Linear(shape.reads, 8), nn.GELU(), zeroed(nn.Linear, 8, shape.writes)
    )


class Around(nn.Module):
    """A sound seed, with something done to what it returns; ``kaput`` says what."""

    def __init__(self, shape: SeedShape, kaput) -> None:
        super().__init__()
        self.inner = sound(shape)
        self.kaput = kaput

    def forward(self, feature: Tensor) -> Tensor:
        return self.kaput(self, feature, self.inner(feature))


def faulty(kaput):
    """Return a recipe whose module returns ``kaput(module, feature, delta)``."""
    return lambda shape: Around(shape, kaput)


def _counted(module, _feature, delta):
    module.calls = getattr(module, "calls", 0) + 1
    return delta * module.calls


def _remembered(module, feature, delta):
    last, module.last = getattr(module, "last", 0.0), feature.detach().mean()
    return delta + delta * last


def _drew(_module, _feature, delta):
    return delta * torch.rand(())


def _drew_in_vain(_module, _feature, delta):
    torch.rand(())
    return delta


def _overwrote(_module, feature, delta):
    feature.mul_(2)
    return delta


def _left_behind(_module, _feature, delta):
    return delta * torch.ones(WIDTH)


def _in_single(module, feature, _delta):
    return module.inner(feature.to(module.inner[1].weight.dtype)).float()


KAPUT = {
    "not a number": lambda _module, _feature, delta: delta / 0 * 0,
    "one": lambda _module, _feature, delta: delta + 1,
    "too narrow": lambda _module, _feature, delta: delta[:, 1:],
    "in single": _in_single,
    "counted": _counted,
    "remembered": _remembered,
    "drew": _drew,
    "drew in vain": _drew_in_vain,
    "overwrote": _overwrote,
    "mode": lambda module, _feature, delta: delta * (2 if module.training else 1),
    "batch": lambda _module, _feature, delta: delta - delta.mean(0),
    "left behind": _left_behind,
    "branch": lambda _module, _feature, delta: delta if delta.sum() > 0 else 2 * delta,
}


class DeadConvolution(nn.Sequential):
    """Zero before a normalisation and ReLU: at birth it changes nothing, and it never will."""

    def __init__(self, shape: SeedShape) -> None:
        super().__init__(zeroed(nn.Conv2d, shape.reads, shape.writes, 3, padding=1), nn.GroupNorm(1, shape.writes), nn.ReLU())


class DeadUnits(nn.Sequential):
    """ReLU'(0) = 0: with zeros going in, no gradient passes."""

    def __init__(self, shape: SeedShape) -> None:
        super().__init__(zeroed(nn.Linear, shape.reads, 8), nn.ReLU(), nn.Linear(8, shape.writes, bias=False))


class Biased(nn.Module):
    """Attention with a bias of its keys, whose gradient is zero by algebra."""

    def __init__(self, shape: SeedShape) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(shape.reads, 8) for _ in range(3))
        self.out = zeroed(nn.Linear, 8, shape.writes)

    def forward(self, tokens: Tensor) -> Tensor:
        attended = nn.functional.scaled_dot_product_attention(self.query(tokens), self.key(tokens), self.value(tokens))
        return self.out(attended)


class WithBatchNorm(nn.Sequential):
    """Keeps statistics of what it sees."""

    def __init__(self, shape: SeedShape) -> None:
        super().__init__(nn.BatchNorm1d(shape.reads), *sound(shape)[1:])
