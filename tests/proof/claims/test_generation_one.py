from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from kaslite.proof.arm import Scale, Table
from kaslite.proof.claims.generation_one import judge, trials
from kaslite.proof.finding import overall

(TRIAL,) = trials(Scale("full", rng_seeds=range(10)))


def table(grown: float, best_control: float) -> Table:
    """Return rows in which `grown` and one of the controls have these accuracies."""
    accuracies = {arm.name: 0.5 for arm in TRIAL.arms} | {"grown": grown, "scratch_flops": best_control}
    return Table(
        [
            {"trial": TRIAL.name, "arm": arm, "rng_seed": seed, "val_accuracy": value + noise, "test_accuracy": value + noise}
            for arm, value in accuracies.items()
            for seed in range(10)
            for noise in [seed * 1e-4 * (arm == "grown")]
        ]
    )


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        (table(grown=0.98, best_control=0.97), "shown"),
        (table(grown=0.96, best_control=0.95), "shown against"),  # above every control, and not good enough
        (table(grown=0.98, best_control=0.99), "shown against"),  # good enough, and a control is better
    ],
)
def test_the_accuracy_has_to_reach_the_bar_and_lie_above_every_control(rows: Table, verdict: str) -> None:
    assert overall(judge(rows)) == verdict


def test_the_data_and_the_epochs_are_those_of_the_example() -> None:
    example = yaml.safe_load(Path("examples/generation1.yaml").read_text(encoding="utf-8"))
    (host,) = (arm.settings for arm in TRIAL.arms if arm.name == "generation1")
    assert not example.pop("stop_when_solved")  # as in every arm
    assert example.items() <= {**TRIAL.settings, **host}.items()
