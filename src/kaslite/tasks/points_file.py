"""The points of a generated problem as a CSV file, which problem ``table`` reads back to the last bit.

Importing this does not import torch. Not for: splitting and scaling; whoever learns the file does that.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from kaslite.errors import StorageError, UsageError
from kaslite.whole_file import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LABEL = "label"
"""The column of the classes; the coordinates stand before it, as ``x0``, ``x1`` and so on."""


def write_points(file: Path, points: NDArray[Any], labels: NDArray[Any]) -> None:
    """Write a file that is not there yet, whole or not at all; the same points give the same bytes.

    Args:
        file: its name ends on ``.csv``; folders that it needs are made.
        points: (samples, coordinates).
        labels: (samples,).

    Raises:
        UsageError: if the file is of another kind, or there already.
        StorageError: if it cannot be written.
    """
    check_new(file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, _as_csv(points, labels))
    except OSError as error:
        raise StorageError(f"cannot write the data file {file}: {error.strerror}.") from error


def check_new(file: Path) -> None:
    """Refuse a file that is there, or that a run could not read.

    Raises:
        UsageError: with what is wrong.
    """
    if file.suffix.lower() != ".csv":
        raise UsageError(f"the data would go to {file}; give it a name that ends on .csv.")
    if file.exists():
        raise UsageError(f"{file} is there already; delete it, or choose another name.")


def _as_csv(points: NDArray[Any], labels: NDArray[Any]) -> str:
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow([*(f"x{index}" for index in range(points.shape[1])), LABEL])
    lines.writerows([*point, label] for point, label in zip(points.tolist(), labels.tolist(), strict=True))
    return text.getvalue()
