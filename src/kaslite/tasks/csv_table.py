"""CSV files as tables: a header row, one sample a line, separated by commas, semicolons or tabs.

Not for: what cells may hold (`kaslite.tasks.table_cells`).
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import warnings
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from kaslite.errors import DataError, UsageError, unknown_name
from kaslite.tasks.table_cells import LARGEST, Table, is_number, read_numbers, read_targets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_BLOCK = 10_000  # rows
_HEAD = 100_000  # bytes in which the header is looked for
_QUOTED = re.compile(rb'(^|[,;\t\n])[ \t]*"(?:[^"]|"")*"')  # a cell in quotes, after what stands before it


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
    target_at = header.index(str(target))
    inputs, targets = _read_plain(file, content, header, target_at) or _read_any(file, content, header, target_at)
    names = tuple(name for at, name in enumerate(header) if at != target_at)
    return Table(inputs, read_targets(targets, _places(file, content, header)(target_at)), names)


def _read_plain(file: Path, content: bytes, header: list[str], target_at: int) -> tuple[NDArray[np.float64], list[str]] | None:
    """Return inputs and targets, several times quicker; ``None`` if there are quotes, or if anything does not do."""
    number, _ = next(_lines(file, content))
    text = io.BytesIO(content)
    opening = b"".join(text.readline() for _ in range(number))
    if b"\r" in opening.replace(b"\r\n", b"") or content.find(b'"', text.tell()) >= 0:
        return None
    kinds = [(str(at), object if at == target_at else np.float64) for at in range(len(header))]
    try:
        with warnings.catch_warnings(action="ignore"):  # there may be no line
            rows = np.loadtxt(text, kinds, comments=None, delimiter=_delimiter(content), ndmin=1, encoding="utf-8")
    except ValueError:
        return None
    inputs = np.stack([rows[name] for name, kind in kinds if kind is np.float64], axis=1)
    are_numbers = len(rows) and np.abs(inputs).max() <= LARGEST
    return (inputs, [target.strip() for target in rows[str(target_at)]]) if are_numbers else None


def _read_any(file: Path, content: bytes, header: list[str], target_at: int) -> tuple[NDArray[np.float64], list[str]]:
    """Return inputs and targets, and tell the first cell that does not do."""
    inputs, targets = [], list[str]()
    for texts in _blocks(file, content, header):
        place = _places(file, content, header, len(targets))
        read = [read_numbers(column, place(at)) for at, column in enumerate(texts) if at != target_at]
        inputs.append(np.stack(read, axis=1))
        targets += texts[target_at]
    if not inputs:
        raise DataError(f"the data file {file} has no line after its header.")
    return np.concatenate(inputs), targets


def _blocks(file: Path, content: bytes, header: list[str]) -> Iterator[list[tuple[str, ...]]]:
    """Yield the columns of some rows after the header, and so on: all at once, the texts take ten times the file's memory."""
    lines = _lines(file, content)
    next(lines)
    while block := list(islice(lines, _BLOCK)):
        for number, cells in block:
            if len(cells) != len(header):
                raise DataError(
                    f"{file}, line {number} has {len(cells)} cells, and the header {len(header)}; correct the line."
                )
        yield list(zip(*(cells for _, cells in block), strict=True))


def _places(file: Path, content: bytes, header: list[str], first: int = 0) -> Callable[[int], Callable[[int], str]]:
    """Return what maps a column, and then a row counted from the one at ``first``, to words; it looks the line up anew."""

    def place(column: int, row: int) -> str:
        number, _ = next(islice(_lines(file, content), 1 + first + row, None))
        return f"{file}, line {number}, column {header[column]!r}"

    return lambda column: partial(place, column)


def _lines(file: Path, content: bytes) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells of each line that is not blank."""
    try:
        text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")
        reader = csv.reader(text, delimiter=_delimiter(content), skipinitialspace=True)
        for cells in reader:
            if cells and cells != [""]:
                yield reader.line_num, [cell.strip() for cell in cells]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"the data file {file} is no CSV file in UTF-8: {error}.") from error


def _delimiter(content: bytes) -> str:
    """Return what stands between the names of the columns: the most frequent one outside of quotes."""
    lines = _QUOTED.sub(rb"\1", content[:_HEAD].removeprefix(codecs.BOM_UTF8)).splitlines()
    header = next((line for line in lines if line.strip(b" ")), b"")
    return max(",;\t", key=lambda delimiter: header.count(delimiter.encode()))
