"""A seedless twin: a copy of model and optimizer, forked when a seed germinates, that trains on without it.

What the model gains against its twin is what the seed is worth; what it costs to remove the seed is not, because the host has
adapted to it. What else begins to blend meanwhile counts in too: grow one seed at a time. A twin doubles the cost of training
while a seed grows. Not for: training; the caller says how.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from kaslite.errors import UsageError
from kaslite.lifecycle import GROWING, ISOLATED
from kaslite.randomness import global_streams_kept
from kaslite.training.evaluation import Evaluation, evaluate_now, paired_difference
from kaslite.training.optimizer_state import load_optimizer, optimizer_names, put_parameters
from kaslite.training.state import Tree, capture_seeds, prepare_seeds, put_seeds

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor
    from torch.optim import Optimizer

    from kaslite.seeds import Seed
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


Options = list[dict[str, Any]]
"""Learning rate and all other options of each group of an optimizer."""

_PARAMETERS = ("params", "param_names")


class Twins:
    """The twins of the growing seeds of one model.

    Args:
        model: the original.
        optimizer: of the original.
        training: how a twin is trained.
    """

    def __init__(self, model: SeededModel, optimizer: Optimizer, training: TwinTraining) -> None:
        self._model = model
        self._optimizer = optimizer
        self._training = training
        self._twins: dict[tuple[str, int], Twin] = {}
        self._options: list[Options] = []  # of each step of this epoch
        optimizer.register_step_pre_hook(self._before_step)

    def of(self, seed: Seed) -> Twin | None:
        """Return the twin that never had this seed, if there is one."""
        return self._twins.get(seed.place)

    def follow(self) -> None:
        """Let each train for the epoch that the original has just trained for."""
        self._drop_settled()
        for twin in self._twins.values():
            twin.follow(self._model, self._options)
        self._options = []

    def renew(self) -> None:
        """Between epochs: fork one for each seed that the host does not feel yet, and drop those of seeds that are settled."""
        self._drop_settled()
        for seed in self._model.seeds:
            if seed.state in ISOLATED and seed.place not in self._twins:
                self._twins[seed.place] = self._fork()

    def clear(self) -> None:
        """Drop all: the original is no longer what they were forked from."""
        self._twins.clear()

    def state_dict(self) -> Tree:
        """Return all that they are."""
        twins = [{"place": list(place), "state": twin.state_dict()} for place, twin in self._twins.items()]
        return {"twins": twins, "options": self._options}

    def load_state_dict(self, state: Tree) -> None:
        """Become what others were."""
        self.clear()
        for entry in state["twins"]:
            layer, index = entry["place"]
            self._twins[layer, index] = self._fork()
            self._twins[layer, index].load_state_dict(entry["state"])
        self._options = state["options"]

    def _drop_settled(self) -> None:
        for seed in self._model.seeds:
            if seed.state not in GROWING:
                self._twins.pop(seed.place, None)

    def _fork(self) -> Twin:
        return Twin(self._model, self._optimizer, self._training)

    def _before_step(self, *_: Any) -> None:
        if self._twins:
            self._options.append(_options_of(self._optimizer))


class Twin:
    """The twin of a model as it is now."""

    def __init__(self, model: SeededModel, optimizer: Optimizer, training: TwinTraining) -> None:
        # Together, so that the copied optimizer holds the copied parameters.
        self.model, self.optimizer = copy.deepcopy((model, optimizer))
        self._training = training

    def follow(self, original: SeededModel, options: list[Options]) -> None:
        """Train for an epoch; draw nothing from global streams.

        Args:
            original: whose other seeds' ramps are taken over.
            options: of the original's optimizer at each step of the epoch: learning rates above all.
        """
        for own, seed in zip(self.model.seeds, original.seeds, strict=True):
            if own.module is not None and own.state not in ISOLATED:
                own.set_ramp(seed.ramp)
        if original.host_is_frozen and not self.model.host_is_frozen:
            self.model.freeze_host()
        steps = iter(options)
        handle = self.optimizer.register_step_pre_hook(lambda *_: _put_options(self.optimizer, next(steps, [])))
        self.model.train()
        try:
            with global_streams_kept(), torch.enable_grad():
                self._training.train(self.model, self.optimizer)
        finally:
            handle.remove()

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
        load_optimizer(self.optimizer, state["optimizer"])


def _options_of(optimizer: Optimizer) -> Options:
    return [{name: _own(value) for name, value in group.items() if name not in _PARAMETERS} for group in optimizer.param_groups]


def _put_options(optimizer: Optimizer, options: Options) -> None:
    for own, group in zip(optimizer.param_groups, options, strict=False):
        own.update(group)


def _own(value: Any) -> Any:
    return value.clone() if isinstance(value, torch.Tensor) else value  # a scheduler fills it in place
