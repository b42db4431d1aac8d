from __future__ import annotations

import csv
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import kaslite
from kaslite.experiment.config import resolve
from kaslite.experiment.run import run
from kaslite.sweeps.directory import SweepDirectory
from kaslite.sweeps.plan import base_settings
from kaslite.sweeps.sweeping import SweepPlan, plan_sweep
from kaslite.telemetry import read_log
from tests.sweeping import TINY, UNSTABLE, begun, results, swept, written

ROOT = Path(__file__).parents[2]
GROWING = {"patience": 3, "delta": 1, "adaptation_epochs": 12, "acc_threshold": 1, "blend_steps": 4}
GRID = "problem_type: spirals, moons\nlr: [0.003, 0.01]\n"


def facts_of(run_dir: Path) -> list[dict[str, Any]]:
    """Return the events of a run without what a clock says."""
    facts = [dataclasses.asdict(event) for event in read_log(run_dir / "events.jsonl")]
    for fact in facts:
        (fact.get("metrics") or {}).pop("wall_s", None)
    return [{name: value for name, value in fact.items() if name not in ("timestamp", "epoch_duration_s")} for fact in facts]


def weights_of(run_dir: Path) -> dict[str, torch.Tensor]:
    """Return all tensors of the network that a run has grown."""
    return load_file(run_dir / "model" / "network.safetensors")


@pytest.mark.slow
def test_runs_in_one_process_side_by_side_and_alone_are_the_same_to_the_last_bit(tmp_path: Path) -> None:
    source = written(tmp_path, GRID)
    in_a_row, at_once = begun(source, tmp_path, **GROWING), begun(source, tmp_path, **GROWING)
    comparison = swept(in_a_row, 0)
    assert results(comparison) == results(swept(at_once, 2))
    for planned in reversed([outcome.planned for outcome in comparison.outcomes]):
        alone = run(resolve(planned.settings), tmp_path / "alone", name=planned.name)
        assert {name: value for name, value in alone.metrics.items() if name not in UNSTABLE} == results(comparison)[
            planned.name
        ]
        facts, weights = facts_of(alone.run_dir), weights_of(alone.run_dir)
        assert any(fact["type"] == "seed_germinated" for fact in facts)
        for directory in (in_a_row, at_once):
            assert facts_of(directory.path / planned.name) == facts
            there = weights_of(directory.path / planned.name)
            assert weights.keys() == there.keys()
            assert all(torch.equal(weights[name], there[name]) for name in weights)


def test_a_sweep_leaves_a_folder_for_each_run_a_summary_a_table_and_a_picture(tmp_path: Path) -> None:
    directory = begun(written(tmp_path, GRID), tmp_path)
    comparison = swept(directory)
    rows = list(csv.DictReader(directory.summary.read_text().splitlines()))
    assert len(rows) == len(comparison.outcomes) == 4
    assert all(row["objective"] == "val_accuracy" and float(row["objective_value"]) > 0 for row in rows)
    assert [row["run"] for row in rows] == sorted(path.name for path in directory.path.glob("run_*_*"))
    assert all((directory.path / row["run"] / "metrics.json").exists() for row in rows)
    assert "best val_accuracy first" in directory.comparison.read_text()
    assert directory.picture.exists()


