import io
import re
from functools import reduce

import pytest
from rich.console import Console

from kaslite.dashboard.blending import TITLE, blending_rows
from kaslite.dashboard.fold import RunView, fold
from kaslite.dashboard.terminal import SHORTEST_PAUSE_S, TerminalView, render
from kaslite.events import PhaseStarted, RunFinished, RunResumed, SeedGerminated
from kaslite.telemetry import read_log
from tests.blends import blending_run, chosen, completed, culled
from tests.dashboard.test_fold import AT, START, epoch, reading

EVENTS = [
    START,
    PhaseStarted(epoch=0, timestamp=0.0, phase="phase_1", epochs=2),
    epoch(1, at=1.0),
    epoch(2, reading(1.0), at=2.0),
    SeedGerminated(epoch=2, layer="blocks.1", seed=0, blueprint_id="low_rank", params=7),
]


def draw(view, width=120):
    console = Console(file=io.StringIO(), width=width, force_terminal=True)
    console.print(render(view))
    return console.file.getvalue()


def text(view, width=120):
    return re.sub(r"\x1b\[[0-9;]*m", "", draw(view, width))


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("Epoch", "2"),
        ("Phase", "phase_1"),
        ("Train Loss", "0.3000"),
        ("Val Loss", "0.2000"),
        ("Val Accuracy", "0.8000"),
        ("Best Accuracy", "0.9000"),
        ("Seeds Active", "1/2"),
    ],
)
def test_the_table_has_the_seven_documented_rows(metric, value):
    assert re.search(rf"│ {metric} +│ +{value} │", text(reduce(fold, EVENTS, RunView())))


@pytest.mark.parametrize(
    "piece",
    [
        r"Warm-up Training ━+ 2/2 • 0:00:02",
        r"│ blocks\.0:0 │ shadowing +│ mlp +│ - +│ +1\.00 │",
        r"│ blocks\.1:0 │ dormant +│ low_rank +│ - +│ +0\.00 │",
        r"│ blocks\.1:0 germinated: low_rank, 7 parameters",
        r"Event Log",
    ],
)
def test_progress_seeds_banner_and_log_are_drawn(piece):
    assert re.search(piece, text(reduce(fold, EVENTS, RunView())))


def test_an_empty_run_can_be_drawn():
    assert "0/0" in text(RunView())


def test_markup_and_control_characters_in_names_are_shown_as_text():
    hostile = START.__class__(**{**vars(START), "seeds": (("[red]\x1b]0;x\x07evil[/red]", 0),)})
    assert "[red]]0;xevil[/red]:0" in text(fold(RunView(), hostile))


def test_no_color_is_honoured(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", draw(reduce(fold, EVENTS, RunView())))


def test_the_last_frame_shows_the_end_of_the_run():
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    view = TerminalView(console)
    for event in [*EVENTS, RunFinished(epoch=2, status="completed", metrics=None)]:
        view.write(event)
    view.close()
    last_frame = console.file.getvalue().rsplit("Experiment Metrics", 1)[1]
    assert "1/2" in last_frame
    assert "run completed" in last_frame


def test_drawing_takes_a_small_part_of_the_time(monkeypatch):
    now = 100.0
    monkeypatch.setattr("kaslite.dashboard.terminal.time.perf_counter", lambda: now)
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    view = TerminalView(console)
    view.write(START)
    drawn = len(console.file.getvalue())
    now += SHORTEST_PAUSE_S / 2
    view.write(SeedGerminated(epoch=1, **AT, params=1))
    assert len(console.file.getvalue()) == drawn
    now += SHORTEST_PAUSE_S
    view.write(SeedGerminated(epoch=2, **AT, params=1))
    assert len(console.file.getvalue()) > drawn
    view.close()


def test_a_view_that_comes_later_recalls_what_happened_without_drawing_it():
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    view = TerminalView(console)
    view.recall(EVENTS)
    assert console.file.getvalue() == ""
    view.write(RunResumed(epoch=2, last_sequence=5))
    view.close()
    frame = re.sub(r"\x1b\[[0-9;]*m", "", console.file.getvalue())
    assert re.search(r"│ Seeds Active +│ +1/2 │", frame)
    assert "resumed after epoch 2" in frame


@pytest.mark.parametrize("width", [60, 80, 100, 120, 175])
def test_seeds_can_be_told_apart_at_any_width(width):
    frame = text(reduce(fold, EVENTS, RunView()), width)
    assert re.search(r"│ blocks\.0:0 │ shadowing │ mlp +│ - +│ +1\.00 │", frame)
    assert re.search(r"│ Seeds Active +│ +1/2 │", frame)
    assert max(map(len, frame.splitlines())) <= width


BLENDS = [chosen(0), completed(0), chosen(1, "PERFORMANCE_LINKED"), culled(1), chosen(2, "PERFORMANCE_LINKED")]


def test_while_no_blend_has_begun_there_is_no_panel_of_them():
    assert TITLE not in text(reduce(fold, EVENTS, RunView()))


@pytest.mark.parametrize("width", [60, 80, 115, 140, 175])
def test_the_panel_of_blends_has_its_numbers_at_any_width(width):
    frame = text(reduce(fold, [*EVENTS, *BLENDS], RunView()), width)
    assert re.search(r" FIXE\S* +1 +30\.0 epochs +\+0\.4000 +1 / 0 +0 ", frame)
    assert re.search(r" PERF\S* +2 +- +- +0 / 1 +1 ", frame)
    assert max(map(len, frame.splitlines())) <= width


@pytest.mark.parametrize(("width", "is_beside"), [(80, False), (115, False), (175, True)])
def test_the_panel_of_blends_stands_beside_the_log_or_below_it(width, is_beside):
    frame = text(reduce(fold, [*EVENTS, *BLENDS], RunView()), width)
    (line,) = [line for line in frame.splitlines() if " Event Log " in line]
    assert (f" {TITLE} " in line) is is_beside
    assert frame.index("Event Log") < frame.index(TITLE)


def test_many_strategies_are_all_there_beside_the_log():
    own = [chosen(place, f"MY_OWN_{place}") for place in range(20)]
    frame = text(reduce(fold, [*EVENTS, *own], RunView()), 175)
    assert all(f"MY_OWN_{place} " in frame for place in range(20))


def test_a_log_shows_the_frame_that_the_live_view_ended_with(tmp_path):
    console = Console(file=io.StringIO(), width=175, force_terminal=True)
    log = blending_run(tmp_path, [TerminalView(console)])
    view = reduce(fold, read_log(log), RunView())
    given_back = "\x1b[?25h"  # the terminal has its cursor again
    assert console.file.getvalue().removesuffix(given_back).endswith(draw(view, 175))
    for row in blending_rows(view.blending):
        assert re.search(" +".join(map(re.escape, row)), text(view, 175))
    assert re.search(r"DRIFT_CONTROLLED +2 +- +- +0 / 1 +1 ", text(view, 175))
