from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import pytest

import kaslite
from kaslite.experiment.workers import InThisProcess
from kaslite.sweeps.directory import SweepDirectory
from kaslite.sweeps.plan import base_settings
from kaslite.sweeps.runner import sweep
from kaslite.sweeps.search import SearchSource
from kaslite.sweeps.sweeping import SweepPlan, plan_sweep
from tests.sweeping import TINY, begun, results, swept, written

if TYPE_CHECKING:
    from pathlib import Path

    from kaslite.sweeps.job import Job

RANGES = (
    "ranges: {lr: {low: 1e-3, high: 1e-1, log: true}, hidden_dim: {low: 4, high: 8}, "
    "blueprints: {choices: [mlp, [mlp, low_rank]]}}"
)
SEARCH = f"rng_seed: 3\nsearch: {{n_trials: 4, pruner: none, {RANGES}}}\n"


def test_a_search_tries_settings_within_its_ranges_and_remembers_them(tmp_path: Path) -> None:
    directory = begun(written(tmp_path, SEARCH), tmp_path)
    comparison = swept(directory)
    tried = [run.planned.settings for run in comparison.outcomes]
    assert len(tried) == 4
    assert all(0.001 <= settings["lr"] <= 0.1 and settings["hidden_dim"] in range(4, 9) for settings in tried)
    assert all(settings["blueprints"] in (["mlp"], ["mlp", "low_rank"]) for settings in tried)
    assert len({settings["lr"] for settings in tried}) == 4
    assert len(list(csv.DictReader(directory.summary.read_text().splitlines()))) == 4
    assert results(swept(directory)) == results(comparison)  # and nothing is asked for again


def test_one_process_searches_the_same_again_from_the_same_rng_seed(tmp_path: Path) -> None:
    source = written(tmp_path, SEARCH)
    assert results(swept(begun(source, tmp_path))) == results(swept(begun(source, tmp_path)))


def test_two_objectives_are_sought_together(tmp_path: Path) -> None:
    search = "search: {n_trials: 3, objectives: [val_accuracy, final_params], ranges: {hidden_dim: {low: 4, high: 16}}}\n"
    directory = begun(written(tmp_path, search), tmp_path)
    assert swept(directory).objectives == ("val_accuracy", "final_params")
    assert "beaten by none in val_accuracy and final_params together" in directory.comparison.read_text()


def test_runs_without_promise_are_given_up_and_recorded_as_such(tmp_path: Path) -> None:
    search = (
        "search: {n_trials: 8, objectives: [val_loss], pruner: hyperband, ranges: {lr: {choices: [0.01, 1e-6, 1e-7, 1e-8]}}}\n"
    )
    directory = begun(written(tmp_path, search), tmp_path, adaptation_epochs=17)
    pruned = [run for run in swept(directory).outcomes if run.status == "pruned"]
    assert pruned
    assert all("given up after epoch" in str(run.error) and run.metrics is None for run in pruned)
    assert results(swept(directory))  # they are known again
    assert ",pruned," in directory.summary.read_text()


def test_a_run_that_is_at_its_last_epoch_is_not_given_up(tmp_path: Path) -> None:
    search = (
        "search: {n_trials: 9, objectives: [val_loss], pruner: hyperband, ranges: {lr: {choices: [0.01, 1e-6, 1e-7, 1e-8]}}}\n"
    )
    outcomes = swept(begun(written(tmp_path, search), tmp_path)).outcomes
    assert not any("given up after epoch 3" in str(run.error) for run in outcomes)


def test_steps_end_where_the_range_does_and_nothing_is_warned_of(tmp_path: Path) -> None:
    ranges = "{lr: {low: 0.1, high: 0.25, step: 0.1}, hidden_dim: {low: 4, high: 9, step: 3}}"
    search = f"search: {{n_trials: 4, sampler: random, ranges: {ranges}}}\n"
    tried = [run.planned.settings for run in swept(begun(written(tmp_path, search), tmp_path)).outcomes]
    assert {settings["lr"] for settings in tried} <= {0.1, 0.2}
    assert {settings["hidden_dim"] for settings in tried} <= {4, 7}


def source_of(directory: SweepDirectory) -> SearchSource:
    plan = SweepPlan.from_json(directory.read_plan())
    (planned,) = plan.searches
    journal = plan.storage or directory.journal
    return SearchSource(
        planned.file, planned.search, plan.base, directory, owner=plan.owner, journal=journal, first=planned.first, width=3
    )


