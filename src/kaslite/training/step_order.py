"""Refuses a tick at the wrong place of the training step.

A tick changes alpha. Between forward and backward pass that would make the gradients wrong (autograd notices only for
seeds that are blending). A tick is in order if, since the last one, the optimizer has stepped, or a backward pass has run whose
gradients a gradient scaler kept from it. Not for: ordering what does not tick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kaslite.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor
    from torch.optim import Optimizer


class StepOrder:
    """Watches an optimizer's steps, and the backward passes through its first trainable parameter."""

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._due = False
        optimizer.register_step_post_hook(self._note)
        witness = next((parameter for parameter in self._parameters() if parameter.requires_grad), None)
        if witness is not None:
            witness.register_post_accumulate_grad_hook(self._note)

    def check(self) -> None:
        """Raise `UsageError` unless this is the moment for a tick."""
        # Gradients count too: the witness may have no part in a backward pass that the scaler then finds infinite.
        if not self._due and all(parameter.grad is None for parameter in self._parameters()):
            raise UsageError(
                "after_step() was called before optimizer.step(): a tick between forward and backward pass would make the "
                "gradients wrong; call it once a step, after optimizer.step()."
            )
        self._due = False

    def _note(self, *_: Any) -> None:
        self._due = True

    def _parameters(self) -> Iterator[Tensor]:
        return (parameter for group in self._optimizer.param_groups for parameter in group["params"])
