"""Refuses a tick at the wrong place of the training step.

A tick changes alpha. Between forward and backward pass that would make the gradients wrong (autograd notices only for
seeds that are blending). A tick is in order if no training forward pass waits for its backward pass, and if since the last
tick the optimizer has stepped, or a backward pass has run whose gradients a gradient scaler kept from it.
Not for: forward passes of compiled models, which cannot be watched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kaslite.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor
    from torch.optim import Optimizer

    from kaslite.seeds.model import ForwardWatch


class StepOrder:
    """Watches an optimizer's steps, and the backward passes through its first trainable parameter."""

    def __init__(self, optimizer: Optimizer, watch: ForwardWatch) -> None:
        self._optimizer = optimizer
        self._watch = watch
        self._due = False
        self._stepped = False
        optimizer.register_step_post_hook(self._note_step)
        witness = next((parameter for parameter in self._parameters() if parameter.requires_grad), None)
        if witness is not None:
            witness.register_post_accumulate_grad_hook(self._note_backward)

    def check(self) -> None:
        """Raise `UsageError` unless this is the moment for a tick."""
        self._check_closed()
        # Gradients count too: the witness may have no part in a backward pass that the scaler then finds infinite.
        if not self._due and all(parameter.grad is None for parameter in self._parameters()):
            raise UsageError(
                "after_step() was called before optimizer.step(): a tick between forward and backward pass would make the "
                "gradients wrong; call it once a step, after optimizer.step()."
            )
        self._due = self._stepped = False

    def check_epoch(self) -> None:
        """Raise `UsageError` unless this is the moment for the end of an epoch."""
        self._watch.open = False  # a pass that no backward pass has followed by now, of a batch that was skipped
        if self._stepped:
            raise UsageError(
                "the epoch ends, and after_step() was not called after the last optimizer.step(): without it no seed trains or "
                "blends; call it once a step."
            )

    def _check_closed(self) -> None:
        if self._watch.open:
            raise UsageError(
                "a training forward pass is still waiting for its backward pass: a tick between the two would make the "
                "gradients wrong; call after_step() right after optimizer.step(), and run what is not trained on under "
                "torch.no_grad()."
            )

    def _note_step(self, *_: Any) -> None:
        self._stepped = True
        self._note_backward()

    def _note_backward(self, *_: Any) -> None:
        self._due = True
        self._watch.open = False

    def _parameters(self) -> Iterator[Tensor]:
        return (parameter for group in self._optimizer.param_groups for parameter in group["params"])
