"""A user's loop around a growing model, and the real way of a seed to each state."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

import kaslite
from kaslite import Advance, Cull, Fossilize, Germinate, Grower, SeededModel, SeedState, Wait
from kaslite.blending import BlendingConfig
from kaslite.training.evaluation import Evaluation, evaluate_now, evaluate_on
from tests.hosts import build, samples

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

PATH = (
    SeedState.GERMINATED,
    SeedState.TRAINING,
    SeedState.BLENDING,
    SeedState.SHADOWING,
    SeedState.PROBATIONARY,
    SeedState.FOSSILIZED,
)
PATIENCE_EPOCHS = 60


def cross_entropies(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return one loss a sample."""
    return functional.cross_entropy(outputs, targets, reduction="none")


class Scripted:
    """A controller that decides what it was told, an epoch at a time."""

    def __init__(self, *decisions: kaslite.Decision) -> None:
        self.decisions = list(decisions)
        self.seen: list[kaslite.Observation] = []

    def decide(self, observation: kaslite.Observation) -> kaslite.Decision:
        self.seen.append(observation)
        return self.decisions.pop(0) if self.decisions else Wait("the script is over")


class Growth:
    """A seeded model, its optimizer and its grower.

    Args:
        host: a module, or the name of one of `tests.hosts`.
        at: as in `SeededModel`.
        place: the seed that `reach` and `cull` are about.
        blueprint: what it grows into.
        decisions: what the controller decides, an epoch at a time.
        measured: whether the grower is given ``evaluate=``.
        steps_per_epoch: of `epoch`.
        chunked: as in `SeededModel`.
        optimize: maps the model to its optimizer; AdamW with ``lr`` if not given.
        schedule: maps the optimizer to a scheduler of its learning rates, which the grower is told of.
        grower: more arguments of the `Grower`.
    """

    def __init__(
        self,
        host: str | nn.Module = "in_place",
        at: str | kaslite.Span | list[str | kaslite.Span] = "blocks.*",
        *,
        place: tuple[str, int] = ("blocks.0", 0),
        seeds_per_layer: int = 1,
        blueprint: str = "mlp",
        decisions: tuple[kaslite.Decision, ...] = (),
        measured: bool = True,
        lr: float = 1e-2,
        fixed_steps: int = 4,
        tick: str = "step",
        strategy: str = "FIXED_RAMP",
        steps_per_epoch: int = 4,
        chunked: bool = False,
        optimize: Callable[[nn.Module], Optimizer] | None = None,
        schedule: Callable[[Optimizer], LRScheduler] | None = None,
        **grower,
    ) -> None:
        self.inputs, self.targets = samples(512)
        self.validation = samples(256, rng_seed=1)
        self.place = place
        self.blueprint = blueprint
        self.steps_per_epoch = steps_per_epoch
        host = build(host) if isinstance(host, str) else host
        self.model = SeededModel(host, at, seeds_per_layer, chunked=chunked, example_input=self.inputs)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=lr) if optimize is None else optimize(self.model)
        self.scheduler = None if schedule is None else schedule(self.optimizer)
        self.controller = Scripted(*decisions)
        self.grower = Grower(
            self.model,
            self.optimizer,
            controller=self.controller,
            evaluate=self.evaluate if measured else None,
            **{
                "blending": BlendingConfig(fixed_steps=fixed_steps, tick=tick, strategy=strategy),
                "schedulers": [] if self.scheduler is None else [self.scheduler],
                "progress_thresh": 1.0,  # no seed blends by itself
                "shadow_lr": 1e-2,
                "blueprints": ["mlp", "low_rank"],
            }
            | grower,
        )

    @property
    def seed(self):
        return self.model.seed_at(*self.place)

    def evaluate(self) -> Evaluation:
        return evaluate_now(self.model, lambda: evaluate_on(self.model, *self.validation, cross_entropies))

    def backward(self) -> None:
        self.optimizer.zero_grad()
        functional.cross_entropy(self.model(self.inputs), self.targets).backward()

    def update(self) -> None:
        self.backward()
        self.optimizer.step()

    def step(self) -> None:
        self.update()
        self.grower.after_step()

    def epoch(self, **metrics: float) -> list[kaslite.Event]:
        for _ in range(self.steps_per_epoch):
            self.step()
        return self.grower.after_epoch(**metrics)

    def cull(self) -> list[kaslite.Event]:
        return self.grower.apply(Cull(*self.place))

    def reach(self, state: SeedState) -> Growth:
        """Take the seed from where it is to a later state of the path."""
        while self.seed.state is not state:
            self.prepare()
            self.move_on()
        return self

    def move_on(self) -> None:
        """Make the one call that takes the seed to the next state, if all is prepared."""
        match self.seed.state:
            case SeedState.DORMANT:
                self.grower.apply(Germinate(*self.place, self.blueprint))
            case SeedState.GERMINATED | SeedState.BLENDING:
                self.grower.after_step()
            case SeedState.TRAINING | SeedState.SHADOWING:
                self.grower.apply(Advance(*self.place))
            case SeedState.PROBATIONARY:
                self.grower.apply(Fossilize(*self.place))

    def prepare(self) -> None:
        match self.seed.state:
            case SeedState.DORMANT:
                self.epoch()  # the validation loss at germination
            case SeedState.GERMINATED | SeedState.BLENDING:
                self.update()
            case SeedState.TRAINING:
                self.epoch()
            case SeedState.SHADOWING:
                self._gather_evidence(1)
            case SeedState.PROBATIONARY:
                self._gather_evidence(3)

    def _gather_evidence(self, held_epochs: int) -> None:
        for _ in range(PATIENCE_EPOCHS):
            if self.seed.record.held_epochs >= held_epochs:
                return
            self.epoch()
        raise AssertionError(f"the evidence for the seed did not hold: {self.seed.record}")


def both_modes(model: nn.Module, inputs: Tensor) -> Tensor:
    """Return the outputs in evaluation and in training mode, with gradients on, of a copy: nothing is left waiting."""
    return torch.stack([copy.deepcopy(model).train(mode)(inputs).detach() for mode in (False, True)])
