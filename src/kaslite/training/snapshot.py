"""A snapshot of what trains: host, seeds, optimizer moments, shadow trainers, global random streams; and the way back to it.

It lives in main memory. Learning rates and other options are not in it: schedulers go on. Nor are the twins, which
had no part in what went wrong. Not for: checkpoints, which hold more (`kaslite.training.saving`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from kaslite.randomness import global_state, set_global_state
from kaslite.training.state import (
    Tree,
    capture_seeds,
    load_moments,
    optimizer_names,
    prepare_seeds,
    put_parameters,
    put_seeds,
    snapshot_of,
)

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from kaslite.seeds import SeededModel
    from kaslite.training.transitions import Transitions


class Snapshot:
    """The state of a run at the end of a healthy epoch."""

    def __init__(self, model: SeededModel, optimizer: Optimizer, transitions: Transitions, epoch: int) -> None:
        self.epoch = epoch  # after which the host was as it is
        self._tree: Tree = snapshot_of(
            {
                "host": dict(model.host.state_dict()),
                "seeds": capture_seeds(model),
                "trainers": transitions.trainers_state(),
                "parameters": optimizer_names(model, optimizer),
                "optimizer": optimizer.state_dict(),
                "streams": global_state(),
            }
        )

    def restore(self, model: SeededModel, optimizer: Optimizer, transitions: Transitions) -> None:
        """Go back: the same host, seeds, moments and streams, bit for bit."""
        optimizer.zero_grad()  # what has come apart must not be stepped on
        put_seeds(model, prepare_seeds(model, self._tree["seeds"]))
        model.host.load_state_dict(self._tree["host"])
        put_parameters(model, optimizer, self._tree["parameters"])
        load_moments(optimizer, self._tree["optimizer"], keep_options=True)
        transitions.load_trainers(self._tree["trainers"])
        set_global_state(self._tree["streams"])


def is_finite(model: SeededModel) -> bool:
    """Say whether all parameters and buffers of the host and of the seeds in its forward pass are finite."""
    tensors = [tensor for tensor in (*model.parameters(), *model.buffers()) if tensor.is_floating_point()]
    norms = torch._foreach_norm(tensors, ord=math.inf)  # noqa: SLF001  torch has no public name for it
    return bool(torch.stack([norm.to(norms[0].device, torch.float32) for norm in norms]).isfinite().all())
