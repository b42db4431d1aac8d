"""A seedless twin: a copy of model and optimizer, forked when a seed germinates, that trains on without it.

What the model gains against its twin is what the seed is worth; what it costs to remove the seed is not, because the host has
adapted to it. It doubles the cost of training while a seed grows. Not for: training; the caller says how.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kaslite.errors import UsageError
from kaslite.randomness import global_state, set_global_state
from kaslite.training.evaluation import Evaluation, evaluate_now, paired_difference
from kaslite.training.state import (
    Tree,
    capture_seeds,
    load_moments,
    optimizer_names,
    prepare_seeds,
    put_parameters,
    put_seeds,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor
    from torch.optim import Optimizer

    from kaslite.seeds.model import SeededModel
    from kaslite.signals.interval import Interval


@dataclass(frozen=True)
class TwinTraining:
    """How a twin is trained and evaluated: what the caller's loop does, as functions of model and optimizer.

    >>> TwinTraining(train=None, evaluate=len)
    Traceback (most recent call last):
        ...
    kaslite.errors.UsageError: TwinTraining(train=None) has to be a function of a model and its optimizer.
    """

    train: Callable[[SeededModel, Optimizer], None]  # trains for one epoch, on the batches of the epoch that has just ended
    evaluate: Callable[[SeededModel], Evaluation | Tensor]  # the validation losses, (samples,), or a whole `Evaluation`

    def __post_init__(self) -> None:
        """Refuse what cannot be called."""
        for name, takes in (("train", "a model and its optimizer"), ("evaluate", "a model")):
            if not callable(getattr(self, name)):
                raise UsageError(f"TwinTraining({name}={getattr(self, name)!r}) has to be a function of {takes}.")


class Twin:
    """The twin of a model as it is now."""

    def __init__(self, model: SeededModel, optimizer: Optimizer, training: TwinTraining) -> None:
        # Together, so that the copied optimizer holds the copied parameters.
        self.model, self.optimizer = copy.deepcopy((model, optimizer))
        self._training = training

    def follow(self, optimizer: Optimizer) -> None:
        """Train for an epoch with the present options of the original's optimizer; draw nothing from global streams."""
        for own, group in zip(self.optimizer.param_groups, optimizer.param_groups, strict=True):
            own.update({name: value for name, value in group.items() if name not in ("params", "param_names")})
        streams = global_state()
        self.model.train()
        try:
            self._training.train(self.model, self.optimizer)
        finally:
            set_global_state(streams)

    def gain(self, with_seed: Evaluation) -> Interval:
        """Return the twin's validation losses minus the original's, paired over samples: positive = the seed pays."""
        return paired_difference(evaluate_now(self.model, lambda: self._training.evaluate(self.model)), with_seed)

    def state_dict(self) -> Tree:
        """Return all that it is."""
        return {
            "host": dict(self.model.host.state_dict()),
            "seeds": capture_seeds(self.model),
            "parameters": optimizer_names(self.model, self.optimizer),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: Tree) -> None:
        """Become what another twin was."""
        put_seeds(self.model, prepare_seeds(self.model, state["seeds"]))
        self.model.host.load_state_dict(state["host"])
        put_parameters(self.model, self.optimizer, state["parameters"])
        load_moments(self.optimizer, state["optimizer"], keep_options=False)
