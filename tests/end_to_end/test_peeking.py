"""The test split is read once, after training: what stands in it changes nothing but what is read there."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from kaslite import Germinate, SeedState, Wait
from kaslite.experiment.controllers import CONTROLLERS, ControllerKind
from kaslite.proof.arm import Arm, Claim, Scale
from kaslite.proof.claims import CLAIMS
from kaslite.proof.rows import PROVENANCE, UNSTABLE
from kaslite.tasks import PROBLEMS
from kaslite.tasks.catalogue import Problem
from kaslite.tasks.task import Split
from tests.proving import GROWN, STATIC, prove_tiny, tiny_claim

if TYPE_CHECKING:
    from pathlib import Path

    from kaslite.controllers import Decision, Observation
    from kaslite.experiment.config import RunConfig
    from kaslite.tasks.task import Task

ONE = Scale("one", rng_seeds=range(1), effort=0.03)
READ_THERE = {"test_accuracy", "test_loss", *PROVENANCE, *UNSTABLE}


class Peeker:
    """A controller that grows or not, depending on what the test split holds; it is called with the run's settings."""

    def __init__(self, config: RunConfig) -> None:
        self.task = PROBLEMS[config.problem_type].load(config, config.rng_seed)

    def decide(self, observation: Observation) -> Decision:
        """Germinate if the first test sample is of the second class."""
        dormant = [seed for seed in observation.seeds if seed.state is SeedState.DORMANT]
        if self.task.test.targets[0] and dormant:
            return Germinate(dormant[0].layer, dormant[0].seed, "mlp")
        return Wait("the test split says so")


def scrambled(task: Task) -> Task:
    """Return the task with another test split: its samples mirrored, their targets turned round."""
    targets = task.num_classes - 1 - task.test.targets
    inputs = task.test.inputs.flip(-1)
    return dataclasses.replace(task, test=Split(inputs, targets))


def peekers(claim: Claim, folder: Path, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the arms of which anything but the test's own columns depends on the test split."""
    rows = {}
    load = Problem.load
    for name, change in {"true": lambda task: task, "scrambled": scrambled}.items():
        with monkeypatch.context() as patch:
            patch.setattr(Problem, "load", lambda *arguments, change=change: change(load(*arguments)))
            rows[name] = prove_tiny(claim, folder / name, scale=ONE).rows
    pairs = zip(rows["true"], rows["scrambled"], strict=True)
    return {one["arm"] for one, other in pairs for name in one if not _is_read_there(name) and one[name] != other[name]}


def _is_read_there(name: str) -> bool:
    """Say whether a column holds what is read off the test split, or off an arm that was trained before."""
    return name in READ_THERE or name.startswith("measured_")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, claim in CLAIMS.items() if claim.trials is not None])
def test_no_arm_of_any_claim_peeks_at_the_test_split(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert peekers(CLAIMS[name], tmp_path, monkeypatch) == set()


def test_a_controller_that_peeks_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CONTROLLERS, "peeker", ControllerKind(f"{__name__}:Peeker", "peeks"))
    peeking = Arm("peeking", "", {"controller": "peeker"})
    assert peekers(tiny_claim(GROWN, peeking, STATIC), tmp_path, monkeypatch) == {"peeking"}
