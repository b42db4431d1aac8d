from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from kaslite.controllers import Planned
from kaslite.proof.arm import Scale, Table
from kaslite.proof.claims.depth_growth import BUDGETS, DEPTH_GROWTH, blocks_at, judge, trials
from kaslite.proof.finding import overall

if TYPE_CHECKING:
    from collections.abc import Mapping

FULL = Scale("full", rng_seeds=range(10))
ONE_BLOCK, FOUR_BLOCKS = 40, 150


def lane(scratch_epochs: int) -> dict[str, Any]:
    """Return outcomes in which an epoch of one block costs 40, and one of four 150."""
    rows = {
        "pilot": {"train_flops": ONE_BLOCK, "epochs": 1},
        "scratch": {"train_flops": FOUR_BLOCKS * scratch_epochs, "epochs": scratch_epochs},
    }
    return {name: SimpleNamespace(row=row) for name, row in rows.items()}


def derived(arm: str, scratch_epochs: int) -> Mapping[str, Any]:
    (found,) = (each for each in trials(FULL)[0].arms if each.name == arm)
    assert found.derive is not None
    return found.derive({}, lane(scratch_epochs))


@pytest.mark.parametrize("scratch_epochs", list(BUDGETS.values()))
def test_growing_never_costs_more_than_the_final_depth_from_scratch(scratch_epochs: int) -> None:
    epochs = derived("grown", scratch_epochs)["adaptation_epochs"]

    def cost(of: int) -> float:
        return sum(ONE_BLOCK + (FOUR_BLOCKS - ONE_BLOCK) * (blocks_at(epoch, of) - 1) / 3 for epoch in range(1, of + 1))

    assert cost(epochs) <= FOUR_BLOCKS * scratch_epochs < cost(epochs + 1)


def test_one_block_becomes_two_and_then_four_in_places_one_after_the_other() -> None:
    settings = derived("grown", 20)
    plan = [Planned.parse(text) for text in settings["schedule"]]
    epochs = settings["adaptation_epochs"]
    assert [(planned.layer, planned.blueprint) for planned in plan] == [(f"blocks.{k}", "block") for k in (1, 2, 3)]
    for epoch in range(1, epochs + 1):  # what is planned for the end of an epoch is there from the next on
        assert blocks_at(epoch, epochs) == 1 + sum(planned.epoch < epoch for planned in plan)


def test_one_block_is_trained_for_as_long_as_four_pay_for() -> None:
    assert derived("host", 20)["adaptation_epochs"] == 20 * FOUR_BLOCKS // ONE_BLOCK


def test_the_budgets_are_that_of_the_lead_its_half_and_its_double() -> None:
    assert [2 * BUDGETS["small"], BUDGETS["middle"], BUDGETS["large"] // 2] == [BUDGETS["middle"]] * 3


def table(**losses: float) -> Table:
    """Return rows in which each arm has a loss of 1.3, or the one that is given as trial_arm, with a little noise."""
    rows = []
    for trial in trials(FULL):
        for arm in trial.arms:
            loss, noise = losses.get(f"{trial.name}_{arm.name}", 1.3), 1e-3 * (arm.name == "grown")
            names = {"trial": trial.name, "arm": arm.name}
            rows += [{**names, "rng_seed": seed, "test_loss": loss + noise * seed} for seed in range(10)]
    return Table(rows)


@pytest.mark.parametrize(
    ("losses", "verdict"),
    [
        ({"middle_grown": 1.25}, "shown"),
        ({"middle_grown": 1.25, "large_scratch": 1.2}, "shown against"),  # better at equal FLOPs, and saves no half of them
        ({}, "shown against"),
        ({"middle_grown": 1.25, "small_grown": 1.4, "large_grown": 1.4, "middle_host": 1.1}, "shown"),  # told, beside the claim
    ],
)
def test_the_claim_rests_on_equal_flops_and_on_half_of_them_at_its_own_budget(losses: dict[str, float], verdict: str) -> None:
    assert overall(judge(table(**losses))) == verdict


def test_the_first_finding_is_that_of_the_claims_budget() -> None:
    assert DEPTH_GROWTH.judge is judge
    assert judge(table())[0].says.startswith("middle budget")
