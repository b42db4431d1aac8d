"""`Story`: all that a page shows of a run, as plain data, and what is new in it since a page was told.

The live page and the report draw the same story. It is the fold that the terminal draws, and what a page remembers beside it:
curves, lifelines, marks and decisions. Not for: reading logs, nor how it looks.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, final

from kaslite.dashboard.blending import HEADINGS as BLENDING_HEADINGS
from kaslite.dashboard.blending import TITLE as BLENDING_TITLE
from kaslite.dashboard.blending import blending_rows
from kaslite.dashboard.blueprints import HEADINGS as BLUEPRINT_HEADINGS
from kaslite.dashboard.blueprints import TITLE as BLUEPRINT_TITLE
from kaslite.dashboard.blueprints import blueprint_rows
from kaslite.dashboard.fold import RunView, fold
from kaslite.dashboard.web.lifelines import Lifelines
from kaslite.dashboard.web.series import Series
from kaslite.events import (
    BlendCompleted,
    BlendStrategyChosen,
    DecisionMade,
    DriftWarned,
    EpochCompleted,
    Event,
    GovernorRolledBack,
    PhaseStarted,
    RunResumed,
    RunStarted,
    SeedCulled,
    SeedFossilized,
    SeedGerminated,
    SeedReading,
)
from kaslite.telemetry.analytics import seed_id
from kaslite.telemetry.words import describe

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_EPOCHS = 20_000
"""Points of a curve."""
MOST_READINGS = 200
"""Points of a seed's curves."""

_CURVES = ("train_loss", "val_loss", "val_accuracy", "best_accuracy", "learning_rate", "epoch_duration_s")
_READINGS = ("alpha", "removal_cost", "twin_gain", "drift", "training_progress")
_curve_values, _reading_values = attrgetter(*_CURVES), attrgetter(*_READINGS)
_MARKS: Mapping[type[Event], str] = {
    PhaseStarted: "phase",
    SeedGerminated: "germinated",
    BlendStrategyChosen: "blending",
    BlendCompleted: "blended",
    SeedFossilized: "fossilized",
    SeedCulled: "culled",
    GovernorRolledBack: "rolled_back",
    DriftWarned: "drift",
    RunResumed: "resumed",
}


@dataclass(frozen=True)
class Cursor:
    """How much of a story somebody knows."""

    thinned: int = 0  # how often curves were thinned; then the numbers below are void
    curves: int = 0
    readings: Mapping[str, int] | None = None
    marks: int = 0
    decisions: int = 0
    moves: int = 0


