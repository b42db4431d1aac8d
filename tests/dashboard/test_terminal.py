import io
import re
from dataclasses import replace
from functools import reduce

import pytest
from rich.console import Console

from kaslite.dashboard.fold import RunView, fold
from kaslite.dashboard.terminal import MOST_SEEDS, SHORTEST_PAUSE_S, TerminalView, render
from kaslite.events import PhaseStarted, RunFinished, RunResumed, SeedGerminated, SeedStateChanged
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
        r"│ blocks\.0:0 │ shadowing +│ mlp +│ 1\.00 │",
        r"│ blocks\.1:0 │ dormant +│ low_rank +│ 0\.00 │",
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


def test_a_wide_terminal_shows_all_that_was_measured():
    measured = replace(reading(0.5), scale_drift=-0.1, grad_norm=2.0, grad_ratio=0.3, twin_gain=0.01)
    frame = text(fold(reduce(fold, EVENTS, RunView()), epoch(3, measured)), width=180)
    assert re.search(r"│ +-0\.1000 │ +2\.0000 │ +0\.300 │ +\+0\.0100 │", frame)


@pytest.mark.parametrize("width", [60, 80, 100, 120, 175])
def test_seeds_can_be_told_apart_at_any_width(width):
    frame = text(reduce(fold, EVENTS, RunView()), width)
    assert re.search(r"│ blocks\.0:0 │ shadowing │ mlp +│ 1\.00 │", frame)
    assert re.search(r"│ Seeds Active +│ +1/2 │", frame)
    assert max(map(len, frame.splitlines())) <= width


def test_of_many_seeds_the_living_are_shown():
    places = tuple((f"blocks.{number}", 0) for number in range(40))
    many = START.__class__(**{**vars(START), "seeds": places})
    late = SeedGerminated(epoch=1, layer="blocks.39", seed=0, blueprint_id="mlp", params=7)
    moved = SeedStateChanged(
        epoch=1, layer="blocks.39", seed=0, blueprint_id="mlp", from_state="dormant", to_state="germinated", reason="x"
    )
    frame = text(reduce(fold, [many, late, moved], RunView()))
    assert "blocks.39:0 │ germinated" in frame
    assert f"and {40 - MOST_SEEDS} more" in frame
