"""Refuses a tick at the wrong place of the training step.

A tick changes alpha. Between forward and backward pass that would make the gradients wrong (autograd notices only for
seeds that are blending). A tick is in order if the optimizer has stepped since the last one, or if there are gradients that a
gradient scaler kept the optimizer from using. Not for: ordering what does not tick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kaslite.errors import UsageError

if TYPE_CHECKING:
    from torch.optim import Optimizer


class StepOrder:
    """Watches an optimizer's steps."""

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._stepped = False
        optimizer.register_step_post_hook(self._note_step)

    def check(self) -> None:
        """Raise `UsageError` unless this is the moment for a tick."""
        if not self._stepped and not self._holds_gradients():
            raise UsageError(
                "after_step() was called before optimizer.step(): a tick between forward and backward pass would make the "
                "gradients wrong; call it once a step, after optimizer.step()."
            )
        self._stepped = False

    def _note_step(self, *_: Any) -> None:
        self._stepped = True

    def _holds_gradients(self) -> bool:
        return any(p.grad is not None for group in self._optimizer.param_groups for p in group["params"])
