from __future__ import annotations

import math
import pickle

import pytest
from scipy.stats import binom

from kaslite.blueprints import names
from kaslite.proof import calibration
from kaslite.proof.calibration import (
    HOSTS,
    KINDS,
    USELESS,
    Trial,
    config_of,
    false_culls,
    false_fossilizations,
    rate,
    run_trial,
    trials,
    verdict_of,
    worth,
)


@pytest.fixture
def quick(monkeypatch) -> str:
    """Add a host with which a trial takes a second."""
    settings = {"problem_type": "spirals", "n_samples": 120, "rotations": 1.0, "hidden_dim": 4, "warm_up_epochs": 2}
    monkeypatch.setitem(calibration.HOSTS, "quick", {**settings, "trial_epochs": 3, "blend_steps": 6})
    return "quick"


def row(kind: str, verdict: str, evidence: str = "twin", rng_seed: int = 0) -> dict:
    return {"host": "digits_16", "kind": kind, "evidence": evidence, "rng_seed": rng_seed, "verdict": verdict, "lower": 0.1}


def worth_of(rng_seed: int, lower: float, share: float) -> dict:
    return {"host": "digits_16", "kind": "mlp", "rng_seed": rng_seed, "lower": lower, "share": share}


def test_the_grid_holds_every_trial_once() -> None:
    grid = trials(range(3))
    assert len(set(grid)) == len(grid) == len(HOSTS) * len(KINDS) * 2 * 3
    assert pickle.loads(pickle.dumps(grid)) == grid  # noqa: S301  they go to worker processes


def test_a_trial_is_about_its_one_seed_alone() -> None:
    config = config_of(Trial("digits_16", "planted_noise", "twin", 7))
    assert (config.hidden_dim, config.blueprints, config.evidence, config.rng_seed) == (16, ("planted_noise",), "twin", 7)
    assert config.embargo_epochs >= config.adaptation_epochs


def test_a_trial_lasts_longer_than_any_seed_can_stay_on_it() -> None:
    for trial in trials([0]):
        config = config_of(trial)
        assert calibration.WAIT_EPOCHS + 2 * config.trial_epochs + 20 < calibration.LIMIT_EPOCHS


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [
        ({}, "undecided"),
        ({"seed_germinated": 1}, "undecided"),
        ({"seed_culled": 1}, "culled"),
        ({"seed_fossilized": 1}, "fossilized"),
    ],
)
def test_the_verdict_is_read_off_the_events(counts, verdict) -> None:
    assert verdict_of(counts) == verdict


@pytest.mark.parametrize("evidence", ["twin", "removal"])
def test_a_trial_ends_with_a_verdict_and_the_numbers_behind_it(quick, evidence) -> None:
    outcome = run_trial(Trial(quick, "planted_jolt", evidence, 0))
    assert (outcome["verdict"], outcome["kind"], outcome["evidence"]) == ("culled", "planted_jolt", evidence)
    assert outcome["lower"] <= outcome["mean"] <= outcome["upper"]
    assert (outcome["margin"] > 0) == (evidence == "twin")
    assert all(isinstance(value, str | int | float) for value in outcome.values())
    assert not set(USELESS) & set(names())


def test_the_same_trial_ends_the_same(quick) -> None:
    trial = Trial(quick, "planted_noise", "twin", 1)
    assert run_trial(trial) == run_trial(trial)


def test_what_nothing_adds_is_worth_nothing(quick) -> None:
    measured = worth(quick, "planted_jolt", 0, epochs=20)
    assert abs(measured["share"]) < 0.05


def test_a_worth_is_measured_against_a_run_that_never_grew(quick) -> None:
    measured = worth(quick, "mlp", 0, epochs=30)
    assert measured["lower"] < measured["mean"] < measured["upper"]
    assert measured["mean"] != 0


@pytest.mark.parametrize(("count", "of"), [(0, 30), (1, 30), (15, 30), (30, 30), (3, 200)])
def test_an_interval_holds_each_share_under_which_the_count_is_not_rare(count, of) -> None:
    found = rate(count, of)
    assert found.mean == count / of
    if count:
        assert binom.sf(count - 1, of, found.lower) == pytest.approx(0.025)
    if count < of:
        assert binom.cdf(count, of, found.upper) == pytest.approx(0.025)


def test_known_rates_of_a_textbook_come_out() -> None:
    found = rate(4, 20)
    assert (found.mean, found.lower, found.upper) == pytest.approx((0.2, 0.0573, 0.4366), abs=1e-4)


def test_useless_seeds_that_were_kept_are_counted_whatever_their_kind() -> None:
    rows = [row(kind, "fossilized" if kind == "planted_noise" else "culled") for kind in (*KINDS, *USELESS, *USELESS)]
    rows += [
        row("planted_random", "undecided"),
        row("planted_random", "fossilized", evidence="removal"),
        row("mlp", "fossilized"),
    ]
    assert false_fossilizations(rows, "twin") == rate(3, 10)
    assert false_fossilizations(rows, "removal") == rate(1, 1)


def test_a_seed_that_was_never_judged_counts_for_nothing() -> None:
    unjudged = {**row("planted_random", "undecided"), "lower": None}
    assert false_fossilizations([unjudged, row("planted_random", "culled")], "twin") == rate(0, 1)
    nothing = false_fossilizations([unjudged], "twin")
    assert math.isnan(nothing.mean)
    assert (nothing.lower, nothing.upper) == (0.0, 1.0)


def test_only_seeds_that_are_surely_useful_can_be_lost() -> None:
    verdicts = ["culled", "fossilized", "undecided", "culled", "culled"]
    rows = [row("mlp", verdict, rng_seed=index) for index, verdict in enumerate(verdicts)]
    worths = [
        worth_of(0, 0.1, 0.5),
        worth_of(1, 0.1, 0.5),
        worth_of(2, 0.1, 0.1),
        worth_of(3, -0.1, 0.5),
        worth_of(4, 0.1, 0.05),
    ]
    assert false_culls(rows, worths, "twin") == rate(2, 3)
