"""CSV files as tables: a header row, one sample a line, separated by commas, semicolons or tabs.

Not for: what cells may hold (`kaslite.tasks.table_cells`).
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import numpy as np

from kaslite.errors import DataError, UsageError, unknown_name
from kaslite.tasks.table_cells import Table, is_number, read_numbers, read_targets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def read_header(file: Path, content: bytes, target: str | None) -> list[str]:
    """Return the names of the columns.

    Args:
        file: for messages.
        content: what it holds.
        target: the column to learn.

    Raises:
        DataError: if there is no header, or nothing beside the target.
        UsageError: if there is no such column.
    """
    _, header = next(_lines(file, content), (1, []))
    if not header:
        raise DataError(f"the data file {file} is empty.")
    if all(map(is_number, header)):
        raise DataError(f"the first line of {file} holds numbers; it has to hold the names of the columns.")
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"two columns of {file} are called {twice!r}; give each a name of its own.")
    if target is None:
        raise UsageError(f"data is {file}; say which column is to be learned with --target: {', '.join(header)}.")
    if target not in header:
        raise unknown_name("column", target, header)
    if len(header) < 2:
        raise DataError(f"the data file {file} has no column beside {target!r}; there is nothing to learn it from.")
    return header


def read_csv(file: Path, content: bytes, target: str | None) -> Table:
    """Read a table; arguments as above.

    Raises:
        DataError: also with the first cell that does not do.
        UsageError: as above.
    """
    header = read_header(file, content, target)
    lines = list(_lines(file, content))[1:]
    for number, cells in lines:
        if len(cells) != len(header):
            raise DataError(f"{file}, line {number} has {len(cells)} cells, and the header {len(header)}; correct the line.")
    if not lines:
        raise DataError(f"the data file {file} has no line after its header.")

    def place_in(name: str) -> Callable[[int], str]:
        return lambda row: f"{file}, line {lines[row][0]}, column {name!r}"

    columns = {name: [cells[index] for _, cells in lines] for index, name in enumerate(header)}
    targets = columns.pop(str(target))
    inputs = [read_numbers(texts, place_in(name)) for name, texts in columns.items()]
    return Table(np.stack(inputs, axis=1), read_targets(targets, place_in(str(target))))


def _lines(file: Path, content: bytes) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells of each line that is not blank."""
    try:
        text = content.decode("utf-8-sig")
        first = text.lstrip().partition("\n")[0]
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), skipinitialspace=True)
        for cells in reader:
            if cells and cells != [""]:
                yield reader.line_num, [cell.strip() for cell in cells]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"the data file {file} is no CSV file in UTF-8: {error}.") from error
