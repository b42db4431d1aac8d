"""Looking at a model without touching it: eval mode and no gradients, and everything as it was afterwards."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def looking_at(model: torch.nn.Module) -> Iterator[None]:
    """Put every submodule into eval mode, and back into the mode of its own: a host may keep parts of it in eval mode."""
    modes = [(module, module.training) for module in model.modules()]
    for module, _ in modes:
        if type(module).train is torch.nn.Module.train:
            vars(module)["training"] = False  # what assigning it does, without a search among parameters
        else:
            module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            vars(module)["training"] = training
