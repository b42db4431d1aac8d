"""The training loop.

    for phase in phases:                          # PhaseStarted
        for epoch in phase:
            for inputs, targets in batches(epoch):
                zero_grad, forward, backward, step
                grower.after_step()               # shadow training; alpha ticks
            observation = grower.observe(...)     # EpochCompleted
            if phase.grows:
                grower.decide(observation)        # DecisionMade and what follows from it

Not for: building any of its parts; `kaslite.experiment` does.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch.utils.flop_counter import FlopCounterMode

from kaslite.events import DriftWarned, EpochCompleted, PhaseStarted, SeedReading, finite_or_none
from kaslite.lifecycle import GROWING, LIVE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import torch
    from torch import Tensor

    from kaslite.controllers.base import Observation
    from kaslite.events import Event
    from kaslite.seeds import SeededModel
    from kaslite.training.grower import Grower

    Batches = Callable[[int], Iterable[tuple[Tensor, Tensor]]]
    Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Phase:
    """A stretch of a run."""

    name: str
    epochs: int
    grows: bool  # whether the controller is asked


class Trainer:
    """Trains a seeded model, epoch by epoch.

    Args:
        model: what is trained.
        optimizer: of the model; the grower's.
        grower: ticks and grows.
        batches: maps an epoch, from 1, to its batches of inputs and targets.
        loss: maps outputs and targets to the mean loss of a batch.
        drift_warn: drift of a growing seed's layer above which a warning is emitted.
        emit: called with each event.
    """

    def __init__(
        self,
        model: SeededModel,
        optimizer: torch.optim.Optimizer,
        grower: Grower,
        *,
        batches: Batches,
        loss: Loss,
        drift_warn: float,
        emit: Callable[[Event], None],
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.grower = grower
        self.batches = batches
        self.loss = loss
        self.drift_warn = drift_warn
        self.emit = emit
        self.best_accuracy: float | None = None
        self.train_flops = 0.0  # forward and backward, of all training steps
        self._drifting: set[tuple[str, int]] = set()
        self._flops_per_sample = 0.0
        self._counted_topology = -1

    def fit(self, phases: Sequence[Phase]) -> Observation:
        """Run the phases; return what was observed at the end of the last epoch."""
        self.model.train()  # evaluating leaves the mode as it was
        for phase in phases:
            self.emit(PhaseStarted(epoch=self.grower.epoch, phase=phase.name, epochs=phase.epochs))
            for _ in range(phase.epochs):
                observation = self._run_epoch(phase)
        return observation

    def _run_epoch(self, phase: Phase) -> Observation:
        started = time.perf_counter()
        train_loss = self._train_epoch(self.grower.epoch + 1)
        observation = self.grower.observe(train_loss=train_loss)
        if observation.val_accuracy is not None:
            self.best_accuracy = max(self.best_accuracy or 0.0, observation.val_accuracy)
        self.emit(
            EpochCompleted(
                epoch=observation.epoch,
                phase=phase.name,
                train_loss=finite_or_none(train_loss),
                val_loss=finite_or_none(observation.val_loss),
                val_accuracy=observation.val_accuracy,
                best_accuracy=self.best_accuracy,
                learning_rate=finite_or_none(float(self.optimizer.param_groups[0]["lr"])),
                epoch_duration_s=time.perf_counter() - started,
                seeds=tuple(_readings(observation)),
            )
        )
        self._warn_of_drift(observation)
        if phase.grows:
            self.grower.decide(observation)
        return observation

    def _warn_of_drift(self, observation: Observation) -> None:
        """Warn once each time that the layer of a growing seed passes the threshold."""
        for seed in observation.seeds:
            drift, place = observation.drift[seed.layer], (seed.layer, seed.seed)
            if seed.state not in GROWING or seed.alpha == 0 or drift is None or not drift > self.drift_warn:
                self._drifting.discard(place)
            elif place not in self._drifting:
                self._drifting.add(place)
                self.emit(
                    DriftWarned(
                        epoch=observation.epoch,
                        layer=seed.layer,
                        seed=seed.seed,
                        blueprint_id=seed.blueprint_id,
                        drift=drift,
                        threshold=self.drift_warn,
                    )
                )

    def _train_epoch(self, epoch: int) -> float:
        losses, samples = [], 0
        for inputs, targets in self.batches(epoch):
            counted = self._counted_topology == self.model.topology_changes
            loss = (self._differentiate if counted else self._count_flops)(inputs, targets)
            self.optimizer.step()
            self.grower.after_step()
            losses.append(loss.detach() * len(targets))
            samples += len(targets)
            self.train_flops += self._flops_per_sample * len(targets)
        return sum(losses).item() / samples  # type: ignore[union-attr]  # one wait for the device an epoch

    def _count_flops(self, inputs: Tensor, targets: Tensor) -> Tensor:
        with FlopCounterMode(display=False) as counter:
            loss = self._differentiate(inputs, targets)
        self._flops_per_sample = counter.get_total_flops() / len(targets)
        self._counted_topology = self.model.topology_changes
        return loss

    def _differentiate(self, inputs: Tensor, targets: Tensor) -> Tensor:
        self.optimizer.zero_grad()
        loss = self.loss(self.model(inputs), targets)
        loss.backward()
        return loss


def _readings(observation: Observation) -> Iterator[SeedReading]:
    for seed in observation.seeds:
        if seed.state in LIVE:
            cost = seed.removal_cost
            yield SeedReading(
                layer=seed.layer,
                seed=seed.seed,
                state=seed.state,
                blueprint_id=seed.blueprint_id,
                alpha=seed.alpha,
                ramp=seed.ramp,
                drift=finite_or_none(observation.drift[seed.layer]),
                health=finite_or_none(observation.health[seed.layer]),
                training_progress=seed.training_progress,
                removal_cost=None if cost is None else finite_or_none(cost.mean),
            )
