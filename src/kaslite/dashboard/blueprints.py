"""The blueprint analytics as a table: its rows as plain texts. Not for: counting; that is `kaslite.telemetry.analytics`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaslite.dashboard.columns import in_columns
from kaslite.telemetry.words import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kaslite.telemetry.analytics import BlueprintStats

TITLE = "Blueprint Analytics"
NOTHING = "nothing has germinated yet"
HEADINGS = ("Blueprint", "Germinated", "Fossilized", "Culled", "Rate", "ΔAcc", "Churn")


def blueprint_rows(stats: Mapping[str, BlueprintStats]) -> list[tuple[str, ...]]:
    """Return a row for each blueprint that germinated, in the order of `HEADINGS`; ``-`` = not measured.

    >>> from kaslite.telemetry.analytics import BlueprintStats
    >>> blueprint_rows({"mlp": BlueprintStats(germinated=3, fossilized=1, culled=1, acc_deltas=(0.42,))})
    [('mlp', '3', '1', '1', '50.0%', '+0.42%', '-')]
    """
    return [
        (
            plain(name),
            str(blueprint.germinated),
            str(blueprint.fossilized),
            str(blueprint.culled),
            "-" if blueprint.fossilization_rate is None else f"{blueprint.fossilization_rate:.1f}%",
            _points(blueprint.mean_acc_delta),
            _points(blueprint.mean_churn),
        )
        for name, blueprint in stats.items()
    ]


def blueprint_text(stats: Mapping[str, BlueprintStats]) -> str:
    """Return the rows as lines of plain text, in columns; or one line that says that there is nothing to show."""
    rows = blueprint_rows(stats)
    return in_columns(HEADINGS, rows) if rows else NOTHING


def _points(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2f}%"
