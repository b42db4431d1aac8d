"""Every blending strategy is reached in a real run, by what is measured there; and every blend is told from choice to end."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from kaslite import Advance, Germinate, SeedState
from kaslite.blending import STRATEGIES, BlendingConfig, BlendTelemetry, choose_strategy
from kaslite.blueprints import Blueprint, FeatureKind, registry
from kaslite.events import to_line
from kaslite.experiment.assembly import assemble
from kaslite.experiment.blending import blending_of
from kaslite.experiment.config import resolve
from kaslite.experiment.run import run
from tests.growing import Growth

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from kaslite.events import Event

PLANNED = {"controller": "schedule", "evidence": "none", "warm_up_epochs": 1}
EASY = {"n_samples": 200, "rotations": 0.5, "noise": 0.0, "batch_size": 10}
# All with the documented thresholds: the empty section.
RUNS: dict[str, dict[str, Any]] = {
    "FIXED_RAMP": {"schedule": ("10 blocks.0:0 mlp",), "adaptation_epochs": 26},
    # A deep host hardly tells samples apart before it has learned, and then learns all there is.
    "PERFORMANCE_LINKED": {
        "schedule": ("0 blocks.5:0 mlp",),
        "num_layers": 6,
        "lr": 1e-3,
        "shadow_epochs": 1,
        "adaptation_epochs": 8,
        **EASY,
    },
    # A large learning rate in the shadow, and a linear seed: it overshoots, and comes back while it blends.
    "DRIFT_CONTROLLED": {"schedule": ("10 blocks.0:0 low_rank",), "shadow_lr": 0.7, "adaptation_epochs": 24},
    # A seed that is planted while the host is learning fast.
    "GRAD_NORM_GATED": {"problem_type": "digits", "schedule": ("1 blocks.0:0 mlp",), "adaptation_epochs": 11},
}
COMPLETED = {
    "seed_id",
    "epoch",
    "strategy_name",
    "duration_epochs",
    "initial_loss",
    "final_loss",
    "initial_drift",
    "final_drift",
    "timestamp",
}
CHOSEN = {"seed_id", "epoch", "strategy_name", "telemetry", "timestamp"}


def refuse(word: str) -> None:
    raise AssertionError(f"{word} is not JSON")


def strict(lines: Iterable[str]) -> list[dict[str, Any]]:
    return [json.loads(line, parse_constant=refuse) for line in lines]


def blends(events: list[dict[str, Any]]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return the choice and the end of every blend; fails if there is not one of each."""
    begun: dict[tuple[str, int], dict[str, Any]] = {}
    found = []
    for event in events:
        place = event.get("layer"), event.get("seed")
        if event["type"] == "blend_strategy_chosen":
            assert place not in begun, "chosen twice"
            begun[place] = event
        elif event["type"] == "blend_completed" or (event["type"] == "seed_culled" and place in begun):
            found.append((begun.pop(place), event))
    assert not begun, "a blend has no end"
    return found


class Kept:
    """Keeps events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def write(self, event: Event) -> None:
        self.events.append(event)

    def close(self) -> None:
        pass


def carry_out(settings: dict[str, Any], state: dict[str, Any] | None = None) -> tuple[list[Any], list[Any], list[Any]]:
    """Carry a run out, or go on with one from its state; return what it told, its states by epoch, and its weights."""
    torch.manual_seed(0)
    experiment, states = assemble(resolve(settings)), {}
    experiment.sink = kept = Kept()
    if state is not None:
        experiment.load_state_dict(state)

    def after_epoch() -> None:
        states[experiment.grower.epoch] = copy.deepcopy(experiment.state_dict())

    experiment.train(after_epoch)
    told = [dataclasses.replace(event, timestamp=0.0) for event in kept.events]
    told = [dataclasses.replace(e, epoch_duration_s=0.0) if e.type == "epoch_completed" else e for e in told]
    return told, states, [tensor.tolist() for tensor in experiment.model.state_dict().values()]


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """Carry all runs out, and return the lines of their logs."""
    torch.set_num_threads(1)
    found = {}
    for name, settings in RUNS.items():
        folder: Path = tmp_path_factory.mktemp(name)
        result = run(resolve({**PLANNED, **settings, "blending": {}}), folder)
        found[name] = strict((result.run_dir / "events.jsonl").read_text().splitlines())
    return found


def test_there_is_a_run_for_every_strategy() -> None:
    assert RUNS.keys() == STRATEGIES.keys()


@pytest.mark.parametrize("name", RUNS)
def test_a_real_run_reaches_the_strategy_by_what_is_measured_and_blends_by_it_to_the_end(name: str, logs) -> None:
    ((choice, end),) = blends(logs[name])
    config = blending_of(resolve({**PLANNED, **RUNS[name], "blending": {}}))
    assert config == BlendingConfig(fixed_steps=100, tick="step")
    assert choice["strategy_name"] == choose_strategy(BlendTelemetry(**choice["telemetry"]), config).strategy == name
    assert (end["type"], end["strategy_name"]) == ("blend_completed", name)
    assert end["duration_epochs"] == end["epoch"] - choice["epoch"]  # the first tick is in the epoch after the choice
    (germinated,) = (event for event in logs[name] if event["type"] == "seed_germinated")
    assert germinated["sequence"] < choice["sequence"] < end["sequence"]


@pytest.mark.parametrize("name", RUNS)
def test_everything_that_a_strategy_was_chosen_by_is_measured(name: str, logs) -> None:
    ((choice, _),) = blends(logs[name])
    assert set(choice["telemetry"]) == {"health_signal", "drift", "baseline_loss", "current_loss"}
    assert all(isinstance(value, float) and math.isfinite(value) for value in choice["telemetry"].values())


@pytest.mark.parametrize("name", RUNS)
def test_the_documented_fields_are_in_the_log(name: str, logs) -> None:
    ((choice, end),) = blends(logs[name])
    assert choice.keys() >= CHOSEN
    assert end.keys() >= COMPLETED
    assert choice["seed_id"] == end["seed_id"] == [choice["layer"], choice["seed"]]
    assert all(end[field] is not None for field in COMPLETED)
    assert end["initial_drift"] == choice["telemetry"]["drift"]


@pytest.mark.parametrize("name", RUNS)
def test_a_ramp_moves_only_after_its_strategy_was_chosen_and_never_falls(name: str, logs) -> None:
    ((choice, end),) = blends(logs[name])
    readings = [
        (event["sequence"], reading) for event in logs[name] if event["type"] == "epoch_completed" for reading in event["seeds"]
    ]
    before = [reading for sequence, reading in readings if sequence < choice["sequence"]]
    during = [reading for sequence, reading in readings if choice["sequence"] < sequence < end["sequence"]]
    assert {(reading["alpha"], reading["blend_strategy"]) for reading in before} == {(0.0, None)}
    assert {reading["blend_strategy"] for reading in during} == {name}
    ramps = [reading["ramp"] for reading in during]
    assert ramps == sorted(ramps)


@pytest.mark.parametrize("name", RUNS)
def test_the_end_of_a_blend_is_a_change_of_state(name: str, logs) -> None:
    ((_, end),) = blends(logs[name])
    after = next(event for event in logs[name] if event["sequence"] == end["sequence"] + 1)
    assert (after["from_state"], after["to_state"]) == ("blending", "shadowing")


class Turncoat(nn.Module):
    """Learns like any other, until its mood changes."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.mood = 0.0
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, feature: torch.Tensor) -> torch.Tensor:
        return self.linear(feature.relu()) + self.mood


