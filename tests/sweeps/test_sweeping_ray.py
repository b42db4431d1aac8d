"""Sweeps on a real Ray cluster of this machine, which all of these tests share."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kaslite.sweeps.directory import SweepDirectory
from tests.sweeping import TINY, begun, results, swept, written

if TYPE_CHECKING:
    from collections.abc import Iterator

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def _cluster() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT / "src"))
        ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=100_000_000)
        yield
        ray.shutdown()


@pytest.mark.usefixtures("_cluster")
def test_ray_gives_the_results_of_processes_and_a_failure_is_recorded_while_the_others_go_on(tmp_path: Path) -> None:
    source = written(tmp_path, "lr: [0.003, 0.01]\nn_samples: [60, 1]\n")
    by_processes, by_ray = begun(source, tmp_path), begun(source, tmp_path)
    expected, found = swept(by_processes, 2), swept(by_ray, 2, "ray")
    assert results(found) == results(expected)
    assert [run.status for run in found.outcomes] == ["completed", "failed", "completed", "failed"]
    assert [run.error for run in found.outcomes] == [run.error for run in expected.outcomes]
    assert len(list(csv.DictReader(by_ray.summary.read_text().splitlines()))) == 4
    assert ray.is_initialized()  # a cluster that was there before is left as it is


@pytest.mark.usefixtures("_cluster")
def test_a_search_gives_runs_up_on_ray_too(tmp_path: Path) -> None:
    search = "search: {n_trials: 6, objectives: [val_loss], ranges: {lr: {choices: [0.01, 1e-6, 1e-7, 1e-8]}}}\n"
    comparison = swept(begun(written(tmp_path, search), tmp_path, adaptation_epochs=17), 2, "ray")
    statuses = [run.status for run in comparison.outcomes]
    assert len(statuses) == 6
    assert set(statuses) == {"completed", "pruned"}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_sweep_that_is_cut_off_goes_on_with_what_is_finished(tmp_path: Path, how: signal.Signals) -> None:
    source = written(tmp_path, "rng_seed: [1, 2, 3, 4]\nadaptation_epochs: 120\n")
    flags = [f"--{name}={value}" for name, value in TINY.items()]
    command = [sys.executable, "-m", "kaslite", "sweep", source, *flags, "--executor", "ray", "--workers", "2"]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}"}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    deadline = time.monotonic() + 180
    while not list(tmp_path.glob("results/sweeps/*/run_*/metrics.json")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(how)
    _, said = process.communicate(timeout=180)
    (folder,) = tmp_path.glob("results/sweeps/*")
    if how == signal.SIGINT:
        assert (process.returncode, f"kaslite sweep --resume {folder.relative_to(tmp_path)}" in said.decode()) == (130, True)
    done = {path: path.stat().st_mtime_ns for path in folder.glob("run_*/metrics.json")}
    assert 1 <= len(done) < 4
    assert len(swept(SweepDirectory.find(folder)).completed) == 4
    assert {path: path.stat().st_mtime_ns for path in done} == done
