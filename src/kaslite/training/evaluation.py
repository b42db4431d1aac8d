"""Per-sample validation losses: what all evidence about a seed is made of.

Not for: the test split, which is read once, at the end of a run, by the experiment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from kaslite.errors import UsageError
from kaslite.events import finite_or_none
from kaslite.seeds.modes import looking_at
from kaslite.signals.interval import mean_interval

if TYPE_CHECKING:
    from kaslite.seeds import Seed
    from kaslite.signals.interval import Interval


@dataclass(frozen=True)
class Evaluation:
    """A model on one set of samples, always in the same order."""

    losses: Tensor  # (samples,)
    correct: Tensor | None = None  # (samples,) booleans, or fractions of each sample's tokens; None for regression

    def __post_init__(self) -> None:
        """Refuse what is not one loss a sample, and one verdict a loss."""
        if not isinstance(self.losses, Tensor) or self.losses.ndim != 1 or not len(self.losses):
            received = f"shape {tuple(self.losses.shape)}" if isinstance(self.losses, Tensor) else type(self.losses).__name__
            raise UsageError(
                f"evaluate() returned losses of {received}; it has to return one loss a sample, as a tensor of shape "
                "(samples,): what cross_entropy(..., reduction='none') returns."
            )
        if self.correct is not None:
            _check_verdicts(self.correct, self.losses)

    @property
    def loss(self) -> float:
        """Mean loss."""
        return self.losses.float().mean().item()

    @property
    def accuracy(self) -> float | None:
        """Fraction of correct answers; of tokens, where samples consist of them."""
        return None if self.correct is None else self.correct.sum().item() / len(self.correct)


def _check_verdicts(correct: Tensor, losses: Tensor) -> None:
    if correct.shape != losses.shape:
        wrong = f"has shape {tuple(correct.shape)}"
    elif correct.dtype != torch.bool and not correct.is_floating_point():
        wrong = f"is {correct.dtype}"
    elif not ((correct >= 0) & (correct <= 1)).all():
        wrong = f"lies between {correct.min().item():g} and {correct.max().item():g}"
    else:
        return
    raise UsageError(
        f"Evaluation.correct {wrong}; it has to be one boolean, or one fraction in [0, 1], "
        f"for each of the {len(losses)} losses."
    )


Evaluate = Callable[[], Evaluation | Tensor]
"""Called with nothing; returns the losses, (samples,), of the model as it now is, or a whole `Evaluation`."""


def evaluate_now(model: torch.nn.Module, evaluate: Evaluate) -> Evaluation:
    """Evaluate a model in eval mode, without gradients; it is left as it was, and so are torch's global random streams.

    A ``DataLoader`` draws from them each time that it is walked through. So seeds on trial, which are evaluated more often,
    shift no data order, and what is compared in pairs is evaluated with the same draws.

    Raises:
        UsageError: if what comes back is not one loss a sample.
    """
    devices = {parameter.device for parameter in model.parameters()} if torch.cuda.is_initialized() else ()
    with looking_at(model), torch.random.fork_rng([device for device in devices if device.type == "cuda"]):
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
        targets: (samples,) class indices, (samples, tokens) of a text, or (samples, ...) numbers.
        losses: maps outputs and targets to one loss a sample.
        batch_size: samples a forward pass.
    """
    outputs = torch.cat([model(chunk) for chunk in inputs.split(batch_size)])
    correct = None if targets.is_floating_point() else outputs.argmax(-1) == targets
    if correct is not None and correct.ndim > 1:
        correct = correct.flatten(1).float().mean(1)
    return Evaluation(losses(outputs, targets), correct)


def mean_cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the mean loss of a batch, over all samples and their tokens: what training lowers.

    Args:
        outputs: logits, (samples, classes) or (samples, tokens, classes).
        targets: class indices, (samples,) or (samples, tokens).
    """
    return functional.cross_entropy(*_rows(outputs, targets))


def cross_entropies(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return one loss a sample, the mean over its tokens: what samples are compared by. Arguments as above.

    Tokens of one text depend on one another; an interval over them would be far too narrow.
    """
    losses = functional.cross_entropy(*_rows(outputs, targets), reduction="none")
    return losses if targets.ndim == 1 else losses.view_as(targets).mean(1)


def mean_squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the mean loss of a batch of a regression; both are (samples, numbers)."""
    return functional.mse_loss(outputs, targets)


def squared_errors(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return one loss a sample, the mean over its numbers. Arguments as above."""
    return functional.mse_loss(outputs, targets, reduction="none").flatten(1).mean(1)


def r_squared(loss: float, targets: Tensor) -> float | None:
    """Return the part of the variance of the targets that is predicted: 1 is all, 0 what their own mean would.

    Args:
        loss: mean squared error.
        targets: what was to be predicted.

    Returns:
        ``None`` where the targets do not vary, or the loss is not finite.
    """
    variance = targets.double().var(correction=0).item()
    return finite_or_none(1 - loss / variance) if variance else None


def _rows(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    return (outputs, targets) if targets.ndim == 1 else (outputs.flatten(0, -2), targets.flatten())


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
