"""Rows of texts in columns: how tables look where there are only lines. Not for: tables that a terminal draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP = "  "


def in_columns(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return lines: the first column to the left, the others to the right.

    >>> print(in_columns(("Seed", "Alpha"), [("a:0", "0.5"), ("blocks.0:0", "1")]))
    Seed        Alpha
    a:0           0.5
    blocks.0:0      1
    """
    widths = widths_of(headings, rows)
    return "\n".join(_line(row, widths) for row in (headings, *rows))


def widths_of(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """Return how many letters each column takes."""
    return [max(map(len, column)) for column in zip(headings, *rows, strict=True)]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    name, *numbers = row
    cells = [name.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=True))]
    return GAP.join(cells)
