from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

import kaslite
from kaslite.sweeps.directory import SweepDirectory

if TYPE_CHECKING:
    from pathlib import Path


def test_two_sweeps_in_the_same_second_have_two_folders(tmp_path: Path) -> None:
    paths = [SweepDirectory.create(tmp_path, {"runs": []}).path for _ in range(5)]
    assert len(set(paths)) == 5
    assert all(re.fullmatch(r"\d{8}_\d{6}(_\d+)?", path.name) and path.parent == tmp_path / "sweeps" for path in paths)


def test_a_plan_comes_back_as_it_was(tmp_path: Path) -> None:
    made = SweepDirectory.create(tmp_path, {"runs": [1, 2]})
    assert SweepDirectory.find(made.path).read_plan()["runs"] == [1, 2]


def test_one_process_at_a_time_goes_on_with_a_sweep(tmp_path: Path) -> None:
    made = SweepDirectory.create(tmp_path, {})
    with made.locked(), pytest.raises(kaslite.UsageError, match="is still going"), made.locked():
        pass
    with made.locked():
        pass


def test_what_is_no_sweep_is_told_with_the_newest_beside_it(tmp_path: Path) -> None:
    made = SweepDirectory.create(tmp_path, {})
    with pytest.raises(kaslite.UsageError, match=f"is not the folder of a sweep.*{made.path.name}"):
        SweepDirectory.find(tmp_path / "sweeps" / "another")


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 99}'])
def test_a_damaged_plan_is_told(tmp_path: Path, text: str) -> None:
    made = SweepDirectory.create(tmp_path, {})
    made.plan.write_text(text)
    with pytest.raises(kaslite.KasliteError, match=r"plan\.json is damaged"):
        made.read_plan()


def test_a_folder_that_cannot_be_written_to_is_told_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(kaslite.KasliteError, match=r"cannot write .*choose another folder with --results_dir"):
        SweepDirectory.create(tmp_path / "file", {})
