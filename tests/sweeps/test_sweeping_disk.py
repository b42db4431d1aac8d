"""What happens to a sweep when the disk is full: clear words, exit code 1, and what is finished stays."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.sweeping import TINY, written

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow
FLAGS = [f"--{name}={value}" for name, value in TINY.items()]


def run(*command: object, before: str = "") -> subprocess.CompletedProcess[str]:
    shell = ["/bin/bash", "-c", f'{before} exec "$0" "$@"', *map(str, command)]
    return subprocess.run(shell, capture_output=True, text=True, check=False)


def kaslite(*arguments: object, before: str = "") -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "-m", "kaslite", "sweep", *arguments, "--workers", "1", before=before)


def finished(results: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in results.glob("sweeps/*/run_*/metrics.json")}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a real device with little room; it takes the right to mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if run("mount", "-t", "tmpfs", "-o", "size=140k", "tmpfs", disk).returncode:
        pytest.skip("this user may not mount a file system")
    yield disk
    run("umount", disk).check_returncode()


def test_on_a_full_device_the_sweep_ends_and_goes_on_when_there_is_room(tmp_path: Path, small_disk: Path) -> None:
    source = written(tmp_path, "rng_seed: [1, 2, 3, 4, 5, 6]\n")
    full = kaslite(source, *FLAGS, "--results_dir", small_disk)
    done = finished(small_disk)
    (folder,) = (small_disk / "sweeps").iterdir()
    assert (full.returncode, 1 <= len(done) < 6) == (1, True), full.stderr
    assert "No space left on device" in full.stderr
    assert "Traceback" not in full.stderr
    run("mount", "-o", "remount,size=20m", small_disk).check_returncode()
    resumed = kaslite("--resume", folder)
    assert resumed.returncode == 0, resumed.stderr
    assert (len(finished(small_disk)), {path: finished(small_disk)[path] for path in done}) == (6, done)


def test_a_run_whose_files_grow_too_large_fails_alone_and_succeeds_when_it_is_resumed(tmp_path: Path) -> None:
    source = written(tmp_path, "adaptation_epochs: [2, 200, 3]\nacc_threshold: 1\n")
    full = kaslite(source, *FLAGS, "--results_dir", tmp_path / "results", before="ulimit -f 48;")
    done = finished(tmp_path / "results")
    (folder,) = (tmp_path / "results" / "sweeps").iterdir()
    assert (full.returncode, len(done)) == (1, 2), full.stderr
    assert "1 of 3 runs failed" in full.stderr
    assert "cannot write the event log" in full.stderr
    assert kaslite("--resume", folder).returncode == 0
    after = finished(tmp_path / "results")
    assert (len(after), {path: after[path] for path in done}) == (3, done)
