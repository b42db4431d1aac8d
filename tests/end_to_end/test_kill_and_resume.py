"""A run that is killed twenty times ends as if it had not been: the same events, the same weights, bit for bit."""

from __future__ import annotations

import dataclasses
import json
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
import torch

from kaslite import SeedState
from kaslite.telemetry import read_log
from kaslite.training.checkpoint_file import read_tree

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Seeds go through every state, some several times.
SETTINGS = {
    "problem_type": "spirals",
    "n_samples": 300,
    "noise": 0.3,
    "rotations": 1.0,
    "hidden_dim": 8,
    "num_layers": 2,
    "lr": 0.01,
    "batch_size": 20,
    "warm_up_epochs": 5,
    "adaptation_epochs": 235,
    "patience": 4,
    "delta": 0.02,
    "acc_threshold": 1.0,
    "blend_steps": 40,
    "shadow_epochs": 2,
    "trial_epochs": 6,
    "embargo_epochs": 2,
    "rng_seed": 2,
}
KILLS = 20


def start(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "kaslite", *arguments, "-q"], stdout=subprocess.DEVNULL)


def begin(results: Path, settings: Mapping[str, object] = SETTINGS) -> subprocess.Popen[bytes]:
    flags = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    return start("run", *flags, "--results_dir", str(results))


def kill_at(process: subprocess.Popen[bytes], results: Path, sequence: int, already: int) -> None:
    """Kill the process as soon as its log shows an event of at least this number beyond the first ``already`` bytes."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "it ended before it was killed"
        for log in results.glob("*/events.jsonl"):
            lines = log.read_bytes()[already:].split(b"\n")[:-1]
            if any(json.loads(line)["sequence"] >= sequence for line in lines if b'"run_resumed"' not in line):
                process.send_signal(signal.SIGKILL)
                process.wait()
                return
        time.sleep(0.002)
    raise AssertionError(f"event {sequence} did not come")


def events_of(run: Path) -> list:
    facts = []
    for event in read_log(run / "events.jsonl"):
        fact = dataclasses.asdict(event)
        for name in ("timestamp", "epoch_duration_s"):
            fact.pop(name, None)
        if fact.get("metrics"):
            fact["metrics"].pop("wall_s")
        if event.type != "run_resumed":
            facts.append(fact)
    return facts


def last_weights(run: Path):
    state = read_tree(max((run / "checkpoints").iterdir()))["experiment"]["training"]
    return {name: state[name] for name in ("host", "grower", "optimizer", "streams")}


def equal(one, other) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(value, other[name]) for name, value in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return one == other


@pytest.mark.slow
def test_a_scheduled_run_that_is_killed_before_its_first_checkpoint_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    plan = {"controller": "schedule", "schedule": "0 blocks.2:0 mlp", "spare_layers": 1, "progress_thresh": 0, "blend_steps": 1}
    settings = {**SETTINGS, **plan, "evidence": "none", "adaptation_epochs": 25}
    assert begin(tmp_path / "whole", settings).wait() == 0
    (whole,) = (tmp_path / "whole").iterdir()
    expected, killed = events_of(whole), tmp_path / "killed"
    kill_at(begin(killed, settings), killed, 2, 0)  # the decision that comes before the first epoch
    (run,) = killed.iterdir()
    assert not list((run / "checkpoints").glob("*"))
    assert start("resume", str(run)).wait() == 0
    assert [event["layer"] for event in expected if event["type"] == "seed_germinated"] == ["blocks.2"]
    assert events_of(run) == expected
    assert equal(last_weights(run), last_weights(whole))


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_while_a_seed_blends_by_its_drift_ends_as_if_it_had_not_been(
    tmp_path: Path,
) -> None:
    plan = {"controller": "schedule", "schedule": "10 blocks.0:0 low_rank", "evidence": "none", "shadow_lr": 0.7}
    # It goes on for long after the blend: a kill that comes late must still find it going.
    settings = {**plan, "warm_up_epochs": 1, "adaptation_epochs": 99, "blending.strategy": "ADAPTIVE"}
    assert begin(tmp_path / "whole", settings).wait() == 0
    (whole,) = (tmp_path / "whole").iterdir()
    expected = events_of(whole)
    numbers = {event["type"]: event["sequence"] for event in expected}
    assert {e["strategy_name"] for e in expected if "strategy_name" in e} == {"DRIFT_CONTROLLED"}
    first, last = numbers["blend_strategy_chosen"], numbers["blend_completed"]

    killed, already = tmp_path / "killed", 0
    process = begin(killed, settings)
    for moment in range(first, last, 3):
        kill_at(process, killed, moment, already)
        (run,) = killed.iterdir()
        already = (run / "events.jsonl").stat().st_size
        process = start("resume", str(run))
    assert process.wait() == 0
    assert events_of(run) == expected
    assert equal(last_weights(run), last_weights(whole))


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_before_it_is_solved_stops_where_it_would_have(tmp_path: Path) -> None:
    settings = {**SETTINGS, "noise": 0.1, "acc_threshold": 0.8, "patience": 40, "delta": 1e-4}
    assert begin(tmp_path / "whole", settings).wait() == 0
    (whole,) = (tmp_path / "whole").iterdir()
    expected = events_of(whole)
    assert [event["decision"] for event in expected if event["type"] == "decision_made"][-1] == "stop"
    assert expected[-1]["epoch"] < SETTINGS["adaptation_epochs"]

    killed, already = tmp_path / "killed", 0
    process = begin(killed, settings)
    for moment in (4, len(expected) // 3, len(expected) // 2):
        kill_at(process, killed, moment, already)
        (run,) = killed.iterdir()
        already = (run / "events.jsonl").stat().st_size
        process = start("resume", str(run))
    assert process.wait() == 0
    assert events_of(run) == expected
    assert equal(last_weights(run), last_weights(whole))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_that_is_killed_in_every_state_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    assert begin(tmp_path / "whole").wait() == 0
    (whole,) = (tmp_path / "whole").iterdir()
    expected = events_of(whole)
    early = expected[: len(expected) * 9 // 10]  # a kill that comes late must still find it going
    moves = [event for event in early if event["type"] == "seed_state_changed"]
    draw = random.Random(0)
    moments = {draw.choice([e["sequence"] for e in moves if e["to_state"] == state]) for state in SeedState}
    while len(moments) < KILLS:
        moments.add(draw.randrange(2, len(early)))

    killed, already = tmp_path / "killed", 0
    process = begin(killed)
    for moment in sorted(moments):
        kill_at(process, killed, moment, already)
        (run,) = killed.iterdir()
        already = (run / "events.jsonl").stat().st_size
        process = start("resume", str(run))
    assert process.wait() == 0

    assert (run / "events.jsonl").read_text().count('"type":"run_resumed"') == KILLS
    assert events_of(run) == expected
    assert equal(last_weights(run), last_weights(whole))
    metrics = [json.loads((folder / "metrics.json").read_text()) for folder in (run, whole)]
    assert all(entry.pop("wall_s") > 0 for entry in metrics)
    assert metrics[0] == metrics[1]
