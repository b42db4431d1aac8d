"""Per-sample validation losses: what all evidence about a seed is made of.

Not for: the test split, which is read once, at the end of a run, by the experiment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from kaslite.seeds import Seed
    from kaslite.signals.interval import Interval

from kaslite.signals.interval import mean_interval


@dataclass(frozen=True)
class Evaluation:
    """A model on one set of samples, always in the same order."""

    losses: Tensor  # (samples,)
    correct: Tensor | None = None  # (samples,) booleans; None for regression

    @property
    def loss(self) -> float:
        """Mean loss."""
        return self.losses.float().mean().item()

    @property
    def accuracy(self) -> float | None:
        """Fraction of correct answers."""
        return None if self.correct is None else self.correct.sum().item() / len(self.correct)


Evaluate = Callable[[], Evaluation]
"""Called with nothing; evaluates the model as it now is, in eval mode, without gradients."""


def evaluate_on(
    model: torch.nn.Module,
    inputs: Tensor,
    targets: Tensor,
    losses: Callable[[Tensor, Tensor], Tensor],
    batch_size: int = 1024,
) -> Evaluation:
    """Evaluate a model on tensors.

    Args:
        model: put into eval mode meanwhile, and back into the mode that it was in.
        inputs: (samples, ...).
        targets: (samples,) class indices, or (samples, ...) numbers.
        losses: maps outputs and targets to one loss a sample.
        batch_size: samples a forward pass.
    """
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            outputs = torch.cat([model(chunk) for chunk in inputs.split(batch_size)])
    finally:
        model.train(training)
    correct = None if targets.is_floating_point() else outputs.argmax(-1) == targets
    return Evaluation(losses(outputs, targets), correct)


def removal_cost(seed: Seed, evaluate: Evaluate, with_seed: Evaluation) -> Interval:
    """Return what switching the seed off does to the validation loss, paired over samples: positive = it is missed.

    It is *not* what the seed contributed: the host has adapted to it.
    """
    with seed.switched_off():
        without_seed = evaluate()
    return mean_interval(without_seed.losses - with_seed.losses)
