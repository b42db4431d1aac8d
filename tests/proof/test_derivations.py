from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kaslite.controllers import Planned
from kaslite.proof.arm import Arm, Trial
from kaslite.proof.derivations import (
    final_topology,
    periodic_growth,
    random_growth,
    replay,
    rewarmed,
    same_flops,
    spent,
)
from kaslite.proof.growth import germinations, kept
from kaslite.proof.job import carry_out, plan
from kaslite.telemetry import read_log

if TYPE_CHECKING:
    from kaslite.proof.arm import Outcome

GROWING = {
    "problem_type": "spirals", "n_samples": 100, "hidden_dim": 6, "warm_up_epochs": 2, "adaptation_epochs": 24, "patience": 3,
    "delta": 1.0, "shadow_epochs": 1, "trial_epochs": 6, "blend_steps": 4, "embargo_epochs": 2,
}  # fmt: skip
ARMS = (
    Arm("grown", ""),
    Arm("scratch", "", derive=final_topology("grown")),
    Arm("scratch_flops", "", derive=same_flops("grown", like="scratch")),
    Arm("random", "", derive=random_growth("grown")),
    Arm("periodic", "", derive=periodic_growth("grown")),
    Arm("replay", "", derive=replay("grown")),
    Arm("rewarmed", "", derive=rewarmed("grown", 5)),
)


@pytest.fixture(scope="module")
def lane(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """Return what comes out of all arms; the one that grows keeps some seeds and culls some."""
    lane: dict[str, Outcome] = {}
    trial = Trial("spirals", GROWING, ARMS)
    for arm in ARMS:
        lane[arm.name] = carry_out(plan(trial, arm, 1, lane, tmp_path_factory.getbasetemp() / "lane"))
    assert lane["grown"].row["culled"]
    assert kept(read_log(lane["grown"].run_dir.events))
    return lane


def planned(lane: dict[str, Outcome], arm: str) -> list[Planned]:
    return [Planned.parse(text) for text in lane[arm].config.schedule]


def grown(lane: dict[str, Outcome]) -> list[Planned]:
    return kept(read_log(lane["grown"].run_dir.events))


def test_from_scratch_is_what_was_grown_and_all_of_it_is_there_from_the_start(lane: dict[str, Outcome]) -> None:
    assert {(p.layer, p.seed, p.blueprint) for p in planned(lane, "scratch")} == {
        (p.layer, p.seed, p.blueprint) for p in grown(lane)
    }
    assert {p.epoch for p in planned(lane, "scratch")} == {0}
    assert lane["scratch"].row["final_params"] == lane["grown"].row["final_params"]
    assert lane["scratch"].row["epochs"] == lane["grown"].row["epochs"]


def test_at_equal_flops_the_control_gets_all_that_was_spent_and_less_than_an_epoch_more(lane: dict[str, Outcome]) -> None:
    paid, control = spent(lane["grown"].row), lane["scratch_flops"].row
    assert paid <= control["train_flops"] <= paid + 1.05 * control["train_flops"] / control["epochs"]
    assert control["final_params"] == lane["grown"].row["final_params"]


def test_replay_grows_the_same_at_the_same_epochs_and_tries_nothing_else(lane: dict[str, Outcome]) -> None:
    assert set(planned(lane, "replay")) == set(grown(lane))
    assert lane["replay"].row["germinated"] == len(grown(lane)) < lane["grown"].row["germinated"]
    assert lane["replay"].row["final_params"] == lane["grown"].row["final_params"]


@pytest.mark.parametrize("arm", ["random", "periodic"])
def test_blind_growth_has_as_many_germinations_while_something_can_come_of_them(lane: dict[str, Outcome], arm: str) -> None:
    tried = len(germinations(read_log(lane["grown"].run_dir.events)))
    places = [(p.layer, p.seed) for p in planned(lane, arm)]
    assert len(places) == len(set(places)) == min(tried, 3)  # three layers of one seed
    assert all(2 < p.epoch <= 2 + 0.8 * 24 for p in planned(lane, arm))
    assert lane[arm].row["germinated"] == len(places)


def test_rewarming_follows_the_germinations_and_nothing_grows(lane: dict[str, Outcome]) -> None:
    epochs = {p.epoch for p in germinations(read_log(lane["grown"].run_dir.events))}
    assert set(lane["rewarmed"].config.rewarm_epochs) == epochs
    assert lane["rewarmed"].row["germinated"] == 0


def test_random_growth_differs_between_rng_seeds(lane: dict[str, Outcome]) -> None:
    derive = random_growth("grown")
    assert len({tuple(derive({"rng_seed": rng_seed}, lane)["schedule"]) for rng_seed in range(5)}) > 1
    assert derive({"rng_seed": 3}, lane) == derive({"rng_seed": 3}, lane)
