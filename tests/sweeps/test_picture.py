from __future__ import annotations

from typing import TYPE_CHECKING

from kaslite.sweeps.picture import draw
from kaslite.sweeps.summary import Comparison
from tests.sweeping import outcome

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

RUNS = [
    outcome(number, val_accuracy=number / 10, lr=10.0**-number, at="ab"[number % 2], blueprints=["mlp"] * number)
    for number in range(1, 5)
]


def test_there_is_a_picture_of_numbers_names_and_lists(tmp_path: Path) -> None:
    assert draw(Comparison(RUNS), tmp_path / "it.png")
    assert (tmp_path / "it.png").read_bytes().startswith(b"\x89PNG")


def test_where_nothing_differs_or_nothing_can_draw_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not draw(Comparison(RUNS[:1]), tmp_path / "it.png")
    monkeypatch.setattr("kaslite.sweeps.picture.find_spec", lambda _: None)
    assert not draw(Comparison(RUNS), tmp_path / "it.png")
    assert not (tmp_path / "it.png").exists()
