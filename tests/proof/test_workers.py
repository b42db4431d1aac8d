from __future__ import annotations

import multiprocessing
import os
import signal
from typing import TYPE_CHECKING

import pytest

import kaslite
from kaslite.proof.arm import Arm, Trial
from kaslite.proof.job import plan
from kaslite.proof.workers import InThisProcess, Processes
from tests.proving import TINY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kaslite.experiment.assembly import Experiment
    from kaslite.proof.arm import Lane, Measure
    from kaslite.proof.job import Job


def job(folder: Path, measure: Measure | None = None, rng_seed: int = 0) -> Job:
    arm = Arm("static", "", {"acc_threshold": 0.0}, measure=measure)
    return plan(Trial("spirals", TINY, (arm,)), arm, rng_seed, {}, folder)


def die(_: Experiment, __: Lane) -> Mapping[str, float]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def stumble(_: Experiment, __: Lane) -> Mapping[str, float]:
    return {"measured": 1 / 0}


def which_process(_: Experiment, __: Lane) -> Mapping[str, float]:
    return {"measured_process": os.getpid()}


def test_in_this_process_jobs_are_done_in_the_order_in_which_they_began(tmp_path: Path) -> None:
    with InThisProcess() as workers:
        for rng_seed in (3, 4):
            workers.start(job(tmp_path, which_process, rng_seed))
        done = [workers.next_done()[1].row for _ in range(2)]
    assert [(row["rng_seed"], row["measured_process"]) for row in done] == [(3, os.getpid()), (4, os.getpid())]


@pytest.mark.slow
def test_each_job_has_a_process_of_its_own_and_comes_back_with_its_own_outcome(tmp_path: Path) -> None:
    with Processes() as workers:
        for rng_seed in (3, 4):
            workers.start(job(tmp_path, which_process, rng_seed))
        done = [workers.next_done() for _ in range(2)]
    assert {job.rng_seed for job, _ in done} == {3, 4}
    assert all(job.rng_seed == outcome.row["rng_seed"] for job, outcome in done)
    assert len({outcome.row["measured_process"] for _, outcome in done} | {os.getpid()}) == 3


@pytest.mark.slow
def test_a_process_that_dies_is_told_and_the_others_end_with_it(tmp_path: Path) -> None:
    with Processes() as workers:
        workers.start(job(tmp_path, die))
        with pytest.raises(kaslite.KasliteError, match="process of spirals, static, rng seed 0 died"):
            workers.next_done()
        workers.start(job(tmp_path, rng_seed=1))
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_what_a_job_stumbles_over_is_told_in_a_sentence(tmp_path: Path) -> None:
    with Processes() as workers:
        workers.start(job(tmp_path, stumble))
        with pytest.raises(kaslite.KasliteError, match=r"run of spirals, static, rng seed 0 failed: ZeroDivisionError"):
            workers.next_done()
