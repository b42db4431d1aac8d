"""The live view in a terminal: progress, metrics, seeds, log. It draws a `RunView`; it knows nothing else of the run."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import reduce
from typing import TYPE_CHECKING, final

from rich.console import Group, RenderableType
from rich.live import Live
from rich.measure import Measurement
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from kaslite.dashboard.blending import TITLE, blending_table
from kaslite.dashboard.fold import LOG_LINES, RunView, fold
from kaslite.dashboard.seed_table import seed_table
from kaslite.events import RunFinished
from kaslite.telemetry.words import PHASE_TITLES, number, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console, ConsoleOptions, RenderResult

    from kaslite.dashboard.fold import PhaseView
    from kaslite.events import Event

SIDE_BY_SIDE = 115  # columns of a terminal from which the two tables stand beside one another
SHORTEST_LOG_LINE = 70  # columns that the event log needs if the blending analytics are to stand beside it
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
    """Draws a view to the width that there is: a narrow terminal stacks what a wide one sets side by side."""

    def __init__(self, view: RunView) -> None:
        self._view = view

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        view, width = self._view, options.max_width
        yield _progress(view)
        if view.banner is not None:
            yield Panel(Text(view.banner, style="bold"), border_style="green")
        metrics = _metrics(view)
        if width >= SIDE_BY_SIDE:
            tables = Table.grid(padding=(0, 2), pad_edge=False)
            taken = Measurement.get(console, options, metrics).maximum + 2
            tables.add_row(metrics, seed_table(view.seeds, width - taken))
            yield tables
        else:
            yield from (metrics, seed_table(view.seeds, width))
        yield from _happenings(view, console, options)


def _happenings(view: RunView, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
    """Draw the event log, and beside it, or else below it, what the blends add up to, once there are any."""
    if not view.blending.strategies:
        yield _log(view)
        return
    around = 4  # columns of a panel's frame
    narrow = blending_table(view.blending, width=0)
    taken = Measurement.get(console, options, narrow).maximum + around
    if options.max_width - taken - around >= SHORTEST_LOG_LINE:
        panels = Table.grid(expand=True)
        panels.add_column(ratio=1)
        panels.add_column(width=taken)
        height = 2 + max(LOG_LINES + 1, narrow.row_count + 2)  # as the log's, if that is enough
        panels.add_row(_log(view), Panel(narrow, title=TITLE, height=height))
        yield panels
    else:
        yield from (_log(view), Panel(blending_table(view.blending, options.max_width - around), title=TITLE))


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
    totals = view.totals
    for name, value in (
        ("Epoch", str(totals.epochs)),
        ("Phase", plain(view.phases[-1].name) if view.phases else "-"),
        ("Train Loss", number(totals.train_loss)),
        ("Val Loss", number(totals.val_loss)),
        ("Val Accuracy", number(totals.val_accuracy)),
        ("Best Accuracy", number(totals.best_accuracy)),
        ("Seeds Active", f"{view.seeds_active}/{len(view.seeds)}"),
    ):
        table.add_row(name, Text(value))
    return table


def _log(view: RunView) -> RenderableType:
    lines = [Text(line, overflow="ellipsis", no_wrap=True) for line in view.log]
    lines += [Text("")] * (LOG_LINES - len(lines))
    thought = f"controller: {plain(view.thought)}" if view.thought else "controller: -"
    return Panel(Group(*lines, Text(thought, style="italic", overflow="ellipsis", no_wrap=True)), title="Event Log")
