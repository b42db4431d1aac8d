"""Gathers what a controller gets to see at the end of an epoch: one evaluation serves control, health and evidence.

Not for: moving seeds.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from kaslite.controllers.base import Observation, SeedObservation
from kaslite.errors import UsageError
from kaslite.lifecycle import SeedState
from kaslite.randomness import global_streams_kept
from kaslite.signals.evidence import Evidence
from kaslite.training.evaluation import Evaluation, evaluate_now, removal_cost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kaslite.blueprints import Blueprint
    from kaslite.seeds import Seed, SeededModel
    from kaslite.seeds.probe import Drift, FeatureReading
    from kaslite.training.evaluation import Evaluate
    from kaslite.training.twin import Twins

_METRICS = {"train_loss", "val_loss", "val_accuracy"}


class Observer:
    """Measures a seeded model once an epoch, and remembers the last measurement."""

    def __init__(self, model: SeededModel, evaluate: Evaluate | None, twins: Twins | None, *, weigh: bool = True) -> None:
        self._model = model
        self._evaluate = None if evaluate is None else partial(evaluate_now, model, evaluate)
        self._twins = twins  # None: the evidence is the removal cost
        self._weighs = weigh  # False: there is no evidence
        self.health: dict[str, float] = {}  # of each layer that was measured
        self._offered: dict[str, tuple[str, ...]] | None = None
        self.train_loss: float | None = None
        self.val_loss: float | None = None
        self.val_accuracy: float | None = None
        self.held_out_loss: float | None = None  # by `evaluate`, whatever the caller says; without it the caller's

    def measure(self, metrics: Mapping[str, float]) -> None:
        """Take the caller's metrics, and measure the rest if there is a way to.

        Raises:
            UsageError: if a metric is none of those that controllers know.
        """
        unknown = sorted(metrics.keys() - _METRICS)
        if unknown:
            raise UsageError(f"unknown metric {unknown[0]!r}; after_epoch() takes {', '.join(sorted(_METRICS))}.")
        evaluation = None if self._evaluate is None else self._probe(self._evaluate)
        measured = {} if evaluation is None else {"val_loss": evaluation.loss, "val_accuracy": evaluation.accuracy}
        known = {name: _number(value) for name, value in {**measured, **metrics}.items()}
        self.train_loss, self.val_loss, self.val_accuracy = map(known.get, ("train_loss", "val_loss", "val_accuracy"))
        self.held_out_loss = self.val_loss if evaluation is None else evaluation.loss
        if self.val_accuracy is not None and not 0 <= self.val_accuracy <= 1:
            raise UsageError(f"val_accuracy is {self.val_accuracy}; an accuracy is a fraction in [0, 1], not a percentage.")

    def measure_if_never(self) -> None:
        """Measure what a seed that germinates before the first epoch will be compared with, if there is a way to."""
        if self.val_loss is None and self._evaluate is not None:
            evaluation = self._evaluate()
            self.val_loss, self.val_accuracy = evaluation.loss, evaluation.accuracy
            self.held_out_loss = evaluation.loss

    def look_at(self, seed: Seed) -> tuple[float, float | None] | None:
        """Return the held-out loss and the drift of a seed as they are now; ``None`` without ``evaluate``."""
        if self._evaluate is None:
            return None
        # What is measured for a seed's sake shifts nobody's draws.
        with self._model.probing(seed.layer_name) as readings, global_streams_kept():
            loss = self._evaluate().loss
        drift = _drift_of(seed, readings)
        return loss, None if drift is None else drift.cosine

    def state_dict(self) -> dict[str, Any]:
        """Return the last measurement, as far as later moves ask for it."""
        return {
            "val_loss": self.val_loss,
            "val_accuracy": self.val_accuracy,
            "held_out_loss": self.held_out_loss,
            "health": self.health,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Remember what another one measured."""
        self.val_loss, self.val_accuracy = state["val_loss"], state["val_accuracy"]
        # Checkpoints from before adaptive blending lack these.
        self.held_out_loss, self.health = state.get("held_out_loss", self.val_loss), dict(state.get("health", {}))

    def improvement(self, seed: Seed) -> float | None:
        """Return the validation accuracy gained since the seed germinated, in percentage points."""
        then, now = seed.record.baseline_accuracy, self.val_accuracy
        return None if then is None or now is None else 100 * (now - then)

    def observation(self, epoch: int, blueprints: Sequence[Blueprint]) -> Observation:
        """Return all that is known at the end of ``epoch``."""
        return Observation(
            epoch=epoch,
            train_loss=self.train_loss,
            val_loss=self.val_loss,
            val_accuracy=self.val_accuracy,
            health={name: self.health.get(name) for name in self._model.layers},
            blueprints=self._offers(blueprints),
            seeds=tuple(_observed(seed, epoch) for seed in self._model.seeds),
        )

    def _offers(self, blueprints: Sequence[Blueprint]) -> dict[str, tuple[str, ...]]:
        """Return what can grow on each layer; worked out once, when the shapes of all features are known."""
        if self._offered is not None:
            return self._offered
        offers = {
            name: tuple(b.name for b in blueprints if all(_fits(b, seed) for seed in layer.seeds))
            for name, layer in self._model.layers.items()
        }
        if all(seed.shape is not None for seed in self._model.seeds):
            self._offered = offers
        return offers

    def _probe(self, evaluate: Callable[[], Evaluation]) -> Evaluation:
        # All of it eagerly: a compiled pass differs from an eager one by rounding, and that is no evidence.
        with self._model.probing() as readings:
            evaluation = evaluate()
        self.health = {name: reading.health for name, reading in readings.items()}
        for seed in self._model.seeds:
            if seed.module is not None:
                drift = _drift_of(seed, readings)
                seed.record.drift, seed.record.scale_drift = (None, None) if drift is None else (drift.cosine, drift.scale)
        for seed in self._model.live if self._weighs else ():
            if seed.state in (SeedState.SHADOWING, SeedState.PROBATIONARY):
                # What is measured for a seed's sake shifts nobody's draws.
                with torch.compiler.set_stance("force_eager"), global_streams_kept():
                    self._weigh(seed, evaluate, evaluation)
        return evaluation

    def _weigh(self, seed: Seed, evaluate: Callable[[], Evaluation], evaluation: Evaluation) -> None:
        record = seed.record
        record.removal_cost = removal_cost(seed, evaluate, evaluation)
        if self._twins is None:
            record.evidence = Evidence("removal", record.removal_cost)
        else:
            twin = self._twins.of(seed)  # None: it began to blend in the epoch in which it germinated
            record.twin_gain = None if twin is None else twin.gain(evaluation)
            record.evidence = None if record.twin_gain is None else Evidence.of_twin(record.twin_gain, evaluation.loss)
        record.held_epochs = record.held_epochs + 1 if record.evidence and record.evidence.proves else 0


