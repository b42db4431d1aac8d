"""The blending analytics as a table: its rows as plain texts, and the ways in which they are drawn.

Every view of a run takes its rows from here, so all show the same.
Not for: counting; that is `kaslite.telemetry.analytics`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from kaslite.dashboard.columns import GAP, in_columns, widths_of
from kaslite.telemetry.words import number, plain, signed

if TYPE_CHECKING:
    from kaslite.telemetry.analytics import BlendingStats

TITLE = "Blending Analytics"
NOTHING = "no blend has begun yet"
HEADINGS = ("Strategy", "Count", "Mean Duration", "Mean Loss Improvement", "Success / Failure", "Open")


def blending_rows(stats: BlendingStats) -> list[tuple[str, ...]]:
    """Return a row for each strategy that was chosen, its cells in the order of `HEADINGS`; ``-`` = not measured.

    >>> from kaslite.telemetry.analytics import BlendingStats, StrategyStats
    >>> blending_rows(BlendingStats({"FIXED_RAMP": StrategyStats(count=2, completed=1, epochs=3)}))
    [('FIXED_RAMP', '2', '3.0 epochs', '-', '1 / 0', '1')]
    """
    return [
        (
            plain(name),
            str(strategy.count),
            "-" if strategy.mean_duration_epochs is None else f"{number(strategy.mean_duration_epochs, 1)} epochs",
            signed(strategy.mean_loss_improvement),
            f"{strategy.completed} / {strategy.failed}",
            str(strategy.open),
        )
        for name, strategy in stats.strategies.items()
    ]


def blending_table(stats: BlendingStats, width: int) -> Table:
    """Return the rows as a table without a frame.

    Args:
        stats: what to show.
        width: columns of the terminal that there are; where they are few, headings take two lines, and then the names of
            strategies are shortened.
    """
    rows = blending_rows(stats)
    is_narrow = sum(widths_of(HEADINGS, rows)) + len(GAP) * (len(HEADINGS) - 1) > width
    table = Table(box=None, pad_edge=False, padding=(0, len(GAP), 0, 0))
    for place, heading in enumerate(HEADINGS):
        lines = heading.rsplit(" ", 1) if is_narrow else [heading]
        is_name = place == 0
        table.add_column(
            "\n".join(lines),
            justify="left" if is_name else "right",
            no_wrap=not is_name,
            overflow="ellipsis",
            vertical="bottom",
        )
    for row in rows:
        table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in row))
    return table


def blending_text(stats: BlendingStats) -> str:
    """Return the rows as lines of plain text, in columns; or one line that says that there is nothing to show."""
    rows = blending_rows(stats)
    return in_columns(HEADINGS, rows) if rows else NOTHING
