from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kaslite.proof.arm import Arm, Trial
from kaslite.proof.job import carry_out, config_digest, plan
from kaslite.seeds import SeededModel
from tests.proving import GROWN, STATIC, TINY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kaslite.experiment.assembly import Experiment
    from kaslite.proof.arm import Lane, Settings


def trial(*arms: Arm) -> Trial:
    return Trial("spirals", TINY, arms)


def test_an_arm_has_the_settings_of_its_trial_then_its_own_then_what_is_derived(tmp_path: Path) -> None:
    def longer(settings: Settings, lane: Lane) -> Settings:
        return {"adaptation_epochs": settings["adaptation_epochs"] + lane["static"].row["epochs"]}

    arm = Arm("longer", "", {"hidden_dim": 5}, derive=longer)
    static = carry_out(plan(trial(STATIC, arm), STATIC, 7, {}, tmp_path))
    config = plan(trial(STATIC, arm), arm, 7, {"static": static}, tmp_path).config
    assert (config.n_samples, config.hidden_dim, config.adaptation_epochs, config.rng_seed) == (80, 5, 2 + 3, 7)


def test_a_measure_sees_the_experiment_as_it_ended(tmp_path: Path) -> None:
    def measure(experiment: Experiment, lane: Lane) -> Mapping[str, float]:
        assert isinstance(experiment.model, SeededModel)
        assert not lane
        return {"measured_epochs": experiment.grower.epoch}

    arm = Arm("watched", "", measure=measure)
    assert carry_out(plan(trial(arm), arm, 0, {}, tmp_path)).row["measured_epochs"] == 3


def test_a_run_that_was_begun_is_gone_on_with(tmp_path: Path) -> None:
    job = plan(trial(GROWN), GROWN, 0, {}, tmp_path)
    first = carry_out(job)
    assert carry_out(job).row == {**first.row, "peak_mib": pytest.approx(first.row["peak_mib"], abs=50)}
    assert len(list(job.directory.path.parent.iterdir())) == 1


def test_the_digest_is_of_the_settings_and_of_those_of_the_run_that_it_starts_from(tmp_path: Path) -> None:
    config = plan(trial(GROWN), GROWN, 0, {}, tmp_path).config
    assert config_digest(config) != config_digest(config.model_copy(update={"lr": 0.5}))
    starts = []
    for folder, epochs in (("here", 1), ("there", 1), ("longer", 2)):
        first = Arm("first", "", {"acc_threshold": 0.0, "adaptation_epochs": epochs})
        run_dir = carry_out(plan(trial(first), first, 0, {}, tmp_path / folder)).run_dir
        starts.append(config_digest(config.model_copy(update={"host_from": run_dir.path})))
    here, there, longer = starts
    assert here == there != longer


def test_arms_train_as_long_as_planned_even_if_they_are_solved(tmp_path: Path) -> None:
    assert not plan(trial(GROWN), GROWN, 0, {}, tmp_path).config.stop_when_solved