@final
class Story:
    """A run as the events so far tell of it."""

    def __init__(self) -> None:
        self._view = RunView()
        self._started: RunStarted | None = None
        self._curves, self._curve_stride = Series(*_CURVES), 1
        self._readings: dict[str, Series] = {}
        self._reading_stride, self._reading_epochs = 1, 0
        self._thinned = 0
        self._lifelines = Lifelines()
        self._marks: list[dict[str, Any]] = []
        self._decisions: list[dict[str, Any]] = []

    def wants_readings(self, epoch: int) -> bool:
        """Say whether it keeps the seeds' readings of an epoch: if not, they need not be read."""
        return epoch % self._reading_stride == 0

    @property
    def status(self) -> str:
        """As the events tell: ``running``, or how it ended."""
        return self._view.totals.status

    def take(self, event: Event) -> None:
        """Take one more event in."""
        self._view = fold(self._view, event)
        match event:
            case RunStarted():
                self._started = event
            case EpochCompleted():
                self._take_epoch(event)
            case DecisionMade():
                self._take_decision(event)
            case _:
                self._lifelines.take(event)
        kind = "stopped" if isinstance(event, DecisionMade) and event.decision == "stop" else _MARKS.get(type(event))
        if kind is not None:
            self._marks.append(_mark(event, kind))

    def whole(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        submodules = () if self._started is None else self._started.submodules
        return {
            **self._now(),
            "submodules": [{"name": part.name, "kind": part.kind, "params": part.params} for part in submodules],
            "curves": self._curves.columns,
            "readings": {seed: series.columns for seed, series in self._readings.items()},
            "lifelines": self._lifelines.since(0),
            "marks": self._marks,
            "decisions": self._decisions,
        }

    def cursor(self) -> Cursor:
        """Return where it stands now."""
        return Cursor(
            thinned=self._thinned,
            curves=len(self._curves),
            readings={seed: len(series) for seed, series in self._readings.items()},
            marks=len(self._marks),
            decisions=len(self._decisions),
            moves=self._lifelines.moves,
        )

    def since(self, cursor: Cursor) -> dict[str, Any]:
        """Return what is new: ``more``, whose ``append`` is to be appended, or ``whole`` if what was told before is void.

        Args:
            cursor: where it stood when it was told last.
        """
        if cursor.thinned != self._thinned:
            return {"whole": self.whole()}
        known = cursor.readings or {}
        append = {
            "curves": self._curves.since(cursor.curves),
            "readings": {seed: series.since(known.get(seed, 0)) for seed, series in self._readings.items()},
            "marks": self._marks[cursor.marks :],
            "decisions": self._decisions[cursor.decisions :],
        }
        return {"more": {**self._now(), "lifelines": self._lifelines.since(cursor.moves), "append": append}}

    def _now(self) -> dict[str, Any]:
        """Return what is told anew each time."""
        view = self._view
        return {
            "run": self._run(),
            "totals": view.totals.as_dict(),
            "seeds": [self._seed(place) for place in view.seeds],
            "blending": _table(BLENDING_TITLE, BLENDING_HEADINGS, blending_rows(view.blending)),
            "blueprints": _table(BLUEPRINT_TITLE, BLUEPRINT_HEADINGS, blueprint_rows(view.blueprints)),
        }

    def _run(self) -> dict[str, Any]:
        totals, started = self._view.totals, self._started
        config = {} if started is None else started.config
        return {
            "name": totals.run_name,
            "key": None if started is None else started.key,
            "status": totals.status,
            "error": totals.error,
            "phase": totals.phase,
            "epoch": totals.epochs,
            "planned_epochs": totals.planned_epochs,
            "started_s": totals.started_s,
            "last_s": totals.last_s,
            "problem": totals.problem,
            "thought": self._view.thought,
            "config": config,
            "versions": {} if started is None else started.versions,
        }

    def _seed(self, place: tuple[str, int]) -> dict[str, Any]:
        seed = self._view.seeds[place]
        return {
            "seed": seed_id(*place),
            "layer": place[0],
            "index": place[1],
            "state": seed.state,
            "blueprint": seed.blueprint_id,
            "params": None if seed.blueprint_id is None else self._view.totals.seed_params.get(place),
            "alpha": seed.alpha,
            "training_progress": seed.training_progress,
            "removal_cost": seed.removal_cost,
            "twin_gain": seed.twin_gain,
            "drift": seed.drift,
            "scale_drift": seed.scale_drift,
            "health": seed.health,
            "blend_strategy": seed.blend_strategy,
        }

    def _take_epoch(self, event: EpochCompleted) -> None:
        if event.epoch % self._curve_stride == 0:
            self._curves.add(event.epoch, *_curve_values(event))
            if len(self._curves) > MOST_EPOCHS:
                self._curve_stride *= 2
                self._curves.keep(self._curve_stride)
                self._thinned += 1
        if event.seeds and event.epoch % self._reading_stride == 0:
            self._take_readings(event.epoch, event.seeds)

    def _take_readings(self, epoch: int, readings: tuple[SeedReading, ...]) -> None:
        for reading in readings:
            seed = seed_id(reading.layer, reading.seed)
            if seed not in self._readings:
                self._readings[seed] = Series(*_READINGS)
            self._readings[seed].add(epoch, *_reading_values(reading))
        self._reading_epochs += 1
        if self._reading_epochs > MOST_READINGS:
            self._reading_stride *= 2
            self._reading_epochs //= 2
            self._thinned += 1
            for series in self._readings.values():
                series.keep(self._reading_stride)

    def _take_decision(self, event: DecisionMade) -> None:
        if event.decision == "wait":
            return
        self._decisions.append(
            {
                "epoch": event.epoch,
                "decision": event.decision,
                "seed": None if event.layer is None else seed_id(event.layer, event.seed or 0),
                "blueprint": event.blueprint_id,
                "reason": event.reason,
                "refusal": event.refusal,
            }
        )


def _mark(event: Event, kind: str) -> dict[str, Any]:
    place = getattr(event, "layer", None), getattr(event, "seed", None)
    seed = None if place[0] is None or place[1] is None else seed_id(place[0], place[1])
    return {"epoch": event.epoch, "kind": kind, "seed": seed, "text": describe(event)}


def _table(title: str, headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> dict[str, Any]:
    return {"title": title, "headings": headings, "rows": rows}
