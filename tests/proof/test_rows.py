from __future__ import annotations

from pathlib import Path

import pytest

import kaslite
from kaslite.proof.rows import read_rows, write_rows

ROWS = [
    {"trial": "digits", "arm": "grown", "rng_seed": 0, "test_accuracy": 0.1 + 0.2, "culled": 3, "config": "00123e4", "code": "17",
     "wall_s": 1.5, "peak_mib": 300},
    {"trial": "digits", "arm": "static", "rng_seed": 0, "test_accuracy": None, "culled": 0, "measured_old": 0.5, "config": "1",
     "code": "17", "wall_s": 2.0, "peak_mib": 301},
]  # fmt: skip


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    write_rows(tmp_path / "new" / "C1.csv", ROWS)
    assert read_rows(tmp_path / "new" / "C1.csv") == [{**ROWS[0], "measured_old": None}, ROWS[1]]


def test_what_differs_between_repetitions_stands_last(tmp_path: Path) -> None:
    write_rows(tmp_path / "C1.csv", ROWS)
    assert (tmp_path / "C1.csv").read_text().splitlines()[0].endswith(",config,code,wall_s,peak_mib")


def test_where_there_is_no_file_there_are_no_rows(tmp_path: Path) -> None:
    assert read_rows(tmp_path / "C1.csv") == []


def test_a_damaged_file_is_told_by_name(tmp_path: Path) -> None:
    path = tmp_path / "C1.csv"
    write_rows(path, ROWS)
    path.write_text(path.read_text()[:-20])
    with pytest.raises(kaslite.KasliteError, match=r"C1.csv are damaged"):
        read_rows(path)


def test_a_folder_that_cannot_be_written_is_told_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(kaslite.KasliteError, match="choose another folder with --results_dir"):
        write_rows(tmp_path / "file" / "C1.csv", ROWS)