@pytest.mark.slow
def test_two_sweeps_at_once_and_the_same_config_twice_overwrite_nothing(tmp_path: Path) -> None:
    source = written(tmp_path, "lr: 0.01, 0.01\n")
    flags = [f"--{name}={value}" for name, value in TINY.items()]
    command = [sys.executable, "-m", "kaslite", "sweep", source, *flags, "--workers", "2", "--results_dir", tmp_path, "--json"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    first, second = (json.loads(process.communicate(timeout=120)[0]) for process in both)
    assert first["sweep_dir"] != second["sweep_dir"]
    assert len(list(tmp_path.glob("sweeps/*/run_*/metrics.json"))) == 4
    values = {row["objective_value"] for content in (first, second) for row in content["runs"]}
    assert len(values) == 1


def test_every_file_of_a_folder_is_part_of_one_sweep_with_numbers_that_go_on(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    written(tmp_path / "files", "lr: [0.1, 0.2]\n", "a.yaml")
    written(tmp_path / "files", "hidden_dim: [4, 5, 6]\n", "b.yaml")
    plan = plan_sweep(tmp_path / "files", base_settings(TINY))
    assert [planned.name[:7] for planned in plan.runs] == [f"run_00{number}" for number in range(1, 6)]
    assert [Path(planned.source).name for planned in plan.runs] == ["a.yaml"] * 2 + ["b.yaml"] * 3


def test_more_than_ten_thousand_runs_have_to_be_meant(tmp_path: Path) -> None:
    values = ", ".join(str(number / 1000) for number in range(1, 102))
    source = written(tmp_path, f"lr: [{values}]\nshadow_lr: [{values}]\n")
    with pytest.raises(kaslite.UsageError, match=r"makes 10,201 runs, more than 10,000; give fewer values, or --yes"):
        plan_sweep(source, {})


def test_a_sweep_that_is_over_runs_nothing_again_but_what_failed(tmp_path: Path) -> None:
    data = tmp_path / "it.csv"
    data.write_text("x,y\n" + "".join(f"{row},{row % 2}\n" for row in range(60)))
    whole = data.read_text()
    directory = begun(written(tmp_path, f"data: {data}\ntarget: y\nlr: [0.003, 0.01]\n"), tmp_path, n_samples=None)
    data.write_text(whole + "60,0\n")
    changed = swept(directory)
    assert [outcome.status for outcome in changed.outcomes] == ["failed", "failed"]
    assert "is not what it was" in str(changed.outcomes[0].error)
    data.write_text(whole)
    assert [outcome.status for outcome in swept(directory).outcomes] == ["completed", "completed"]
    logs = {path: path.stat().st_mtime_ns for path in directory.path.glob("run_*/*")}
    swept(directory)
    assert {path: path.stat().st_mtime_ns for path in directory.path.glob("run_*/*")} == logs


def test_planning_and_waiting_need_no_torch_which_the_processes_of_the_runs_import() -> None:
    code = "import sys, kaslite.cli.main, kaslite.sweeps.sweeping, kaslite.sweeps.runner; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.strip() == "False"


def test_a_plan_comes_back_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    written(tmp_path / "files", GRID, "a.yaml")
    written(tmp_path / "files", "device: cpu\nsearch: {n_trials: 3, ranges: {lr: {low: 0.1, high: 0.2}}}\n", "b.yaml")
    plan = plan_sweep(tmp_path / "files", TINY)
    assert SweepPlan.from_json(SweepDirectory.create(tmp_path, plan.as_json()).read_plan()).as_json() == plan.as_json()
    assert (plan.total, plan.searches[0].first) == (7, 5)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_sweep_that_is_interrupted_goes_on_to_the_same_results(tmp_path: Path, how: signal.Signals) -> None:
    source = written(tmp_path, "lr: [0.003, 0.004, 0.005, 0.006, 0.007, 0.008]\nadaptation_epochs: 60\n")
    flags = [f"--{name}={value}" for name, value in TINY.items()]
    command = [sys.executable, "-m", "kaslite", "sweep", source, *flags, "--workers", "2", "--results_dir", tmp_path / "cut"]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    deadline = time.monotonic() + 180
    while not list(tmp_path.glob("cut/sweeps/*/sweep_summary.csv")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(how)  # to it alone: its workers have to end by themselves
    _, said = process.communicate(timeout=60)
    (cut,) = (SweepDirectory.find(path) for path in tmp_path.glob("cut/sweeps/*"))
    done = list(cut.path.glob("run_*/metrics.json"))
    assert 1 <= len(done) < 6
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert f"kaslite sweep --resume {cut.path}" in said.decode()
        assert len(cut.summary.read_text().splitlines()) >= 2
    times = {path: path.stat().st_mtime_ns for path in done}
    resumed = swept(cut)
    assert {path: path.stat().st_mtime_ns for path in done} == times
    shutil.copy(cut.plan, tmp_path / "plan.json")
    whole = SweepDirectory.create(tmp_path / "whole", cut.read_plan())
    assert results(resumed) == results(swept(whole))
