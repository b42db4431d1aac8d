"""Checks of the forward pass: it is a function of the sample and of the parameters, and of nothing else."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch

from kaslite.blueprints.shape import FeatureKind
from kaslite.testing.subject import TOLERANCE, Subject, distance, require

if TYPE_CHECKING:
    from torch import Tensor

FAR = 100.0
"""Put in the place of a sample or a token, to see what else changes."""


def check_builds_alike(subject: Subject) -> None:
    """The same stream builds the same module."""
    one, other = subject.build().state_dict(), subject.build().state_dict()
    alike = one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
    require(alike, f"{subject}: built twice from one stream, its parameters differ; draw from torch's generator only")


def check_deterministic(subject: Subject) -> None:
    """Two passes give the same finite numbers, and draw none."""
    module, read = subject.build_shaken(), subject.read()
    before = _random_states()
    one, other = module(read), module(read)
    require(one.isfinite().all(), f"{subject}: its output is not finite")
    require(torch.equal(one, other), f"{subject}: two passes over the same feature differ")
    drew = any(not torch.equal(a, b) for a, b in zip(before, _random_states(), strict=True))
    require(not drew, f"{subject}: its forward pass drew from torch's generator")


def check_remembers_nothing(subject: Subject) -> None:
    """A pass in training mode changes neither its state nor what it read."""
    module, read = subject.build_shaken().train(), subject.read()
    before, untouched = copy.deepcopy(module.state_dict()), read.clone()
    first = module(read)
    changed = [key for key, value in module.state_dict().items() if not torch.equal(value, before[key])]
    require(not changed, f"{subject}: a forward pass changed {', '.join(changed)}; use a normalisation without statistics")
    require(torch.equal(read, untouched), f"{subject}: it changed the feature that it read")
    module(read * FAR)
    require(torch.equal(module(read), first), f"{subject}: its output depends on what it saw before")


def check_modes_agree(subject: Subject) -> None:
    """Training and evaluation mode compute the same."""
    module, read = subject.build_shaken(), subject.read()
    require(torch.equal(module.train()(read), module.eval()(read)), f"{subject}: train() and eval() differ")


def check_samples_apart(subject: Subject) -> None:
    """A sample's delta does not depend on the others of its batch."""
    module, read = subject.build_shaken(), subject.read()
    alone, among = module(read[:1]), module(read)[:1]
    beside_others = read.clone()
    beside_others[1:] = FAR
    for other in (among, module(beside_others)[:1]):
        apart = distance(other, alone)
        require(apart <= TOLERANCE[subject.dtype], f"{subject}: a sample alone and in a batch lie {apart:.3g} apart")


def check_looks_not_ahead(subject: Subject) -> None:
    """On a causal sequence, a token's delta does not depend on later tokens."""
    if subject.shape.kind is not FeatureKind.SEQUENCE or not subject.shape.causal:
        return
    module, read = subject.build_shaken(), subject.read()
    later = read.clone()
    later[:, -1] = FAR
    apart = distance(module(later)[:, :-1], module(read)[:, :-1])
    require(apart <= TOLERANCE[subject.dtype], f"{subject}: a later token moved earlier ones by {apart:.3g}")


def _random_states() -> list[Tensor]:
    on_devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return [torch.get_rng_state(), *on_devices]
