import io
import re

import pytest
from rich.console import Console

from kaslite.dashboard.fold import SeedView
from kaslite.dashboard.seed_table import ALWAYS, IF_WIDE, MOST_SEEDS, seed_table

SEED = SeedView(
    state="probationary",
    blueprint_id="squeeze_excite",
    alpha=0.5,
    blend_strategy="PERFORMANCE_LINKED",
    training_progress=0.7,
    removal_cost=0.1,
    drift=0.01,
    scale_drift=-0.1,
    grad_norm=2.0,
    grad_ratio=0.3,
    twin_gain=0.01,
)


def text(seeds, width):
    console = Console(file=io.StringIO(), width=width)
    console.print(seed_table(seeds, width))
    return console.file.getvalue()


def headings(drawn):
    """Return the names of the columns, also where they take two lines."""
    lines = [line for line in drawn.splitlines() if line.startswith("┃")]
    cells = zip(*([cell.strip() for cell in line.strip("┃").split("┃")] for line in lines), strict=True)
    return [" ".join(filter(None, parts)) for parts in cells]


def test_a_wide_terminal_shows_all_that_was_measured():
    drawn = text({("blocks.0", 0): SEED}, 200)
    assert headings(drawn) == [*ALWAYS, *IF_WIDE]
    row = ["blocks.0:0", "probationary", "squeeze_excite", "PERFORMANCE_LINKED", "0.50"]
    row += ["0.700", "+0.1000", "0.010", "-0.1000", "2.0000", "0.300", "+0.0100"]
    assert re.search(" +│ +".join(map(re.escape, row)), drawn)


def test_eighty_columns_hold_strategy_and_alpha_of_every_seed_whole():
    drawn = text({("blocks.0", 0): SEED}, 80)
    assert headings(drawn) == list(ALWAYS)
    assert re.search(r"│ probationary │ squeeze_excite │ PERFORMANCE_LINKED │ +0\.50 │", drawn)


@pytest.mark.parametrize("width", [80, 100, 120, 140, 160, 180])
def test_what_does_not_fit_is_left_out_and_nothing_is_cut(width):
    drawn = text({("blocks.0", 0): SEED}, width)
    shown = headings(drawn)
    assert shown == [*ALWAYS, *IF_WIDE][: len(shown)]
    assert "…" not in drawn
    assert max(map(len, drawn.splitlines())) <= width


def test_where_even_that_is_too_wide_names_are_shortened_and_numbers_stay():
    drawn = text({("blocks.0", 0): SEED}, 60)
    assert re.search(r"│ blocks\.0:0 │ probationary │ sque\S*… │ PERF\S*… │ +0\.50 │", drawn)


def test_what_was_not_measured_is_a_dash():
    assert re.search(r"│ dormant │ - +│ - +│ +0\.00 │ +- │", text({("blocks.0", 0): SeedView()}, 120))


def test_names_from_a_log_cannot_steer_the_terminal():
    hostile = SeedView(blend_strategy="[red]\x1b[2Jevil")
    drawn = text({("blocks.0", 0): hostile}, 120)
    assert "\x1b" not in drawn
    assert "[red][2Jevil" in drawn


def test_of_many_seeds_the_living_are_shown():
    seeds = {(f"blocks.{number}", 0): SeedView() for number in range(39)}
    drawn = text({**seeds, ("blocks.39", 0): SeedView(state="germinated")}, 120)
    assert "blocks.39:0 │ germinated" in drawn
    assert f"and {40 - MOST_SEEDS} more" in drawn
