"""A checkpoint file: one tree of plain data and tensors, whole or not at all, and never any code.

It is a safetensors file whose metadata hold the tree as JSON (see `kaslite.training.tree`); each of its tensors is an entry
of the file. A checksum over the whole file stands at a fixed place, so that a flipped bit is told from a newer format, and
nothing is parsed before it is verified. Every later format keeps it there.

Not for: what is in the tree; nor which files there are, that is `kaslite.training.checkpoints`.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import struct
from typing import TYPE_CHECKING, Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open

from kaslite.errors import NewerFormatError, StorageError, UsageError
from kaslite.training.tree import DTYPES, decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from torch import Tensor

FORMAT_VERSION = 1
HALF_WRITTEN = ".tmp"  # ends the name of a file that is being written

_LONGEST_HEADER = 100_000_000  # bytes; what readers of safetensors accept

# The file begins with the length of its header, and the header with these words: the checksum is found without parsing.
_OPENING = b'{"__metadata__":{"checksum":"'
_CHECKSUM_AT = 8 + len(_OPENING)
_NO_CHECKSUM = b"0" * 64  # stands in for the checksum while it is computed


def write_tree(path: Path, tree: Any) -> None:
    """Write a tree to a file, under a temporary name first: the file is the old one or the new one, whatever happens.

    Args:
        path: of the file; its folder has to be there.
        tree: dicts with str or int keys, lists, tuples, tensors, str, int, float, bool and ``None``, nested.

    Raises:
        UsageError: if something in the tree cannot be stored, with its place; nothing is written then.
        StorageError: if the file cannot be written; then the old file is as it was, and nothing else is left.
    """
    node, tensors = encode(tree)
    text = json.dumps(node, allow_nan=False, separators=(",", ":"))
    order = sorted(range(len(tensors)), key=lambda index: -tensors[index].itemsize)  # so that each is aligned
    header = _header(text, tensors, order)
    half = path.with_name(f"{path.name}.{secrets.token_hex(4)}{HALF_WRITTEN}")
    try:
        try:
            with half.open("xb") as file:
                _write(file, header, (tensors[index] for index in order))
            half.replace(path)
        finally:
            half.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        raise StorageError(f"cannot write the checkpoint {path}: {error.strerror}.") from error


def read_tree(path: Path) -> Any:
    """Read back what `write_tree` wrote.

    Raises:
        NewerFormatError: if a newer version of kaslite wrote it.
        StorageError: if the file cannot be read, is damaged anywhere, or is no checkpoint.
    """
    try:
        _verify(path)
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            version = int(metadata["format_version"])
            if version > FORMAT_VERSION:
                raise NewerFormatError(
                    f"the checkpoint {path} was written by a newer kaslite (format {version}; this one reads "
                    f"{FORMAT_VERSION}): update kaslite."
                )
            # Copies: what is read is mapped from the file, and its alignment could change the last bit of a product.
            return decode(json.loads(metadata["tree"]), lambda name: file.get_tensor(name).clone())
    except OSError as error:
        raise StorageError(f"cannot read the checkpoint {path}: {error.strerror}.") from error
    except (SafetensorError, LookupError, ValueError, TypeError, RecursionError) as error:
        raise StorageError(f"the checkpoint {path} holds what kaslite does not write: {error!r}.") from error


def _header(text: str, tensors: Sequence[Tensor], order: Sequence[int]) -> bytes:
    metadata = {"checksum": _NO_CHECKSUM.decode(), "format_version": str(FORMAT_VERSION), "tree": text}
    entries: dict[str, object] = {"__metadata__": metadata}
    end = 0
    for index in order:
        tensor, start = tensors[index], end
        end += tensor.nbytes
        entries[str(index)] = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    if len(header) > _LONGEST_HEADER:
        raise UsageError(
            f"the tree without its tensors takes {len(header):,} bytes, and a checkpoint has room for {_LONGEST_HEADER:,}; "
            "put long lists of numbers into tensors."
        )
    return struct.pack("<Q", len(header)) + header


def _write(file: BinaryIO, header: bytes, tensors: Iterable[Tensor]) -> None:
    file.write(header)
    checksum = hashlib.sha256(header)
    for tensor in tensors:  # one after the other: of a model on another device, one tensor at a time is here
        content = _bytes(tensor)
        file.write(content)
        checksum.update(content)
    file.seek(_CHECKSUM_AT)
    file.write(checksum.hexdigest().encode())
    file.flush()
    os.fsync(file.fileno())


def _bytes(tensor: Tensor) -> memoryview:
    flat = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data


def _sync_folder(folder: Path) -> None:
    """Make a renaming last through a loss of power, where a folder can be synced."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _verify(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(_CHECKSUM_AT)
        if not head.endswith(_OPENING):
            raise _foreign(path)
        claimed = file.read(len(_NO_CHECKSUM))
        checksum = hashlib.sha256(head + _NO_CHECKSUM)
        hashlib.file_digest(file, lambda: checksum)
    if checksum.hexdigest().encode() != claimed:
        raise StorageError(f"the checkpoint {path} is damaged: its checksum does not match.")


def _foreign(path: Path) -> StorageError:
    try:
        with safe_open(path, framework="pt"):
            return StorageError(f"{path} is a safetensors file, but not a checkpoint of kaslite.")
    except (SafetensorError, OSError):
        return StorageError(f"{path} is not a checkpoint of kaslite, or is damaged.")