def _drift_of(seed: Seed, readings: Mapping[str, FeatureReading]) -> Drift | None:
    reading = readings.get(seed.layer_name)
    return None if reading is None else reading.drifts.get(seed.index)


def _fits(blueprint: Blueprint, seed: Seed) -> bool:
    return seed.shape is not None and blueprint.refusal(seed.shape) is None


def _number(value: float | torch.Tensor | None) -> float | None:
    return value.item() if isinstance(value, torch.Tensor) else None if value is None else float(value)


def _observed(seed: Seed, epoch: int) -> SeedObservation:
    record = seed.record
    return SeedObservation(
        layer=seed.layer_name,
        seed=seed.index,
        state=seed.state,
        blueprint_id=seed.blueprint_id,
        epochs_in_state=epoch - record.entered_epoch,
        held_epochs=record.held_epochs,
        alpha=seed.weight,
        ramp=seed.ramp,
        blend_strategy=None if record.blend is None else record.blend.strategy,
        drift=record.drift,
        scale_drift=record.scale_drift,
        training_progress=record.training_progress,
        removal_cost=record.removal_cost,
        twin_gain=record.twin_gain,
        evidence=record.evidence,
        grad_norm=record.grad_norm,
        grad_ratio=record.grad_ratio,
        baseline_loss=record.baseline_loss,
    )
