from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import kaslite
from kaslite.proof.rows import read_rows, write_rows

if TYPE_CHECKING:
    from pathlib import Path

IDENTITY = {"trial": "digits", "rng_seed": 0}
ROWS = [
    IDENTITY | {"arm": "grown", "test_accuracy": 0.1 + 0.2, "config": "00123e4", "code": "17", "wall_s": 1.5, "peak_mib": 300},
    IDENTITY | {"arm": "static", "test_accuracy": None, "measured_old": 0.5, "config": "1", "code": "17", "wall_s": 2.0},
]


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    write_rows(tmp_path / "new" / "C1.csv", ROWS)
    assert read_rows(tmp_path / "new" / "C1.csv") == [ROWS[0] | {"measured_old": None}, ROWS[1] | {"peak_mib": None}]


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


def test_rows_without_a_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "C1.csv").write_text("arm,rng_seed,config\ngrown,0,1\n")
    with pytest.raises(kaslite.KasliteError, match="each line needs trial, arm, rng_seed"):
        read_rows(tmp_path / "C1.csv")
