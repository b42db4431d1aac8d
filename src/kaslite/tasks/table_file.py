"""Files of the user's own data: a CSV file with a header row, or an NPZ file with the arrays ``X`` and ``y``.

Every cell is checked, and what is missing is refused with its place. Importing this does not import torch.
Not for: filling gaps in or encoding texts as inputs; that would need decisions which are the user's.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from kaslite.errors import DataError, StorageError, UsageError
from kaslite.tasks.csv_table import read_csv, read_header
from kaslite.tasks.table_cells import Table, check_numbers, check_texts

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

INPUTS, TARGETS = "X", "y"
"""Arrays of an NPZ file."""


def facts(settings: Any) -> dict[str, Any]:
    """Return the settings that the file itself fixes: ``input_dim`` and ``data_sha256``.

    Args:
        settings: an object with ``data``, ``target`` and ``data_sha256``.

    Raises:
        UsageError: if no file is given, if it is of another kind, or if it has no such target.
        StorageError: if it cannot be read.
        DataError: if it is not what its name says, or was changed.
    """
    if settings.data is None:
        raise UsageError("problem table learns a file of your own; give it: --data FILE.csv --target COLUMN.")
    width, digest = _facts(settings.data, settings.target, _state(settings.data))
    _check_digest(settings.data, digest, settings.data_sha256)
    return {"input_dim": width, "data_sha256": digest}


@lru_cache(maxsize=16)
def _facts(file: Path, target: str | None, _state: tuple[int, ...]) -> tuple[int, str]:
    """Return the number of inputs and the checksum; the many runs of a sweep read a file once, until it changes."""
    content = _read(file)
    if not _is_npz(file):
        return len(read_header(file, content, target)) - 1, _digest(content)
    inputs = _array(file, _arrays(file, content), INPUTS)
    _check_matrix(file, inputs)
    return inputs.shape[1], _digest(content)


def _state(file: Path) -> tuple[int, ...]:
    """Return what changes with the content of a file."""
    try:
        state = file.stat()
    except OSError:
        return ()  # reading it will tell
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns


def read_table(file: Path, target: str | None, sha256: str | None) -> Table:
    """Read a file.

    Args:
        file: its name ends on ``.csv`` or ``.npz``.
        target: the column to learn, or the array that stands in for ``y``.
        sha256: checksum that the file has to have; ``None``: any.

    Raises:
        KasliteError: as for `facts`, and with the first cell that does not do.
    """
    content = _read(file)
    _check_digest(file, _digest(content), sha256)
    return _read_npz(file, content, target) if _is_npz(file) else read_csv(file, content, target)


def _is_npz(file: Path) -> bool:
    kind = file.suffix.lower()
    if kind not in {".csv", ".npz"}:
        raise UsageError(
            f"data is {file}; give a CSV file with a header row (.csv), or an NPZ file with the arrays X and y (.npz)."
        )
    return kind == ".npz"


def _read(file: Path) -> bytes:
    _is_npz(file)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise StorageError(f"cannot read the data file {file}: {error.strerror}.") from error
    if not content:
        raise DataError(f"the data file {file} is empty.")
    return content


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _check_digest(file: Path, digest: str, sha256: str | None) -> None:
    if sha256 is not None and sha256 != digest:
        raise DataError(
            f"the data file {file} is not what it was: its SHA-256 is {digest[:12]}..., and data_sha256 {sha256[:12]}...; put "
            "the old file back, or start a new run without data_sha256."
        )


def _read_npz(file: Path, content: bytes, target: str | None) -> Table:
    arrays = _arrays(file, content)
    inputs, targets = _array(file, arrays, INPUTS), _array(file, arrays, target or TARGETS)
    _check_matrix(file, inputs)
    if targets.shape == (len(inputs), 1):
        targets = targets[:, 0]
    if targets.shape != (len(inputs),):
        raise DataError(
            f"{file}: {target or TARGETS} has shape {targets.shape}, and {INPUTS} {inputs.shape}; it has to hold one value "
            "a row."
        )
    return Table(_numbers(file, INPUTS, inputs).astype(np.float64), _targets(file, target or TARGETS, targets))


def _arrays(file: Path, content: bytes) -> Any:
    try:
        arrays = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise DataError(f"the data file {file} is no NPZ file; write it with numpy.savez(file, X=..., y=...).") from error
    if not isinstance(arrays, np.lib.npyio.NpzFile):
        raise DataError(f"the data file {file} holds one bare array; write it with numpy.savez(file, X=..., y=...).")
    return arrays


def _array(file: Path, arrays: Any, name: str) -> NDArray[Any]:
    if name not in arrays:
        there = ", ".join(arrays.files) or "none"
        raise UsageError(f"{file} has no array {name}; it has {there}; say with --target which one stands in for y.")
    try:
        array: NDArray[Any] = arrays[name]
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{file}: the array {name} cannot be read; it has to hold numbers, or for the target texts, and no Python objects."
        ) from error
    return array


def _check_matrix(file: Path, inputs: NDArray[Any]) -> None:
    if inputs.ndim != 2 or not inputs.shape[1]:
        raise DataError(f"{file}: {INPUTS} has shape {inputs.shape}; it has to be (samples, features).")


def _numbers(file: Path, name: str, values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind not in "biuf":
        raise DataError(f"{file}: {name} holds {values.dtype}; it has to hold numbers.")
    check_numbers(values, lambda *place: f"{file}: {name}[{', '.join(map(str, place))}]")
    return values


def _targets(file: Path, name: str, values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind == "U":
        check_texts(values, lambda row: f"{file}: {name}[{row}]")
        return values
    _numbers(file, name, values)
    return values.astype(np.float64 if values.dtype.kind == "f" else np.int64)
