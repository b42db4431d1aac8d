"""What `make demo` promises, through the command itself."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kaslite.lifecycle import SeedState
from kaslite.telemetry import read_log

WHOLE_LIFE = ["germinated", "training", "blending", "shadowing", "probationary", "fossilized"]


def demo(results):
    command = [sys.executable, "-m", "kaslite", "run", "--problem_type", "digits", "--json", "-q", "--results_dir", results]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


@pytest.fixture(scope="module")
def twice(tmp_path_factory):
    results = tmp_path_factory.mktemp("demo")
    started = time.monotonic()
    first = demo(results)
    return first, demo(results), time.monotonic() - started


@pytest.mark.slow
def test_it_ends_within_a_minute(twice):
    assert twice[2] / 2 < 60


@pytest.mark.slow
def test_it_learns_the_digits(twice):
    assert twice[0]["test_accuracy"] >= 0.95


@pytest.mark.slow
def test_a_seed_lives_a_whole_life_by_the_real_path(twice):
    moves = {}
    for event in read_log(Path(twice[0]["run_dir"]) / "events.jsonl"):
        if event.type == "seed_state_changed":
            moves.setdefault((event.layer, event.seed), [SeedState.DORMANT.value]).append(event.to_state)
    assert ["dormant", *WHOLE_LIFE] in moves.values()
    assert twice[0]["fossilized"] >= 1
    assert twice[0]["final_params"] > twice[0]["host_params"]


@pytest.mark.slow
def test_the_same_command_twice_gives_the_same_metrics(twice):
    first, second = ({k: v for k, v in result.items() if k not in ("wall_s", "run_dir")} for result in twice[:2])
    assert first == second
