"""Per-sample validation losses: what all evidence about a seed is made of.

Not for: the test split, which is read once, at the end of a run, by the experiment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from kaslite.errors import UsageError
from kaslite.seeds.modes import looking_at
from kaslite.signals.interval import mean_interval

if TYPE_CHECKING:
    from kaslite.seeds import Seed
    from kaslite.signals.interval import Interval


@dataclass(frozen=True)
class Evaluation:
    """A model on one set of samples, always in the same order."""

    losses: Tensor  # (samples,)
    correct: Tensor | None = None  # (samples,) booleans; None for regression

    def __post_init__(self) -> None:
        """Refuse what is not one loss a sample, and one verdict a loss."""
        if not isinstance(self.losses, Tensor) or self.losses.ndim != 1 or not len(self.losses):
            received = f"shape {tuple(self.losses.shape)}" if isinstance(self.losses, Tensor) else type(self.losses).__name__
            raise UsageError(
                f"evaluate() returned losses of {received}; it has to return one loss a sample, as a tensor of shape "
                "(samples,): what cross_entropy(..., reduction='none') returns."
            )
        if self.correct is not None and (self.correct.dtype != torch.bool or self.correct.shape != self.losses.shape):
            raise UsageError(
                f"Evaluation.correct is {self.correct.dtype} of shape {tuple(self.correct.shape)}; "
                f"it has to be one boolean for each of the {len(self.losses)} losses."
            )

    @property
    def loss(self) -> float:
        """Mean loss."""
        return self.losses.float().mean().item()

    @property
    def accuracy(self) -> float | None:
        """Fraction of correct answers."""
        return None if self.correct is None else self.correct.sum().item() / len(self.correct)


Evaluate = Callable[[], Evaluation | Tensor]
"""Called with nothing; returns the losses, (samples,), of the model as it now is, or a whole `Evaluation`."""


def evaluate_now(model: torch.nn.Module, evaluate: Evaluate) -> Evaluation:
    """Evaluate a model in eval mode, without gradients; it is left as it was.

    Raises:
        UsageError: if what comes back is not one loss a sample.
    """
    with looking_at(model):
        answer = evaluate()
    return answer if isinstance(answer, Evaluation) else Evaluation(answer)


def evaluate_on(
    model: torch.nn.Module,
    inputs: Tensor,
    targets: Tensor,
    losses: Callable[[Tensor, Tensor], Tensor],
    batch_size: int = 1024,
) -> Evaluation:
    """Evaluate a model on tensors, in the mode that it is in: what to hand to the Grower, which sets the mode.

    Args:
        model: maps inputs to outputs.
        inputs: (samples, ...).
        targets: (samples,) class indices, or (samples, ...) numbers.
        losses: maps outputs and targets to one loss a sample.
        batch_size: samples a forward pass.
    """
    outputs = torch.cat([model(chunk) for chunk in inputs.split(batch_size)])
    correct = None if targets.is_floating_point() else outputs.argmax(-1) == targets
    return Evaluation(losses(outputs, targets), correct)


def removal_cost(seed: Seed, evaluate: Callable[[], Evaluation], with_seed: Evaluation) -> Interval:
    """Return what switching the seed off does to the validation loss, paired over samples: positive = it is missed.

    It is *not* what the seed contributed: the host has adapted to it.
    """
    with seed.switched_off():
        without_seed = evaluate()
    return paired_difference(without_seed, with_seed)


def paired_difference(without_seed: Evaluation, with_seed: Evaluation) -> Interval:
    """Return the loss without the seed minus that with it, paired over samples.

    Raises:
        UsageError: if the two are not of the same samples.
    """
    if without_seed.losses.shape != with_seed.losses.shape:
        raise UsageError(
            f"evaluate() returned {len(with_seed.losses)} losses and then {len(without_seed.losses)}; it has to evaluate "
            "the same samples in the same order each time, because losses are compared in pairs."
        )
    return mean_interval(without_seed.losses - with_seed.losses)
