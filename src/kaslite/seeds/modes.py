"""Modes of modules: looking at a model without touching it, and parts of it that stay in eval mode for good.

Not for: gradients of single parameters.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self


class PartlyAsleep(nn.Module):
    """A module of which parts stay in eval mode, whatever mode it is put into."""

    def sleeping_parts(self) -> tuple[nn.Module, ...]:
        """Return those parts."""
        return ()

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002  torch's signature
        """Put it into train or eval mode, but for the parts that sleep."""
        super().train(mode)
        for part in self.sleeping_parts():
            part.eval()
        return self


# These set nothing but modes.
_PLAIN = (nn.Module.train, PartlyAsleep.train)


@contextmanager
def looking_at(model: nn.Module) -> Iterator[None]:
    """Put every submodule into eval mode, and back into the mode of its own: a host may keep parts of it in eval mode."""
    modes = [(module, module.training) for module in model.modules()]
    for module, _ in modes:
        if type(module).train in _PLAIN:
            vars(module)["training"] = False  # what assigning it does, without a search among parameters
        else:
            module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            vars(module)["training"] = training
