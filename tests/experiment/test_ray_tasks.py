"""On a real Ray cluster of this machine."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import kaslite
from kaslite.experiment.ray_tasks import RayTasks

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Job:
    number: int
    fate: str = "well"

    @property
    def title(self) -> str:
        return f"job {self.number}"


def carry_out(job: Job) -> tuple[int, int, str]:
    if job.fate == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if job.fate == "is refused":
        raise kaslite.UsageError("not like this.")
    if job.fate == "stumbles":
        raise ZeroDivisionError("by nothing")
    if job.fate == "lasts":
        Path("begun").touch()
        time.sleep(60)
        Path("ended").touch()
    return job.number, os.getpid(), str(Path.cwd())


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RayTasks[Job, tuple[int, int, str]]]:
    pytest.importorskip("ray")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with RayTasks(carry_out, cores=2) as begun:
        yield begun


@pytest.mark.slow
def test_jobs_run_side_by_side_where_they_come_from_and_each_comes_back_with_its_own_outcome(
    tasks: RayTasks[Job, tuple[int, int, str]], tmp_path: Path
) -> None:
    assert tasks.cores == 2
    fates = {3: "well", 4: "well", 5: "is refused", 6: "stumbles", 7: "dies"}
    for number, fate in fates.items():
        tasks.start(Job(number, fate))
    done = {job.number: outcome for job, outcome in (tasks.next_done() for _ in fates)}
    assert {number: outcome[::2] for number, outcome in done.items() if isinstance(outcome, tuple)} == {
        3: (3, str(tmp_path)),
        4: (4, str(tmp_path)),
    }
    assert {type(done[number]) for number in (5, 6, 7)} <= {kaslite.UsageError, kaslite.KasliteError}
    assert [str(done[5]), str(done[6])] == ["not like this.", "the run of job 6 failed: ZeroDivisionError('by nothing')."]
    assert "the task of job 7 died on the Ray cluster" in str(done[7])


@pytest.mark.slow
def test_what_still_runs_ends_with_the_tasks(tasks: RayTasks[Job, tuple[int, int, str]], tmp_path: Path) -> None:
    tasks.start(Job(0, "lasts"))
    deadline = time.monotonic() + 180
    while not (tmp_path / "begun").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    tasks.__exit__()
    assert not sys.modules["ray"].is_initialized()
    assert not (tmp_path / "ended").exists()


def test_a_cluster_that_is_not_there_is_told_with_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    with pytest.raises(kaslite.KasliteError, match=r"no Ray cluster answers at 127\.0\.0\.1:9 \(RAY_ADDRESS\)"):
        RayTasks(carry_out, cores=1)


def test_without_ray_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(kaslite.UsageError, match=r"pip install kaslite\[ray\]"):
        RayTasks(carry_out, cores=1)
