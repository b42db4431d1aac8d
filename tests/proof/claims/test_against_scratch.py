from __future__ import annotations

import pytest

from kaslite.proof.arm import Scale, Table
from kaslite.proof.claims.against_scratch import judge, trials
from kaslite.proof.finding import overall

FULL = Scale("full", rng_seeds=range(10))


def table(accuracy: float = 0.0, flops: float = 0.0, spirals: float = 0.0) -> Table:
    """Return rows in which a grown network is so much more accurate, and so much dearer; on spirals, so much more besides."""
    rows = []
    for trial in trials(FULL):
        for arm in trial.arms:
            grown = arm.name == "grown"
            for seed in range(10):
                gain = (accuracy + spirals * (trial.name == "spirals")) * grown
                rows.append(
                    {"trial": trial.name, "arm": arm.name, "rng_seed": seed, "test_accuracy": 0.9 + gain * (1 + seed / 100),
                     "test_loss": 1.0, "train_flops": 100 + (flops - 1) * grown, "eval_flops": grown}
                )  # fmt: skip
    return Table(rows)


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        (table(accuracy=0.02, flops=-20), "shown"),
        (table(accuracy=0.02, flops=+20), "shown against"),  # more accurate, and dearer
        (table(accuracy=0.0, flops=-20), "not shown"),
        (table(accuracy=0.02, flops=-20, spirals=-0.04), "shown against"),  # on one task only
    ],
)
def test_a_network_that_grows_has_to_be_better_and_cheaper_on_both_tasks(rows: Table, verdict: str) -> None:
    assert overall(judge(rows)) == verdict


def test_evaluations_are_part_of_what_control_costs() -> None:
    dear = table(accuracy=0.02, flops=0.0)
    for row in dear.rows:
        row["eval_flops"] *= 50
    assert overall(judge(dear)) == "shown against"


def test_every_control_of_the_proof_is_an_arm() -> None:
    arms = {arm.name for arm in trials(FULL)[0].arms}
    assert arms >= {
        "static", "scratch", "scratch_flops", "random", "periodic", "replay", "no_shadow", "no_ramp", "reset_moments",
        "rewarmed", "width_8", "width_64",
    }  # fmt: skip


def test_what_is_quick_still_leaves_time_to_grow() -> None:
    for trial in trials(Scale("quick", range(5), effort=0.05)):
        settings = trial.settings
        assert settings["patience"] < settings["adaptation_epochs"]
