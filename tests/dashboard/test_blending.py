import io
from functools import reduce

import pytest
from rich.console import Console

from kaslite.dashboard.blending import HEADINGS, NOTHING, blending_rows, blending_table, blending_text
from kaslite.telemetry.analytics import BlendingStats, fold_blending
from tests.blends import chosen, completed, culled

EVENTS = [
    *(chosen(0), completed(0), chosen(1), completed(1, duration_epochs=1, final_loss=1.3)),
    *(chosen(2, "PERFORMANCE_LINKED"), culled(2), chosen(3, "PERFORMANCE_LINKED")),
]
STATS = reduce(fold_blending, EVENTS, BlendingStats())
ROWS = [
    ("FIXED_RAMP", "2", "15.5 epochs", "+0.1500", "2 / 0", "0"),
    ("PERFORMANCE_LINKED", "2", "-", "-", "0 / 1", "1"),
]


def draw(stats, width):
    console = Console(file=io.StringIO(), width=width)
    console.print(blending_table(stats, width))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_there_is_a_row_for_each_strategy_with_a_cell_for_each_heading():
    assert blending_rows(STATS) == ROWS
    assert {len(row) for row in ROWS} == {len(HEADINGS)}


def test_as_text_the_numbers_stand_below_their_headings():
    heading, fixed, linked = blending_text(STATS).splitlines()
    for name, *cells in zip(HEADINGS[1:], *(row[1:] for row in ROWS), strict=True):
        end = heading.index(name) + len(name)
        assert [fixed[:end].endswith(cells[0]), linked[:end].endswith(cells[1])] == [True, True]


def test_of_no_blends_the_text_says_so():
    assert blending_text(BlendingStats()) == NOTHING


def test_a_table_of_all_its_width_is_the_text():
    assert draw(STATS, 120) == blending_text(STATS).splitlines()


@pytest.mark.parametrize("width", [72, 80])
def test_where_it_is_narrow_headings_take_two_lines(width):
    upper, lower, *rows = draw(STATS, width)
    assert upper.split() == ["Mean", "Mean", "Loss", "Success", "/"]
    assert lower.split() == ["Strategy", "Count", "Duration", "Improvement", "Failure", "Open"]
    assert [line.split("  ")[0] for line in rows] == ["FIXED_RAMP", "PERFORMANCE_LINKED"]


def test_where_it_is_very_narrow_names_are_shortened_and_numbers_stay():
    *_, fixed, linked = draw(STATS, 56)
    assert fixed.split() == ["FIXED…", "2", "15.5", "epochs", "+0.1500", "2", "/", "0", "0"]
    assert linked.startswith("PERFO…")


def test_a_name_from_a_log_cannot_steer_the_terminal():
    hostile = fold_blending(BlendingStats(), chosen(0, "[red]\x1b[2Jevil"))
    assert blending_rows(hostile)[0][0] == "[red][2Jevil"
    assert "[red][2Jevil" in draw(hostile, 120)[1]
