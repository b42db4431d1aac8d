from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

import kaslite
from kaslite.experiment.workers import InThisProcess
from kaslite.sweeps.runner import Grid, sweep
from kaslite.sweeps.sweeping import SweepPlan
from tests.sweeping import begun, written

if TYPE_CHECKING:
    from pathlib import Path

    from kaslite.experiment.run_directory import Metrics
    from kaslite.sweeps.directory import SweepDirectory
    from kaslite.sweeps.job import Job
    from kaslite.sweeps.summary import Comparison


def carry_out(job: Job) -> Metrics:
    """Stand in for a run, which other tests are about: the learning rate says how it ends."""
    lr = job.planned.settings["lr"]
    if lr == 0.2:
        raise kaslite.UsageError("0.2 is unlucky.")
    if lr == 0.3:
        raise KeyboardInterrupt
    return {"val_accuracy": lr, "wall_s": 0.0}


def run(directory: SweepDirectory, told: list[tuple[str, int, int, float]]) -> Comparison:
    grid = Grid(SweepPlan.from_json(directory.read_plan()).runs, directory)
    return sweep(directory, [grid], InThisProcess(carry_out), at_once=2, tell=lambda *what: told.append(what))


def summary(directory: SweepDirectory) -> list[tuple[str, str, str]]:
    rows = csv.DictReader(directory.summary.read_text().splitlines())
    return [(row["lr"], row["status"], row["objective_value"]) for row in rows]


def test_a_run_that_fails_is_recorded_and_the_others_go_on(tmp_path: Path) -> None:
    directory = begun(written(tmp_path, "lr: [0.1, 0.2, 0.4]\n"), tmp_path)
    comparison = run(directory, [])
    assert [outcome.status for outcome in comparison.outcomes] == ["completed", "failed", "completed"]
    assert comparison.outcomes[1].error == "0.2 is unlucky."
    assert summary(directory) == [("0.1", "completed", "0.1"), ("0.2", "failed", ""), ("0.4", "completed", "0.4")]


def test_after_each_run_it_is_told_how_many_are_over_and_how_long_the_rest_will_take(tmp_path: Path) -> None:
    told: list[tuple[str, int, int, float]] = []
    run(begun(written(tmp_path, "lr: [0.1, 0.2, 0.4]\n"), tmp_path), told)
    assert [(title.split(" ", 1)[1], done, total) for title, done, total, _ in told] == [
        ("lr=0.1", 1, 3),
        ("lr=0.2 failed", 2, 3),
        ("lr=0.4", 3, 3),
    ]
    assert told[0][3] > told[-1][3] == 0


def test_an_interrupt_tells_what_is_kept_and_how_to_go_on_and_the_summary_is_there(tmp_path: Path) -> None:
    directory = begun(written(tmp_path, "lr: [0.1, 0.3, 0.4]\n"), tmp_path)
    with pytest.raises(KeyboardInterrupt, match=r"1 of 3 runs are over; to go on: kaslite sweep --resume .*sweeps"):
        run(directory, [])
    assert summary(directory) == [("0.1", "completed", "0.1")]


def test_a_summary_that_cannot_be_written_is_told_and_the_results_stay(tmp_path: Path) -> None:
    directory = begun(written(tmp_path, "lr: [0.1]\n"), tmp_path)
    directory.summary.mkdir()
    with pytest.raises(kaslite.KasliteError, match=r"cannot write .*sweep_summary\.csv"):
        run(directory, [])
