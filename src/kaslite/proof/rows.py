"""The raw rows of a claim, as CSV: one for each run, in an order that does not depend on which ended first.

A file is written whole after each run, so an interrupted proof goes on from it. Not for: judging.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from kaslite.errors import StorageError
from kaslite.whole_file import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from kaslite.proof.arm import Row

IDENTITY = ("trial", "arm", "rng_seed")
PROVENANCE = ("config", "code")
"""Digests of the settings and of the code."""
UNSTABLE = ("wall_s", "peak_mib")
"""What differs when the same run is repeated."""

_TEXT = {"trial", "arm", *PROVENANCE}


def read_rows(path: Path) -> list[Row]:
    """Read rows back; none if there is no such file.

    Raises:
        StorageError: if it cannot be read.
    """
    try:
        lines = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        return [_row(line) for line in lines]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}; choose another folder with --results_dir.") from error
    except (ValueError, TypeError, csv.Error) as error:
        raise StorageError(
            f"the rows {path} are damaged: {error}; remove the file, and what has been run is read from its runs."
        ) from error


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write a file whole or not at all.

    Raises:
        StorageError: if it cannot be written.
    """
    rows = list(rows)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, _columns(rows), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: "" if value is None else value for name, value in row.items()} for row in rows)
    write_text(path, stream.getvalue())


def write_text(path: Path, text: str) -> None:
    """Write a file of a proof, whole or not at all.

    Raises:
        StorageError: if it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}; choose another folder with --results_dir.") from error


def _columns(rows: Sequence[Row]) -> list[str]:
    measured = dict.fromkeys(name for row in rows for name in row)
    for name in (*IDENTITY, *PROVENANCE, *UNSTABLE):
        measured.pop(name, None)
    return [*IDENTITY, *measured, *PROVENANCE, *UNSTABLE]


def _row(line: Mapping[str, str | None]) -> Row:
    if not all(line.get(name) for name in IDENTITY):
        raise ValueError(f"each line needs {', '.join(IDENTITY)}")
    return {name: _value(name, text) for name, text in line.items()}


def _value(name: str, text: str | None) -> Any:
    if text is None:
        raise ValueError("a line is cut off")
    if name in _TEXT:
        return text
    if text == "":
        return None
    try:
        return int(text)
    except ValueError:
        return float(text)
