"""The live view in a terminal: progress, metrics, seeds, log. It draws a `RunView`; it knows nothing else of the run."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import reduce
from typing import TYPE_CHECKING, final

from rich.console import Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from kaslite.dashboard.fold import LOG_LINES, RunView, fold
from kaslite.dashboard.words import PHASE_TITLES, number, plain
from kaslite.events import RunFinished

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console, ConsoleOptions, RenderResult

    from kaslite.dashboard.fold import PhaseView, SeedView
    from kaslite.events import Event

STATE_STYLES = {
    "dormant": "dim",
    "germinated": "yellow",
    "training": "yellow",
    "blending": "cyan",
    "shadowing": "blue",
    "probationary": "magenta",
    "fossilized": "bold green",
    "culled": "red",
    "embargoed": "red dim",
    "resetting": "dim",
}

SIDE_BY_SIDE = 115  # columns of a terminal from which the two tables stand beside one another
NUMBERS = ("α", "Progress", "Removal cost", "Drift", "Scale drift", "Grad norm", "Grad ratio", "Twin gain")
NUMBERS_FROM = ((175, 8), (90, 4), (0, 1))  # how many of them the seed table has, from which width on
MOST_SEEDS = 12  # rows of the seed table; dormant seeds give way first
SHORTEST_PAUSE_S = 0.1
SHARE_OF_TIME = 0.02  # drawing may take this part of a run's time


@final
class TerminalView:
    """Redraws the run while its events come in, at most ten times a second, and once more when it ends."""

    def __init__(self, console: Console) -> None:
        self._view = RunView()
        self._live = Live(console=console, auto_refresh=False)
        self._next_draw = 0.0

    def recall(self, history: Sequence[Event]) -> None:
        """Take in what happened before this view was there, without drawing."""
        self._view = reduce(fold, history, self._view)

    def write(self, event: Event) -> None:
        """Take the event in, and draw if it is time to."""
        self._view = fold(self._view, event)
        if time.perf_counter() >= self._next_draw or isinstance(event, RunFinished):
            self._draw()

    def close(self) -> None:
        """Draw the last frame and give the terminal back."""
        self._draw()
        self._live.stop()

    def _draw(self) -> None:
        started = time.perf_counter()
        self._live.start()  # at the first frame: a run that never starts leaves the terminal alone
        self._live.update(render(self._view), refresh=True)
        ended = time.perf_counter()
        self._next_draw = ended + max(SHORTEST_PAUSE_S, (ended - started) / SHARE_OF_TIME)


def render(view: RunView) -> RenderableType:
    """Return a frame."""
    return _Frame(view)


class _Frame:
    """Draws a view to the width that there is: a narrow terminal gets the seeds below the metrics, and fewer columns."""

    def __init__(self, view: RunView) -> None:
        self._view = view

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        numbers = next(numbers for width, numbers in NUMBERS_FROM if options.max_width >= width)
        view, seeds = self._view, _seeds(self._view, numbers)
        yield _progress(view)
        if view.banner is not None:
            yield Panel(Text(view.banner, style="bold"), border_style="green")
        if options.max_width >= SIDE_BY_SIDE:
            tables = Table.grid(padding=(0, 2))
            tables.add_row(_metrics(view), seeds)
            yield tables
        else:
            yield from (_metrics(view), seeds)
        yield _log(view)


def _progress(view: RunView) -> RenderableType:
    rows = Table.grid(padding=(0, 1))
    for phase in view.phases:
        title = plain(PHASE_TITLES.get(phase.name, phase.name))
        bar = ProgressBar(total=max(1, phase.epochs), completed=phase.done, width=40)
        rows.add_row(Text(title, style="bold"), bar, Text(f"{phase.done}/{phase.epochs} • {_elapsed(phase)}"))
    return rows


def _elapsed(phase: PhaseView) -> str:
    return str(timedelta(seconds=int(phase.last_s - phase.started_s)))


def _metrics(view: RunView) -> RenderableType:
    table = Table(title="Experiment Metrics")
    table.add_column("Metric")
    table.add_column("Value", justify="right")
    last = view.last
    losses = (
        (None, None, None, None) if last is None else (last.train_loss, last.val_loss, last.val_accuracy, last.best_accuracy)
    )
    train_loss, val_loss, val_accuracy, best_accuracy = map(number, losses)
    for name, value in (
        ("Epoch", str(view.epoch)),
        ("Phase", plain(view.phases[-1].name) if view.phases else "-"),
        ("Train Loss", train_loss),
        ("Val Loss", val_loss),
        ("Val Accuracy", val_accuracy),
        ("Best Accuracy", best_accuracy),
        ("Seeds Active", f"{view.seeds_active}/{len(view.seeds)}"),
    ):
        table.add_row(name, Text(value))
    return table


def _seeds(view: RunView, numbers: int) -> RenderableType:
    table = Table(title="Seed States")
    for name in ("Seed", "State", "Blueprint"):
        table.add_column(name, no_wrap=True)
    for name in NUMBERS[:numbers]:
        table.add_column(name, justify="right", no_wrap=True)
    places = sorted(view.seeds, key=lambda place: view.seeds[place].state == "dormant")[:MOST_SEEDS]
    for layer, index in (place for place in view.seeds if place in places):
        cells = _seed_cells(view.seeds[layer, index])
        table.add_row(Text(plain(f"{layer}:{index}")), *cells[: 2 + numbers])
    if len(view.seeds) > MOST_SEEDS:
        table.caption = f"and {len(view.seeds) - MOST_SEEDS} more"
    return table


def _seed_cells(seed: SeedView) -> list[Text]:
    return [
        Text(plain(seed.state), style=STATE_STYLES.get(seed.state, "")),
        Text(plain(seed.blueprint_id or "-")),
        Text(f"{seed.alpha:.2f}"),
        Text(number(seed.training_progress, 3)),
        Text(_signed(seed.removal_cost)),
        Text(number(seed.drift, 3)),
        Text(_signed(seed.scale_drift)),
        Text(number(seed.grad_norm)),
        Text(number(seed.grad_ratio, 3)),
        Text(_signed(seed.twin_gain)),
    ]


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.4f}"


def _log(view: RunView) -> RenderableType:
    lines = [Text(line, overflow="ellipsis", no_wrap=True) for line in view.log]
    lines += [Text("")] * (LOG_LINES - len(lines))
    thought = f"controller: {plain(view.thought)}" if view.thought else "controller: -"
    return Panel(Group(*lines, Text(thought, style="italic", overflow="ellipsis", no_wrap=True)), title="Event Log")
