from dataclasses import replace
from functools import reduce
from itertools import pairwise

import pytest

from kaslite.events import GovernorRolledBack, RunFinished, RunResumed, SeedGerminated, SeedRestored
from kaslite.experiment.config import resolve
from kaslite.experiment.run import run
from kaslite.telemetry import read_log
from kaslite.telemetry.analytics import RunTotals, fold_totals
from tests.course import METRICS, course, epoch, moved, started

GROWING = {
    "problem_type": "spirals",
    "n_samples": 300,
    "warm_up_epochs": 3,
    "adaptation_epochs": 60,
    "patience": 4,
    "blend_steps": 20,
}


def totals_of(*events):
    return reduce(fold_totals, events, RunTotals())


def without_end(path):
    return [event for event in read_log(path) if not isinstance(event, RunFinished)]


@pytest.mark.parametrize("rng_seed", [0, 1])
def test_what_the_events_of_a_run_add_up_to_is_what_it_says_itself(tmp_path, rng_seed):
    done = run(resolve({**GROWING, "rng_seed": rng_seed}), tmp_path)
    folded = totals_of(*without_end(done.run_dir / "events.jsonl")).as_dict()
    assert done.metrics["germinated"] >= 1
    wall_s = folded.pop("wall_s")
    assert folded == {name: done.metrics[name] for name in folded}
    assert wall_s == pytest.approx(done.metrics["wall_s"], rel=0.2, abs=0.5)


def test_a_run_that_is_over_says_its_numbers_itself():
    assert totals_of(*course()).as_dict() == METRICS
    assert totals_of(*course()).status == "completed"


def test_a_resumed_run_is_no_longer_over_and_the_time_in_between_does_not_count():
    cut_off = [started(), epoch(1), RunFinished(epoch=1, timestamp=1003.0, status="failed", metrics=None, error="disk full")]
    totals = totals_of(*cut_off)
    assert (totals.status, totals.error, totals.wall_s) == ("failed", "disk full", 3.0)
    totals = totals_of(*cut_off, RunResumed(epoch=1, timestamp=9000.0, last_sequence=2), replace(epoch(2), timestamp=9002.0))
    assert (totals.status, totals.error, totals.wall_s) == ("running", None, 5.0)


def test_a_seeds_parameters_are_the_models_from_its_blend_until_it_is_gone():
    germinated = SeedGerminated(epoch=3, layer="blocks.1", seed=0, blueprint_id="mlp", params=7)
    life = ["dormant", "germinated", "training", "blending", "shadowing", "culled", "embargoed"]
    totals, counted = totals_of(started(), germinated), []
    for before, after in pairwise(life):
        totals = fold_totals(totals, moved(3, before, after))
        counted.append(totals.final_params)
    assert counted == [10, 10, 17, 17, 17, 10]


def test_after_a_rollback_the_model_is_what_it_was():
    germinated = SeedGerminated(epoch=3, layer="blocks.1", seed=0, blueprint_id="mlp", params=7)
    grown = [started(), germinated, moved(3, "training", "blending")]
    seed = SeedRestored(layer="blocks.1", seed=0, state="dormant", blueprint_id=None, alpha=0.0)
    back = GovernorRolledBack(epoch=4, reason="inf", to_epoch=2, seeds=(seed,))
    assert totals_of(*grown, back).final_params == 10


def test_a_config_can_hold_anything_under_the_names_of_totals():
    begun = started()
    odd = replace(begun, config={"problem_type": {"toString": 1}, "rng_seed": "seven"})
    assert (totals_of(odd).problem, totals_of(odd).rng_seed) == (None, None)
    usual = replace(begun, config={"problem_type": "spirals", "rng_seed": 7})
    assert (totals_of(usual).problem, totals_of(usual).rng_seed) == ("spirals", 7)
