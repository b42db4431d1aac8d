"""`RunView`: what there is to show of a run, and the fold that brings it up to date with one event.

Not for: how it looks; that is `terminal` and `plain`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kaslite.events import (
    BlendStrategyChosen,
    DecisionMade,
    EpochCompleted,
    Event,
    GovernorRolledBack,
    PhaseStarted,
    RunResumed,
    RunStarted,
    SeedFossilized,
    SeedGerminated,
    SeedStateChanged,
)
from kaslite.telemetry.analytics import BlendingStats, BlueprintStats, RunTotals, fold_blending, fold_blueprints, fold_totals
from kaslite.telemetry.analytics.changed import changed
from kaslite.telemetry.words import describe, is_stop, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kaslite.events import SeedReading

LOG_LINES = 8

Place = tuple[str, int]


@dataclass(frozen=True)
class SeedView:
    """One seed as last seen; ``None`` = not measured."""

    state: str = "dormant"
    blueprint_id: str | None = None
    alpha: float = 0.0
    blend_strategy: str | None = None  # None also if it has never blended
    training_progress: float | None = None
    removal_cost: float | None = None
    drift: float | None = None
    scale_drift: float | None = None
    health: float | None = None
    grad_norm: float | None = None
    grad_ratio: float | None = None
    twin_gain: float | None = None


@dataclass(frozen=True)
class PhaseView:
    """One phase and how far it has come."""

    name: str
    epochs: int  # planned
    done: int  # epochs
    started_s: float  # seconds since 1970; later by the time that the run was cut off
    last_s: float  # likewise, of the last epoch


@dataclass(frozen=True)
class RunView:
    """A run as the events so far describe it."""

    totals: RunTotals = field(default_factory=RunTotals)
    seeds: Mapping[Place, SeedView] = field(default_factory=dict)
    phases: tuple[PhaseView, ...] = ()
    banner: str | None = None  # what turned last: a phase or a seed's life began, a seed is active or committed, training stops
    thought: str | None = None  # the controller's reason for its last decision
    log: tuple[str, ...] = ()  # newest last
    blending: BlendingStats = field(default_factory=BlendingStats)
    blueprints: Mapping[str, BlueprintStats] = field(default_factory=dict)

    @property
    def seeds_active(self) -> int:
        """Number of seeds that are fully in."""
        return sum(seed.alpha >= 1 for seed in self.seeds.values())


def fold(view: RunView, event: Event) -> RunView:
    """Return the view after one more event."""
    view = _with_words(_with_sums(view, event), event)
    match event:
        case RunStarted():
            return replace(view, seeds={place: SeedView() for place in event.seeds})
        case PhaseStarted():
            phase = PhaseView(event.phase, event.epochs, 0, event.timestamp, event.timestamp)
            return replace(view, phases=(*view.phases, phase))
        case EpochCompleted():
            return _fold_epoch(view, event)
        case DecisionMade():
            return changed(view, thought=event.reason)
        case BlendStrategyChosen():
            return _with_seed(view, event, blend_strategy=event.strategy_name)
        case SeedGerminated():
            return _with_seed(view, event, blueprint_id=event.blueprint_id)
        case SeedStateChanged():
            return _fold_move(view, event)
        case _:
            return _fold_turn(view, event)


def _with_sums(view: RunView, event: Event) -> RunView:
    """Take in what events add up to."""
    totals = fold_totals(view.totals, event)
    if isinstance(event, EpochCompleted):  # the most frequent, and the largest: no need to look further
        return changed(view, totals=totals)
    blending, blueprints = fold_blending(view.blending, event), fold_blueprints(view.blueprints, event)
    return changed(view, totals=totals, blending=blending, blueprints=blueprints)


def _with_words(view: RunView, event: Event) -> RunView:
    line = None if isinstance(event, EpochCompleted) else describe(event)
    if line is not None:
        view = replace(view, log=(*view.log, line)[-LOG_LINES:])
    if isinstance(event, PhaseStarted | SeedGerminated | SeedFossilized) or is_stop(event):
        view = replace(view, banner=line)
    return view


def _fold_turn(view: RunView, event: Event) -> RunView:
    """Take in what changes the course of the run as a whole."""
    match event:
        case GovernorRolledBack():
            restored = {(seed.layer, seed.seed): SeedView(seed.state, seed.blueprint_id, seed.alpha) for seed in event.seeds}
            return replace(view, seeds={**view.seeds, **restored})
        case RunResumed():
            return _fold_resumption(view, event)
        case _:
            return view


def _fold_epoch(view: RunView, event: EpochCompleted) -> RunView:
    if view.phases:  # a log that a user's own loop writes may have none
        *earlier, phase = view.phases
        view = changed(view, phases=(*earlier, changed(phase, done=phase.done + 1, last_s=event.timestamp)))
    if not event.seeds:
        return view
    return changed(view, seeds={**view.seeds, **{(seen.layer, seen.seed): _seen(seen) for seen in event.seeds}})


def _fold_resumption(view: RunView, event: RunResumed) -> RunView:
    """The run goes on; the time in which it did not is no part of its phase."""
    if not view.phases:
        return view
    *earlier, phase = view.phases
    started_s = phase.started_s + event.timestamp - phase.last_s
    return replace(view, phases=(*earlier, replace(phase, started_s=started_s, last_s=event.timestamp)))


def _seen(reading: SeedReading) -> SeedView:
    return SeedView(
        state=reading.state,
        blueprint_id=reading.blueprint_id,
        alpha=reading.alpha,
        blend_strategy=reading.blend_strategy,
        training_progress=reading.training_progress,
        removal_cost=reading.removal_cost,
        drift=reading.drift,
        scale_drift=reading.scale_drift,
        health=reading.health,
        grad_norm=reading.grad_norm,
        grad_ratio=reading.grad_ratio,
        twin_gain=reading.twin_gain,
    )


def _fold_move(view: RunView, event: SeedStateChanged) -> RunView:
    if event.to_state in ("embargoed", "resetting", "dormant"):
        return replace(view, seeds={**view.seeds, (event.layer, event.seed): SeedView(state=event.to_state)})
    if event.to_state == "shadowing":
        view = replace(view, banner=plain(f"{event.layer}:{event.seed} is active: {event.blueprint_id}"))
    return _with_seed(view, event, state=event.to_state)


def _with_seed(view: RunView, at: SeedGerminated | SeedStateChanged | BlendStrategyChosen, **changes: object) -> RunView:
    place = (at.layer, at.seed)
    seed = replace(view.seeds.get(place, SeedView()), **changes)  # type: ignore[arg-type]
    return replace(view, seeds={**view.seeds, place: seed})
