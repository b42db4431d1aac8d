from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import kaslite
from kaslite.proof.arm import Arm, Claim, Scale, Table
from kaslite.proof.rows import UNSTABLE, read_rows
from kaslite.proof.runner import prove
from tests.proving import GROWN, SCALE, STATIC, prove_tiny, tiny_claim

ROOT = Path(__file__).parents[2]


def stable(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{name: value for name, value in row.items() if name not in UNSTABLE} for row in rows]


def runs(folder: Path) -> dict[Path, int]:
    """Return when each run under a folder wrote its result."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("metrics.json")}


def test_there_is_a_row_for_each_arm_and_rng_seed_and_a_run_with_its_events(tmp_path: Path) -> None:
    table = prove_tiny(tiny_claim(), tmp_path)
    assert [(row["arm"], row["rng_seed"]) for row in table.rows] == [("grown", 0), ("grown", 1), ("static", 0), ("static", 1)]
    assert stable(read_rows(tmp_path / "X.csv")) == stable(table.rows)
    assert len(list(tmp_path.glob("X/spirals/*/*/*/events.jsonl"))) == 4


@pytest.mark.slow
def test_two_runs_of_a_proof_give_the_same_rows_whatever_the_workers(tmp_path: Path) -> None:
    derived = Arm("derived", "from another", derive=lambda _, lane: {"hidden_dim": lane["grown"].row["epochs"]})
    claim = tiny_claim(GROWN, derived, STATIC)
    tables = [prove_tiny(claim, tmp_path / str(workers), workers=workers) for workers in (0, 2)]
    assert stable(tables[0].rows) == stable(tables[1].rows)


def test_all_arms_see_the_same_data_in_the_same_order(tmp_path: Path) -> None:
    twice = tiny_claim(GROWN, Arm("again", "the same once more"))
    table = prove_tiny(twice, tmp_path)
    assert table.column("spirals", "grown", "val_loss") == table.column("spirals", "again", "val_loss")


def test_what_has_been_run_is_not_run_again(tmp_path: Path) -> None:
    first = prove_tiny(tiny_claim(), tmp_path)
    there = runs(tmp_path)
    assert prove_tiny(tiny_claim(), tmp_path).rows == first.rows
    assert runs(tmp_path) == there


def test_more_rng_seeds_are_added_to_those_that_are_there(tmp_path: Path) -> None:
    prove_tiny(tiny_claim(), tmp_path)
    there = runs(tmp_path)
    prove_tiny(tiny_claim(), tmp_path, scale=Scale("more", rng_seeds=range(3)))
    assert there.items() <= runs(tmp_path).items()
    assert len(read_rows(tmp_path / "X.csv")) == 6


def test_other_settings_or_other_code_are_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prove_tiny(tiny_claim(), tmp_path)
    assert prove_tiny(tiny_claim(adaptation_epochs=1), tmp_path).rows[0]["epochs"] == 2
    monkeypatch.setattr("kaslite.proof.job.code_digest", lambda: "another")
    assert prove_tiny(tiny_claim(adaptation_epochs=1), tmp_path).rows[0]["code"] == "another"


def test_a_run_that_fails_is_named_and_the_rows_so_far_are_kept(tmp_path: Path) -> None:
    claim = tiny_claim(GROWN, Arm("greedy", "it wants too much", {"n_samples": 1}))
    with pytest.raises(kaslite.KasliteError, match=r"run of spirals, greedy, rng seed 0 failed: .*empty"):
        prove_tiny(claim, tmp_path)
    assert [row["arm"] for row in read_rows(tmp_path / "X.csv")] == ["grown"]


def test_after_each_run_it_is_told_how_many_there_are_and_how_long_the_rest_will_take(tmp_path: Path) -> None:
    told: list[tuple[str, int, int, float]] = []
    prove(tiny_claim(), SCALE, tmp_path, workers=0, tell=lambda *what: told.append(what))
    assert [(title, done, total) for title, done, total, _ in told] == [
        ("spirals, grown, rng seed 0", 1, 4),
        ("spirals, static, rng seed 0", 2, 4),
        ("spirals, grown, rng seed 1", 3, 4),
        ("spirals, static, rng seed 1", 4, 4),
    ]
    lefts = [left_s for *_, left_s in told]
    assert lefts[0] > lefts[2] > lefts[3] == 0


def as_soon_as_its_workers_are_gone(claim: Claim, folder: Path) -> Table:
    """Go on with a proof whose main process has just died: its workers see that, and end by themselves."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return prove_tiny(claim, folder)
        except kaslite.KasliteError as error:
            if "still going" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_proof_that_is_interrupted_goes_on_to_the_same_rows(tmp_path: Path, how: signal.Signals) -> None:
    code = (
        "from pathlib import Path; from tests.proving import *\n"
        "if __name__ == '__main__':\n"
        f"    prove_tiny(tiny_claim(adaptation_epochs=60), Path({str(tmp_path / 'cut')!r}), workers=2)\n"
    )
    script = tmp_path / "proof.py"
    script.write_text(code)
    process = subprocess.Popen(
        [sys.executable, script], env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while not read_rows(tmp_path / "cut" / "X.csv") and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(how)  # to it alone: its workers have to end by themselves
    process.wait(timeout=60)
    interrupted = len(read_rows(tmp_path / "cut" / "X.csv"))
    assert 1 <= interrupted < 4
    claim = tiny_claim(GROWN, STATIC, adaptation_epochs=60)
    resumed = as_soon_as_its_workers_are_gone(claim, tmp_path / "cut")
    assert stable(resumed.rows) == stable(prove_tiny(claim, tmp_path / "whole").rows)


def test_a_row_that_its_run_does_not_bear_out_is_made_again(tmp_path: Path) -> None:
    first = prove_tiny(tiny_claim(), tmp_path)
    text = (tmp_path / "X.csv").read_text()
    (tmp_path / "X.csv").write_text(text.replace(str(first.rows[0]["val_loss"]), "0.0001"))
    assert stable(prove_tiny(tiny_claim(), tmp_path).rows) == stable(first.rows)


def test_a_run_that_is_gone_is_made_again_though_its_row_is_there(tmp_path: Path) -> None:
    first = prove_tiny(tiny_claim(), tmp_path)
    shutil.rmtree(tmp_path / "X" / "spirals" / "grown")
    assert stable(prove_tiny(tiny_claim(), tmp_path).rows) == stable(first.rows)
    assert len(runs(tmp_path)) == 4


def test_a_run_that_was_cut_off_before_anything_happened_is_begun_anew(tmp_path: Path) -> None:
    first = prove_tiny(tiny_claim(), tmp_path)
    (log, *_) = (tmp_path / "X").glob("spirals/grown/*/*/events.jsonl")
    shutil.rmtree(log.parent)
    log.parent.mkdir()
    assert stable(prove_tiny(tiny_claim(), tmp_path).rows) == stable(first.rows)
    assert len(list(log.parent.parent.iterdir())) == 2  # one for each rng seed


def test_an_interrupt_tells_what_is_kept_and_how_to_go_on(tmp_path: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="1 of 4 runs are kept; the same command goes on"):
        prove(tiny_claim(), SCALE, tmp_path, workers=0, tell=interrupt)
    assert len(read_rows(tmp_path / "X.csv")) == 1
