from __future__ import annotations

from typing import TYPE_CHECKING, final

import pytest

from kaslite.errors import StoppedError
from kaslite.events import EpochCompleted, RunFinished
from kaslite.experiment.config import resolve
from kaslite.experiment.run import run
from kaslite.sweeps.job import Job, carry_out
from kaslite.sweeps.plan import plan_grid
from kaslite.sweeps.sweep_file import read_sweep_files
from kaslite.telemetry import read_log
from tests.sweeping import TINY, written

if TYPE_CHECKING:
    from pathlib import Path

    from kaslite.events import Event
    from kaslite.sweeps.job import Watch


@final
class StopsAfterOne:
    def write(self, event: Event) -> None:
        if isinstance(event, EpochCompleted):
            raise StoppedError("that is enough.")

    def close(self) -> None:
        pass


def job(folder: Path, *watches: Watch) -> Job:
    (file,) = read_sweep_files(written(folder, "lr: 0.01\n"))
    (planned,) = plan_grid(file, TINY, first=1, width=3)
    return Job(planned, folder, watches)


def test_a_run_of_a_sweep_is_the_run_that_would_be_made_alone(tmp_path: Path) -> None:
    metrics = carry_out(job(tmp_path))
    alone = run(resolve({**TINY, "lr": 0.01}), tmp_path / "alone").metrics
    assert {**metrics, "wall_s": None} == {**alone, "wall_s": None}


def test_a_finished_run_is_left_as_it_is(tmp_path: Path) -> None:
    first = carry_out(job(tmp_path))
    log = job(tmp_path).directory.events.read_bytes()
    assert carry_out(job(tmp_path)) == first
    assert job(tmp_path).directory.events.read_bytes() == log


def test_who_watches_a_run_may_stop_it_and_the_log_says_why(tmp_path: Path) -> None:
    stopped = job(tmp_path, lambda _: [StopsAfterOne()])
    with pytest.raises(StoppedError, match=r"that is enough\."):
        carry_out(stopped)
    last = list(read_log(stopped.directory.events))[-1]
    assert isinstance(last, RunFinished)
    assert (last.epoch, last.status, last.error) == (1, "interrupted", "that is enough.")
