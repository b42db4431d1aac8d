"""A snapshot of what trains: host, seeds, optimizer moments, shadow trainers, torch's random streams; and the way back to it.

It lives in main memory. Learning rates and other options are not in it: schedulers go on. Nor are the twins, which
had no part in what went wrong. Not for: checkpoints, which hold more (`kaslite.training.saving`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from kaslite.lifecycle import ISOLATED, SeedState
from kaslite.randomness import set_torch_streams, torch_streams
from kaslite.training.optimizer_state import load_named_moments, named_moments, optimizer_names, put_parameters
from kaslite.training.state import Tree, capture_seeds, prepare_seeds, put_seeds, snapshot_of

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from torch import nn
    from torch.optim import Optimizer

    from kaslite.seeds import SeededModel
    from kaslite.training.transitions import Transitions


def live_state(
    model: SeededModel, optimizer: Optimizer, transitions: Transitions, names: list[list[str]] | None = None
) -> Tree:
    """Return what a snapshot is taken of; its tensors are those in use.

    Args:
        model: the seeded host.
        optimizer: its optimizer.
        transitions: know the shadow trainers.
        names: what `optimizer_names` returns, if that is known already.
    """
    topology = live_topology(model, optimizer, transitions, names)
    persistent = dict(model.host.state_dict())
    return {
        "host": persistent,
        "buffers": {name: buffer for name, buffer in model.host.named_buffers() if name not in persistent},
        "moments": named_moments(optimizer, topology["parameters"]),
        **topology,
    }


def live_topology(
    model: SeededModel, optimizer: Optimizer, transitions: Transitions, names: list[list[str]] | None = None
) -> Tree:
    """Return the part of the state that a decision changes; arguments as above."""
    return {
        "seeds": capture_seeds(model),
        "trainers": transitions.trainers_state(),
        "parameters": optimizer_names(model, optimizer) if names is None else names,
    }


def is_finite(state: Tree, masks: AbstractSet[str]) -> bool:
    """Say whether all that the host and the seeds in its forward pass compute with is: parameters and buffers.

    Args:
        state: a `live_state`.
        masks: names of buffers of the host that hold infinities by intent.
    """
    host = {name: tensor for name, tensor in state["host"].items() if name not in masks}
    seeds = (seed["module"] for seed in state["seeds"] if seed["module"] and SeedState(seed["state"]) not in ISOLATED)
    tensors = [tensor for tensors in (host, *seeds) for tensor in tensors.values() if isinstance(tensor, Tensor)]
    # A sum is not finite if one of its numbers is not.
    sums = [tensor.sum(dtype=torch.float32) for tensor in tensors if tensor.is_floating_point()]
    return bool(torch.stack([total.to(sums[0].device) for total in sums]).isfinite().all())


def masks_of(host: nn.Module) -> frozenset[str]:
    """Return the names of the buffers that hold infinities by intent, such as attention masks: those that do so now."""
    floating = {name: buffer for name, buffer in host.named_buffers() if buffer.is_floating_point()}
    return frozenset(name for name, buffer in floating.items() if not buffer.isfinite().all())


class Snapshot:
    """A copy of a `live_state`.

    Args:
        state: what to copy.
        epoch: after which the host was as it is.
    """

    def __init__(self, state: Tree, epoch: int) -> None:
        self.tree: Tree = {}
        self.renew(state, epoch)

    def renew(self, state: Tree, epoch: int) -> None:
        """Become a copy of another state, in the same memory as far as it goes."""
        self.epoch = epoch
        self.tree = snapshot_of(state, onto=self.tree)
        self.streams = torch_streams()

    def update_topology(self, topology: Tree) -> None:
        """Take in how the seeds are at the first step of the next epoch; the host and the moments stay as they were."""
        self.tree |= snapshot_of(topology)

    def restore(self, model: SeededModel, optimizer: Optimizer, transitions: Transitions) -> None:
        """Go back: the same host, seeds, moments and streams, bit for bit."""
        optimizer.zero_grad()  # what has come apart must not be stepped on
        put_seeds(model, prepare_seeds(model, self.tree["seeds"]), back=True)
        model.host.load_state_dict(self.tree["host"])
        for name, buffer in self.tree["buffers"].items():
            model.host.get_buffer(name).copy_(buffer)
        put_parameters(model, optimizer, self.tree["parameters"])
        load_named_moments(optimizer, self.tree["parameters"], self.tree["moments"])
        transitions.load_trainers(self.tree["trainers"])
        set_torch_streams(self.streams)
