"""`RunTotals`: the numbers of a run as a whole, and the fold that takes in one more event.

Every view that shows such a number takes it from here, under its name in ``metrics.json``. A run that is over says them
itself; those of one that is not are what its events add up to. Not for: single seeds; `seed_states` has those.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kaslite.events import (
    EpochCompleted,
    Event,
    GovernorRolledBack,
    PhaseStarted,
    RunFinished,
    RunResumed,
    RunStarted,
    SeedCulled,
    SeedFossilized,
    SeedGerminated,
    SeedStateChanged,
)
from kaslite.telemetry.analytics.changed import changed

if TYPE_CHECKING:
    from collections.abc import Mapping

Place = tuple[str, int]

_PARAMETERS_OF_THE_MODEL = frozenset({"blending", "shadowing", "probationary", "fossilized", "culled"})
"""States in which a seed's parameters are the model's: before, they are nobody's, and after, there are none."""


@dataclass(frozen=True)
class RunTotals:
    """A run as the events so far tell of it; ``None`` = not measured."""

    run_name: str = ""
    problem: str | None = None  # that it is trained on
    status: str = "running"  # or how it ended
    error: str | None = None  # why it failed
    phase: str | None = None
    started_s: float = 0.0  # seconds since 1970
    last_s: float = 0.0  # likewise, of the last event
    wall_s: float = 0.0  # in which it went, without the time between an interruption and its end
    rng_seed: int | None = None
    epochs: int = 0
    planned_epochs: int = 0  # of the phases that have begun
    train_loss: float | None = None
    val_loss: float | None = None
    val_accuracy: float | None = None
    best_accuracy: float | None = None
    train_flops: int | None = None
    host_params: int = 0
    germinated: int = 0
    fossilized: int = 0
    culled: int = 0
    seed_params: Mapping[Place, int] = field(default_factory=dict)  # trainable, of what last grew there
    seed_states: Mapping[Place, str] = field(default_factory=dict)
    metrics: Mapping[str, float | int | None] | None = None  # content of metrics.json, once there is one

    @property
    def final_params(self) -> int:
        """Number of the model's parameters as it is now."""
        grown = (place for place, state in self.seed_states.items() if state in _PARAMETERS_OF_THE_MODEL)
        return self.host_params + sum(self.seed_params.get(place, 0) for place in grown)

    def as_dict(self) -> dict[str, float | int | None]:
        """Return the numbers by their names in ``metrics.json``; of a run that is not over, those that there are.

        >>> RunTotals(epochs=3, best_accuracy=0.5).as_dict()["best_accuracy"]
        0.5
        """
        if self.metrics is not None:
            return dict(self.metrics)
        names = ("val_accuracy", "best_accuracy", "val_loss", "host_params", "final_params", "germinated", "fossilized")
        return {name: getattr(self, name) for name in (*names, "culled", "epochs", "train_flops", "wall_s", "rng_seed")}


def fold_totals(totals: RunTotals, event: Event) -> RunTotals:
    """Return the totals after one more event."""
    totals = _with_time(totals, event)
    match event:
        case RunStarted():
            return _begun(totals, event)
        case PhaseStarted():
            return replace(totals, phase=event.phase, planned_epochs=totals.planned_epochs + event.epochs)
        case EpochCompleted():
            return _with_epoch(totals, event)
        case RunResumed():
            return replace(totals, status="running", error=None, metrics=None)
        case RunFinished():
            return replace(totals, status=event.status, error=event.error, metrics=event.metrics)
        case _:
            return _with_seed(totals, event)


def _begun(totals: RunTotals, event: RunStarted) -> RunTotals:
    """Take in what a run is; the config of somebody's own loop can hold anything under these names."""
    problem, rng_seed = event.config.get("problem_type"), event.config.get("rng_seed")
    return replace(
        totals,
        run_name=event.run_name,
        problem=problem if isinstance(problem, str) else None,
        host_params=event.host_params,
        rng_seed=rng_seed if isinstance(rng_seed, int) else None,
    )


def _with_time(totals: RunTotals, event: Event) -> RunTotals:
    if isinstance(event, RunStarted):
        return changed(totals, started_s=event.timestamp, last_s=event.timestamp)
    passed_s = 0.0 if isinstance(event, RunResumed) else max(0.0, event.timestamp - totals.last_s)
    return changed(totals, last_s=event.timestamp, wall_s=totals.wall_s + passed_s)


def _with_epoch(totals: RunTotals, event: EpochCompleted) -> RunTotals:
    states = {(reading.layer, reading.seed): reading.state for reading in event.seeds}
    return changed(
        totals,
        phase=event.phase,
        epochs=event.epoch,
        train_loss=event.train_loss,
        val_loss=event.val_loss,
        val_accuracy=event.val_accuracy,
        best_accuracy=event.best_accuracy,
        train_flops=event.train_flops,
        seed_states={**totals.seed_states, **states} if states else totals.seed_states,
    )


def _with_seed(totals: RunTotals, event: Event) -> RunTotals:
    match event:
        case SeedGerminated():
            params = {**totals.seed_params, (event.layer, event.seed): event.params}
            return replace(totals, germinated=totals.germinated + 1, seed_params=params)
        case SeedFossilized():
            return replace(totals, fossilized=totals.fossilized + 1)
        case SeedCulled():
            return replace(totals, culled=totals.culled + 1)
        case SeedStateChanged():
            return replace(totals, seed_states={**totals.seed_states, (event.layer, event.seed): event.to_state})
        case GovernorRolledBack():
            restored = {(seed.layer, seed.seed): seed.state for seed in event.seeds}
            return replace(totals, seed_states={**totals.seed_states, **restored})
        case _:
            return totals
