"""`Monitored`: what a scrape tells of a run, and the fold that takes in one more event.

It is a frozen record, so samples can be made of it while the run goes on. Not for: names, labels and formats;
`kaslite.telemetry.metrics` has those.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from kaslite.events import (
    DecisionMade,
    EpochCompleted,
    Event,
    GovernorRolledBack,
    PhaseStarted,
    RunStarted,
    SeedStateChanged,
)
from kaslite.lifecycle import LIVE
from kaslite.telemetry.analytics.blending import BlendingStats, fold_blending
from kaslite.telemetry.analytics.totals import RunTotals, fold_totals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kaslite.events import SeedReading, SeedRestored

Place = tuple[str, int]

BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
"""Durations of epochs are counted between these."""

K = TypeVar("K")


@dataclass(frozen=True)
class PhaseEpochs:
    """The epochs of one phase."""

    count: int = 0
    took_s: float = 0.0  # all of them
    by_duration: tuple[int, ...] = (0,) * (len(BOUNDS_S) + 1)  # how many were up to each of `BOUNDS_S`, and over the last

    def and_one_of(self, duration_s: float) -> PhaseEpochs:
        """Return them with one more.

        >>> PhaseEpochs().and_one_of(0.01).by_duration[:3]
        (0, 1, 0)
        """
        at = bisect_left(BOUNDS_S, duration_s)
        counts = self.by_duration
        return PhaseEpochs(self.count + 1, self.took_s + duration_s, (*counts[:at], counts[at] + 1, *counts[at + 1 :]))


@dataclass(frozen=True)
class Monitored:
    """A run as the events so far tell of it; ``None`` = not measured."""

    totals: RunTotals = field(default_factory=RunTotals)
    blending: BlendingStats = field(default_factory=BlendingStats)
    places: tuple[Place, ...] = ()  # where a seed can grow
    readings: Mapping[Place, SeedReading | SeedRestored] = field(default_factory=dict)  # of live seeds, as last measured
    phase: str | None = None  # of the last epoch
    epochs: Mapping[str, PhaseEpochs] = field(default_factory=dict)  # by phase
    transitions: Mapping[str, int] = field(default_factory=dict)  # how often each phase began
    decisions: Mapping[tuple[str, bool], int] = field(default_factory=dict)  # by what was decided, and whether it was refused
    rollbacks: int = 0
    plateau_counter: int | None = None
    patience: int | None = None
    last_epoch_s: float | None = None  # when it was over, seconds since 1970

    @property
    def states(self) -> dict[Place, str]:
        """The state of the seed at each place."""
        known = self.totals.seed_states
        return {place: known.get(place, "dormant") for place in self.places}


def fold_monitored(seen: Monitored, event: Event) -> Monitored:
    """Return what is known after one more event."""
    totals, blending = fold_totals(seen.totals, event), fold_blending(seen.blending, event)
    match event:
        case RunStarted():
            return replace(seen, totals=totals, places=event.seeds)
        case PhaseStarted():
            return replace(seen, totals=totals, transitions=_with_one(seen.transitions, event.phase))
        case EpochCompleted():
            epochs = seen.epochs.get(event.phase, PhaseEpochs()).and_one_of(event.epoch_duration_s)
            return replace(
                seen,
                totals=totals,
                phase=event.phase,
                epochs={**seen.epochs, event.phase: epochs},
                readings={(reading.layer, reading.seed): reading for reading in event.seeds if reading.state in LIVE},
                last_epoch_s=event.timestamp,
            )
        case DecisionMade():
            return _decided(replace(seen, totals=totals), event)
        case SeedStateChanged() if event.to_state not in LIVE:
            left = {place: reading for place, reading in seen.readings.items() if place != (event.layer, event.seed)}
            return replace(seen, totals=totals, readings=left)
        case GovernorRolledBack():
            restored = {(seed.layer, seed.seed): seed for seed in event.seeds if seed.state in LIVE}
            return replace(seen, totals=totals, readings=restored, rollbacks=seen.rollbacks + 1)
        case _:
            return replace(seen, totals=totals, blending=blending)


def _decided(seen: Monitored, event: DecisionMade) -> Monitored:
    decisions = _with_one(seen.decisions, (event.decision, event.refusal is not None))
    if event.plateau_counter is None:
        return replace(seen, decisions=decisions)
    return replace(seen, decisions=decisions, plateau_counter=event.plateau_counter, patience=event.patience)


def _with_one(counts: Mapping[K, int], key: K) -> dict[K, int]:
    return {**counts, key: counts.get(key, 0) + 1}
