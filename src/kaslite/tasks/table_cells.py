"""What a table of the user's own may hold: finite numbers, and classes of any name; what else there is, is told with its place.

Not for: reading files (`kaslite.tasks.table_file`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kaslite.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

MISSING = frozenset({"", "?", "na", "n/a", "nan", "null"})
"""What stands for no value, in any case of its letters."""

LARGEST = 1e100
"""Larger numbers are refused: their squares, of which deviations are made, would be infinite."""

_FILL_IN = "fill it in, or leave its row or its column out."


@dataclass(frozen=True)
class Table:
    """Rows to learn from."""

    inputs: NDArray[np.float64]  # (rows, columns)
    targets: NDArray[Any]  # (rows,): integers, floating-point numbers or texts
    columns: tuple[str, ...] | None = None  # names of the inputs, where they have some


def check_numbers(values: NDArray[Any], place: Callable[..., str]) -> None:
    """Refuse a number that is missing or not usable.

    Args:
        values: numbers.
        place: maps the indices of a value to words.

    Raises:
        DataError: with the place of the first one.
    """
    bad = np.argwhere(~(np.abs(values.astype(np.float64)) <= LARGEST))
    if len(bad):
        value = values[tuple(bad[0])]
        wrong = "is missing" if np.isnan(value) else f"is {value}, which is out of range"
        raise DataError(f"{place(*bad[0].tolist())} {wrong}; {_FILL_IN}")


def check_texts(values: Iterable[str], place: Callable[[int], str]) -> None:
    """Refuse a text that is missing; arguments as above."""
    for row, text in enumerate(values):
        if text.strip().casefold() in MISSING:
            raise DataError(f"{place(row)} is missing; {_FILL_IN}")


def read_numbers(texts: Sequence[str], place: Callable[[int], str]) -> NDArray[np.float64]:
    """Read texts as numbers.

    Args:
        texts: as they stand in the file.
        place: maps the index of a text to words.

    Raises:
        DataError: with the place of the first one that is missing, or no number.
    """
    try:
        numbers = _as(np.float64, texts)
    except ValueError:
        check_texts(texts, place)
        row = next(row for row, text in enumerate(texts) if not is_number(text))
        raise DataError(
            f"{place(row)} is {texts[row][:40]!r}, which is no number; encode it as numbers (one column of 0 and 1 for each "
            "value), or leave the column out."
        ) from None
    check_numbers(numbers, place)
    return numbers


def read_targets(texts: Sequence[str], place: Callable[[int], str]) -> NDArray[Any]:
    """Read texts as integers if all are, or else as numbers, or else as names of classes; arguments as above."""
    check_texts(texts, place)
    for kind in (np.int64, np.float64):
        try:
            numbers = _as(kind, texts)
        except (ValueError, OverflowError):
            continue
        check_numbers(numbers, place)
        return numbers
    return np.array(texts)


def is_number(text: str) -> bool:
    """Return whether a text can be read as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text  # which Python reads, and nobody else


def _as(kind: type[np.number[Any]], texts: Sequence[str]) -> NDArray[Any]:
    if any("_" in text for text in texts):
        raise ValueError
    return np.array(texts, dtype=kind)
