"""The training loop.

    for phase in phases:                          # PhaseStarted
        for epoch in phase:
            for inputs, targets in batches(epoch):
                zero_grad, forward, backward, step
                grower.after_step()               # shadow training; alpha ticks
            observation = grower.observe(...)     # EpochCompleted
            if phase.grows:
                grower.decide(observation)        # DecisionMade and what follows from it: the end, if it is to stop
            after_epoch()                         # the place for a checkpoint

Not for: building any of its parts; `kaslite.experiment` does.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from kaslite.events import DecisionMade, DriftWarned, EpochCompleted, PhaseStarted, SeedReading, finite_or_none
from kaslite.lifecycle import GROWING, LIVE
from kaslite.training.flops import FlopMeter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import torch
    from torch import Tensor

    from kaslite.controllers.base import Observation, SeedObservation
    from kaslite.events import Event
    from kaslite.seeds import SeededModel
    from kaslite.training.grower import Grower

    Batches = Callable[[int], Iterable[tuple[Tensor, Tensor]]]
    Loss = Callable[[Tensor, Tensor], Tensor]
    Measure = Literal["cosine", "scale"]


def _nothing() -> None:
    """Do nothing after an epoch."""


@dataclass(frozen=True)
class Phase:
    """A stretch of a run."""

    name: str
    epochs: int
    grows: bool  # whether the controller is asked
    freezes_host: bool = False  # whether the host trains no more, from the beginning of this phase on


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
        self.val_loss: float | None = None  # of the last epoch
        self.val_accuracy: float | None = None  # likewise
        self.has_stopped = False  # before the planned end, because the controller said so
        self.train_flops = FlopMeter()  # of all training: steps, shadow training, twins
        self.eval_flops = FlopMeter()  # of evaluations, which the caller's functions meter: `evaluate=` and the twins'
        grower.meter_shadow_training(self.train_flops.spending)
        self._drifting: set[tuple[str, int, Measure]] = set()

    def fit(self, phases: Sequence[Phase], after_epoch: Callable[[], None] = _nothing) -> None:
        """Run the phases, or what is left of them after the Grower's epoch.

        Args:
            phases: the whole run, whatever is done of it already.
            after_epoch: called when all of an epoch is over.
        """
        self.model.train()  # evaluating leaves the mode as it was
        begins = 0
        for phase in phases:
            if self.has_stopped:
                return
            if self.grower.epoch <= begins:
                self.emit(PhaseStarted(epoch=self.grower.epoch, phase=phase.name, epochs=phase.epochs))
            begins += phase.epochs
            if phase.freezes_host and not self.model.host_is_frozen:  # in a run that goes on in this phase, too
                self.model.freeze_host()
            while self.grower.epoch < begins and not self.has_stopped:
                self._run_epoch(phase)
                after_epoch()

    def train_twin(self, model: SeededModel, optimizer: torch.optim.Optimizer) -> None:
        """Train a twin on the batches of the running epoch; its FLOPs are spent like any others."""
        for inputs, targets in self.batches(self.grower.epoch):
            self._differentiate(model, optimizer, inputs, targets)
            optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """Return what it has counted and measured."""
        return {
            "best_accuracy": self.best_accuracy,
            "val_loss": self.val_loss,
            "val_accuracy": self.val_accuracy,
            "has_stopped": self.has_stopped,
            "train_flops": self.train_flops.total,
            "eval_flops": self.eval_flops.total,
            "drifting": [list(entry) for entry in sorted(self._drifting)],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on counting where another one stopped."""
        self.best_accuracy = state["best_accuracy"]
        self.val_loss, self.val_accuracy = state["val_loss"], state["val_accuracy"]
        self.has_stopped = state.get("has_stopped", False)  # checkpoints from before there was a way to stop lack it
        self.train_flops.total, self.eval_flops.total = state["train_flops"], state["eval_flops"]
        self._drifting = {(layer, seed, measure) for layer, seed, measure in state["drifting"]}

    def _run_epoch(self, phase: Phase) -> None:
        started = time.perf_counter()
        train_loss = self._train_epoch(self.grower.epoch + 1)
        observation = self.grower.observe(train_loss=train_loss)
        self.val_loss, self.val_accuracy = observation.val_loss, observation.val_accuracy
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
                train_flops=self.train_flops.total,
                seeds=tuple(_readings(observation)),
            )
        )
        self._warn_of_drift(observation)
        if phase.grows:
            told = self.grower.decide(observation)
            self.has_stopped = any(isinstance(event, DecisionMade) and event.decision == "stop" for event in told)

    def _warn_of_drift(self, observation: Observation) -> None:
        """Warn once each time that what a growing seed makes of its layer passes the threshold, in direction or in scale."""
        for seed in observation.seeds:
            growing = seed.state in GROWING and seed.alpha > 0
            drifts: dict[Measure, float | None] = {"cosine": seed.drift, "scale": seed.scale_drift}
            for measure, drift in drifts.items():
                key = seed.layer, seed.seed, measure
                if not growing or drift is None or not abs(drift) > self.drift_warn:
                    self._drifting.discard(key)
                elif key not in self._drifting:
                    self._drifting.add(key)
                    self.emit(_drift_warned(observation.epoch, seed, measure, drift, self.drift_warn))

    def _train_epoch(self, epoch: int) -> float:
        losses, samples = [], 0
        for inputs, targets in self.batches(epoch):
            loss = self._differentiate(self.model, self.optimizer, inputs, targets)
            self.optimizer.step()
            if self.grower.after_step():
                losses.append(loss.detach() * len(targets))
                samples += len(targets)
        return sum(losses).item() / samples if losses else math.nan  # type: ignore[union-attr]  # one wait for the device

    def _differentiate(self, model: SeededModel, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        with self.train_flops.spending(model, len(targets)):
            optimizer.zero_grad()
            loss = self.loss(model(inputs), targets)
            if loss.requires_grad:  # not while the host is frozen, and no seed learns from the loss
                loss.backward()
        return loss


def _drift_warned(epoch: int, seed: SeedObservation, measure: Measure, drift: float, threshold: float) -> DriftWarned:
    return DriftWarned(
        epoch=epoch,
        layer=seed.layer,
        seed=seed.seed,
        blueprint_id=seed.blueprint_id,
        measure=measure,
        drift=drift,
        threshold=threshold,
    )


def _readings(observation: Observation) -> Iterator[SeedReading]:
    for seed in observation.seeds:
        if seed.state in LIVE:
            cost, gain = seed.removal_cost, seed.twin_gain
            yield SeedReading(
                layer=seed.layer,
                seed=seed.seed,
                state=seed.state,
                blueprint_id=seed.blueprint_id,
                alpha=seed.alpha,
                ramp=seed.ramp,
                drift=finite_or_none(seed.drift),
                scale_drift=finite_or_none(seed.scale_drift),
                health=finite_or_none(observation.health[seed.layer]),
                grad_norm=finite_or_none(seed.grad_norm),
                grad_ratio=finite_or_none(seed.grad_ratio),
                training_progress=seed.training_progress,
                removal_cost=None if cost is None else finite_or_none(cost.mean),
                twin_gain=None if gain is None else finite_or_none(gain.mean),
                blend_strategy=seed.blend_strategy,
            )