def test_a_search_that_was_killed_goes_on_with_the_trials_that_it_had_begun(tmp_path: Path) -> None:
    directory = begun(written(tmp_path, SEARCH), tmp_path)
    begun_there = source_of(directory)
    names = [job.planned.name for job in (begun_there.next(), begun_there.next()) if job is not None]
    comparison = swept(directory)
    assert [run.planned.name for run in comparison.outcomes][:2] == names
    assert len(comparison.outcomes) == 4


def test_machines_share_the_trials_of_one_storage(tmp_path: Path) -> None:
    file, storage = written(tmp_path, SEARCH), tmp_path / "shared" / "trials.journal"
    plans = [plan_sweep(file, base_settings(TINY), storage=storage) for _ in range(2)]
    first, second = (SweepDirectory.create(tmp_path, plan.as_json()) for plan in plans)
    elsewhere = source_of(first)
    job = elsewhere.next()
    assert job is not None
    here = swept(second)
    assert len(here.outcomes) == 3
    assert job.planned.name not in results(here)
    assert {run.planned.settings["lr"] for run in here.outcomes}.isdisjoint({job.planned.settings["lr"]})


def test_settings_that_do_not_go_together_fail_alone(tmp_path: Path) -> None:
    search = (
        "search: {n_trials: 8, sampler: random, pruner: none, ranges: {rewarm_epochs: {choices: [1, [1, 3]]}, "
        "adaptation_epochs: {choices: [4, 1]}}}\nlr_warm_up: 1\n"
    )
    directory = begun(written(tmp_path, search), tmp_path)
    outcomes = swept(directory).outcomes
    assert {run.status for run in outcomes} == {"completed", "failed"}
    assert all("rewarm_epochs holds 3" in str(run.error) for run in outcomes if run.status == "failed")


def test_a_storage_of_other_objectives_is_refused(tmp_path: Path) -> None:
    storage = tmp_path / "trials.journal"
    for objectives, fails in (("[val_accuracy]", False), ("[val_loss]", True)):
        text = f"search: {{n_trials: 1, objectives: {objectives}, ranges: {{lr: {{low: 0.1, high: 0.2}}}}}}\n"
        plan = plan_sweep(written(tmp_path, text), base_settings(TINY), storage=storage)
        directory = SweepDirectory.create(tmp_path, plan.as_json())
        if fails:
            with pytest.raises(kaslite.UsageError, match="has other objectives; choose another --storage"):
                swept(directory)
        else:
            swept(directory)


def test_a_storage_that_has_all_trials_already_or_is_damaged_is_told(tmp_path: Path) -> None:
    file, storage = written(tmp_path, SEARCH), tmp_path / "trials.journal"
    plans = [plan_sweep(file, base_settings(TINY), storage=storage) for _ in range(2)]
    first, second = (SweepDirectory.create(tmp_path, plan.as_json()) for plan in plans)
    swept(first)
    with pytest.raises(kaslite.UsageError, match=r"has all 4 trials of .* already; raise n_trials"):
        swept(second)
    storage.write_text("{damaged\n" + storage.read_text())
    with pytest.raises(kaslite.KasliteError, match="is damaged"):
        swept(second)


def test_searches_of_one_name_and_other_ranges_do_not_mix(tmp_path: Path) -> None:
    storage = tmp_path / "trials.journal"
    for high in (0.2, 0.3):
        text = f"search: {{n_trials: 1, ranges: {{lr: {{low: 0.1, high: {high}}}}}}}\n"
        plan = plan_sweep(written(tmp_path, text), base_settings(TINY), storage=storage)
        assert len(swept(SweepDirectory.create(tmp_path, plan.as_json())).outcomes) == 1


def test_without_optuna_the_remedy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(kaslite.UsageError, match=r"pip install kaslite\[search\]"):
        swept(begun(written(tmp_path, SEARCH), tmp_path))


def test_a_result_without_the_objective_counts_for_nothing_in_the_search_and_stays_a_result(tmp_path: Path) -> None:
    def unmeasured(_: Job) -> dict[str, Any]:
        return {"val_accuracy": None, "val_loss": 0.5, "wall_s": 0.0}

    directory = begun(written(tmp_path, SEARCH), tmp_path)
    comparison = sweep(directory, [source_of(directory)], InThisProcess(unmeasured), at_once=1, tell=lambda *_: None)
    assert len(comparison.outcomes) == 4
