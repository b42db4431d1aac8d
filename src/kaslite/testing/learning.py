"""Checks of birth and learning: a newborn changes nothing, and then it does."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from kaslite.testing.subject import Subject, require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

LR = 1e-2
STEPS = 60
ALIVE = 1e-5
"""A gradient counts if its norm is more than this share of the largest of the module."""
LEARNED = 0.6
"""The share of the first loss that may be left."""


def check_identity_at_birth(subject: Subject) -> None:
    """A newborn's delta has the size of what it writes, and is exactly zero."""
    read = subject.read()
    delta = subject.build()(read)
    expected = subject.written_size()
    require(delta.shape == expected, f"{subject}: the delta has the size {tuple(delta.shape)}, expected {expected}")
    require(delta.dtype is subject.dtype, f"{subject}: the delta is {delta.dtype}")
    require(delta.device == read.device, f"{subject}: the delta is on {delta.device}")
    largest = delta.abs().max().item()
    require(largest == 0.0, f"{subject}: at birth the delta reaches {largest}; start the last layer at zero")


def check_gradients_alive(subject: Subject) -> None:
    """Within two steps every parameter has a gradient that counts, but for those declared to have none."""
    module = subject.build()
    parameters = dict(module.named_parameters())
    require(parameters, f"{subject}: it has no parameters")
    norms = [
        {name: 0.0 if p.grad is None else p.grad.norm().item() for name, p in parameters.items()}
        for _ in _fit(module, subject, steps=2)
    ]
    finite = all(math.isfinite(norm) for step in norms for norm in step.values())
    require(finite, f"{subject}: a gradient is not finite (norms: {norms})")
    largest = {name: max(step[name] for step in norms) for name in parameters}
    exempt = subject.blueprint.without_gradient
    require(exempt <= largest.keys(), f"{subject}: no parameters are called {sorted(exempt - largest.keys())}")
    scale = max(largest.values())
    dead = [name for name, norm in largest.items() if name not in exempt and norm <= ALIVE * scale]
    require(not dead, f"{subject}: within two steps no gradient that counts reached {', '.join(dead)} (norms: {largest})")


def check_learns(subject: Subject) -> None:
    """It learns what a module of its own kind computes."""
    first, *_, last = _fit(subject.build(), subject, STEPS)
    require(last < LEARNED * first, f"{subject}: after {STEPS} steps its loss is {last:.3g}, at first it was {first:.3g}")


def _fit(module: nn.Module, subject: Subject, steps: int) -> Iterator[float]:
    """Yield the loss of each step, while its gradients are there to be looked at."""
    read = subject.read()
    with torch.no_grad():
        target = subject.build_shaken("teacher")(read)
    optimizer = torch.optim.Adam(module.parameters(), lr=LR)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = functional.mse_loss(module(read).float(), target.float())
        loss.backward()
        yield loss.item()
        optimizer.step()