def by_hand(growth: Growth) -> None:
    growth.cull()


def by_a_fault(growth: Growth) -> None:
    growth.seed.module.mood = math.nan
    growth.step()


def by_the_governor(growth: Growth) -> None:
    growth.epoch(val_loss=1.0)
    growth.epoch(val_loss=math.nan)


def by_the_governor_in_the_epoch_of_its_first_tick(growth: Growth) -> None:
    growth.epoch(val_loss=math.inf)


def by_its_epochs(growth: Growth) -> None:
    for _ in range(3):
        growth.epoch(val_loss=1.0)


ENDS = {
    by_hand: "",
    by_a_fault: "its output is not finite",
    by_the_governor: "the governor went back",
    by_the_governor_in_the_epoch_of_its_first_tick: "the governor went back",
    by_its_epochs: "after 3 epochs (max_blend_epochs)",
}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_however_a_blend_ends_it_has_one_choice_and_one_end_with_its_reason(strategy, end, monkeypatch) -> None:
    monkeypatch.setitem(
        registry._REGISTRY, "turncoat", Blueprint("turncoat", frozenset({FeatureKind.DENSE}), lambda s: Turncoat(s.writes))
    )
    heard: list = []
    config = BlendingConfig(
        fixed_steps=50, tick="step", strategy=strategy, max_blend_epochs=3, high_drift_threshold=0.0, grad_norm_lower=0.5
    )
    growth = Growth(blueprint="turncoat", blending=config, emit=heard.append).reach(SeedState.TRAINING)
    for _ in range(3):
        growth.epoch(val_loss=1.0)
    growth.grower.apply(Advance(*growth.place))
    end(growth)
    growth.epoch(val_loss=1.0)
    ((choice, told),) = blends(strict(map(to_line, heard)))
    assert choice["strategy_name"] == strategy
    assert told["type"] == "seed_culled"
    assert ENDS[end] in told["reason"]
    assert sum(event.type == "seed_culled" for event in heard) == 1


def test_a_blend_that_is_chosen_in_the_very_epoch_that_is_undone_ends_there() -> None:
    heard: list = []
    growth = Growth(strategy="ADAPTIVE", fixed_steps=50, progress_thresh=0.01, emit=heard.append)
    for _ in range(3):
        growth.epoch(val_loss=1.0)
    growth.grower.apply(Germinate(*growth.place, "mlp"))
    growth.step()
    growth.epoch(val_loss=math.nan)
    ((choice, told),) = blends(strict(map(to_line, heard)))
    assert (told["type"], told["epoch"]) == ("seed_culled", choice["epoch"])
    assert "the governor went back" in told["reason"]


@pytest.mark.parametrize("name", RUNS)
def test_a_run_goes_on_bit_for_bit_from_the_middle_of_a_blend(name: str) -> None:
    settings = {**PLANNED, **RUNS[name], "blending": {}}
    told, states, weights = carry_out(settings)
    (choice,) = (event for event in told if event.type == "blend_strategy_chosen")
    (completed,) = (event for event in told if event.type == "blend_completed")
    assert choice.strategy_name == name
    middle = (choice.epoch + completed.epoch) // 2
    assert choice.epoch < middle < completed.epoch
    rest, _, ours = carry_out(settings, states[middle])
    assert rest == told[-len(rest) :]
    assert ours == weights


def test_without_a_section_a_run_is_one_of_the_fixed_ramp_bit_for_bit() -> None:
    settings = {**PLANNED, **RUNS["DRIFT_CONTROLLED"]}
    told, _, weights = carry_out(settings)
    pinned, _, others = carry_out({**settings, "blending": {"strategy": "FIXED_RAMP"}})
    assert pinned == told
    assert others == weights
    assert carry_out({**settings, "blending": {}})[2] != weights
