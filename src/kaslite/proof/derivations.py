"""Settings of one arm from what another one did in the same lane: controls that match what they are held against.

Not for: settings that are known beforehand; those stand in the claims.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from kaslite.controllers import Planned
from kaslite.events import RunStarted
from kaslite.proof.growth import germinations, kept
from kaslite.randomness import generator
from kaslite.telemetry import read_log

if TYPE_CHECKING:
    from kaslite.events import Event
    from kaslite.proof.arm import Derivation, Lane, Settings

SCHEDULED = {"controller": "schedule", "evidence": "none"}
AT_ONCE = {"progress_thresh": 0.0, "blend_steps": 1}
"""No shadow and no ramp: part of the network within a few steps."""


def final_topology(grown: str) -> Derivation:
    """Derive what ``grown`` ended as, there from the first step on."""

    def derive(_: Settings, lane: Lane) -> Settings:
        return SCHEDULED | AT_ONCE | _schedule([Planned(0, g.layer, g.seed, g.blueprint) for g in _kept(lane, grown)])

    return derive


def same_flops(as_: str, like: str) -> Derivation:
    """Derive as many epochs of the same thing as ``like`` that all that ``as_`` spent is spent, rounded up."""

    def derive(_: Settings, lane: Lane) -> Settings:
        ours = lane[like].config
        each = lane[like].row["train_flops"] / lane[like].row["epochs"]
        epochs = max(1, math.ceil(spent(lane[as_].row) / each))
        settings = ours.model_dump(include={"controller", "evidence", "progress_thresh", "blend_steps"})
        settings["schedule"] = ours.schedule
        return {**settings, "warm_up_epochs": 0, "adaptation_epochs": epochs}

    return derive


def replay(grown: str) -> Derivation:
    """Derive the same seeds at the same epochs, without the controller and without what it tried in vain."""

    def derive(_: Settings, lane: Lane) -> Settings:
        return SCHEDULED | _schedule(_kept(lane, grown))

    return derive


def random_growth(grown: str) -> Derivation:
    """Derive as many germinations as in ``grown``, each at a random epoch, place and blueprint."""

    def derive(settings: Settings, lane: Lane) -> Settings:
        source = generator(settings["rng_seed"], "random growth")
        places, epochs, names = _places(lane, grown), _epochs(lane, grown), lane[grown].config.blueprints
        count = min(len(germinations(_events(lane, grown))), len(places))
        drawn = [places[place] for place in torch.randperm(len(places), generator=source)[:count].tolist()]
        times = sorted(torch.randint(epochs.start, epochs.stop, (count,), generator=source).tolist())
        kinds = torch.randint(len(names), (count,), generator=source).tolist()
        rows = zip(times, drawn, kinds, strict=True)
        return SCHEDULED | _schedule([Planned(epoch, layer, seed, names[kind]) for epoch, (layer, seed), kind in rows])

    return derive


def periodic_growth(grown: str) -> Derivation:
    """Derive as many germinations as in ``grown``, evenly spread over the epochs, places and blueprints in turn."""

    def derive(_: Settings, lane: Lane) -> Settings:
        places, epochs, names = _places(lane, grown), _epochs(lane, grown), lane[grown].config.blueprints
        count = min(len(germinations(_events(lane, grown))), len(places))
        step = len(epochs) / max(1, count)
        return SCHEDULED | _schedule([Planned(epochs[int(k * step)], *places[k], names[k % len(names)]) for k in range(count)])

    return derive


def rewarmed(grown: str, steps: int) -> Derivation:
    """Derive a learning rate that rises from 0 at the start and anew whenever a seed germinated in ``grown``, and no growth."""

    def derive(_: Settings, lane: Lane) -> Settings:
        last = lane[grown].row["epochs"]
        epochs = sorted({g.epoch for g in germinations(_events(lane, grown)) if g.epoch < last})
        return SCHEDULED | {"rewarm_epochs": epochs, "lr_warm_up": steps}

    return derive


def spent(row: dict[str, Any]) -> float:
    """Return all FLOPs of a run that was controlled: its evaluations are part of the price of the control."""
    return float(row["train_flops"] + row["eval_flops"])


def _schedule(planned: list[Planned]) -> dict[str, list[str]]:
    return {"schedule": [str(germination) for germination in sorted(planned, key=lambda g: g.epoch)]}


def _kept(lane: Lane, arm: str) -> list[Planned]:
    return kept(_events(lane, arm))


def _events(lane: Lane, arm: str) -> list[Event]:
    return list(read_log(lane[arm].run_dir.events))


def _places(lane: Lane, arm: str) -> list[tuple[str, int]]:
    started = next(event for event in read_log(lane[arm].run_dir.events) if isinstance(event, RunStarted))
    return [(layer, seed) for layer, seed in started.seeds]


def _epochs(lane: Lane, arm: str) -> range:
    """Return the epochs at whose end a controller may grow, but for the last fifth, in which nothing could come of it."""
    config = lane[arm].config
    first = config.warm_up_epochs + 1
    return range(first, first + max(1, math.floor(0.8 * config.adaptation_epochs)))
