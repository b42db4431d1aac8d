from __future__ import annotations

import multiprocessing
import os
import signal
from dataclasses import dataclass

import pytest

import kaslite
from kaslite.experiment.workers import InThisProcess, Processes, Workers


@dataclass(frozen=True)
class Job:
    number: int
    fate: str = "well"

    @property
    def title(self) -> str:
        return f"job {self.number}"


def carry_out(job: Job) -> tuple[int, int]:
    if job.fate == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if job.fate == "stumbles":
        raise ZeroDivisionError("by nothing")
    if job.fate == "is refused":
        raise kaslite.UsageError("not like this.")
    return job.number, os.getpid()


def test_in_this_process_jobs_are_done_in_the_order_in_which_they_began() -> None:
    with InThisProcess(carry_out) as workers:
        for number in (3, 4):
            workers.start(Job(number))
        assert [workers.next_done() for _ in range(2)] == [(Job(n), (n, os.getpid())) for n in (3, 4)]


@pytest.mark.slow
def test_each_job_has_a_process_of_its_own_and_comes_back_with_its_own_outcome() -> None:
    with Processes(carry_out) as workers:
        for number in (3, 4):
            workers.start(Job(number))
        done = dict(workers.next_done() for _ in range(2))
    assert {job.number: outcome[0] for job, outcome in done.items()} == {3: 3, 4: 4}
    assert len({outcome[1] for outcome in done.values()} | {os.getpid()}) == 3


@pytest.mark.slow
def test_a_process_that_dies_is_told_and_the_others_end_with_the_workers() -> None:
    with Processes(carry_out) as workers:
        workers.start(Job(0, "dies"))
        _, outcome = workers.next_done()
        assert "the process of job 0 died" in str(outcome)
        workers.start(Job(1))
    assert not multiprocessing.active_children()


@pytest.mark.slow
@pytest.mark.parametrize("crew", [InThisProcess, Processes])
@pytest.mark.parametrize(
    ("fate", "complaint"),
    [("stumbles", r"the run of job 0 failed: ZeroDivisionError\('by nothing'\)\."), ("is refused", "^not like this.$")],
)
def test_what_a_job_stumbles_over_comes_back_as_a_sentence(
    crew: type[Workers[Job, tuple[int, int]]], fate: str, complaint: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with crew(carry_out) as workers:  # type: ignore[call-arg]
        workers.start(Job(0, fate))
        _, outcome = workers.next_done()
    assert isinstance(outcome, kaslite.KasliteError)
    with pytest.raises(kaslite.KasliteError, match=complaint):
        raise outcome
    capfd.readouterr()
