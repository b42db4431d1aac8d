"""A sweep keeps its cores busy: what its runs take, against the time of its workers from the first start to the last end."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

BAR = 0.90
WORKERS = 2
SWEEP = """
n_samples: 2000
rotations: 2
hidden_dim: 48
acc_threshold: 0
adaptation_epochs: 40
rng_seed: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
"""


@pytest.mark.slow
def test_both_cores_are_busy_from_the_first_run_to_the_last(tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    command = [sys.executable, "-m", "kaslite", "sweep", "sweep.yaml", "--workers", str(WORKERS), "-q", "--json"]
    content = json.loads(subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, text=True).stdout)
    took_s = sum(run["wall_s"] for run in content["runs"])
    stamps = [
        json.loads(line)["timestamp"]
        for log in (tmp_path / content["sweep_dir"]).glob("run_*/events.jsonl")
        for line in log.read_text().splitlines()
    ]
    busy = took_s / (WORKERS * (max(stamps) - min(stamps)))
    print(f"busy: {busy:.3f} of {WORKERS} workers over {max(stamps) - min(stamps):.1f} s (bar {BAR})")  # noqa: T201
    assert busy >= BAR
