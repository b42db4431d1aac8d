"""How far many runs are: a bar in a terminal, a line for each elsewhere.

Not for: what happens inside a run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Self, TextIO, final

from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn
from rich.progress import Progress as RichProgress

if TYPE_CHECKING:
    from rich.console import Console

Progress = Callable[[str, str, int, int, float], None]
"""Called with a group of runs, the run that is over, how many are, how many there are, and about how many seconds are left."""


def print_run(stream: TextIO, group: str, run: str, done: int, total: int, left_s: float) -> None:  # noqa: PLR0917  `Progress`
    """Print that a run is over.

    >>> import sys
    >>> print_run(sys.stdout, "C3", "digits, grown, rng seed 4", 12, 90, 754.0)
    C3 12/90: digits, grown, rng seed 4; about 12 min 34 s left
    """
    print(f"{group} {done}/{total}: {run}; about {clock(left_s)} left", file=stream, flush=True)


def clock(seconds: float) -> str:
    """Return a duration as people read it.

    >>> clock(4), clock(59.6), clock(3661)
    ('4 s', '1 min 0 s', '1 h 1 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


@final
class RunsBar:
    """A bar for each group of runs."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"))
        self._progress = RichProgress(*columns, console=console)
        self._bars: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        """Show it."""
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last state on the screen."""
        self._progress.stop()

    def tell(self, group: str, run: str, done: int, total: int, left_s: float) -> None:
        """Take that a run is over."""
        if group not in self._bars:
            self._bars[group] = self._progress.add_task(group, total=total, note="")
        self._progress.update(self._bars[group], completed=done, note=f"{clock(left_s)} left, last: {run}")
