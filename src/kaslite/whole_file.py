"""Text files that are written whole or not at all: under another name first, and then given theirs.

Not for: checkpoints, which are checked when they are read (`kaslite.training.checkpoint_file`).
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write a file, or put it in the place of the one that is there; nothing half-written stays.

    Raises:
        OSError: if it cannot be written.
    """
    half = path.with_name(path.name + ".tmp")
    try:
        half.write_text(text, encoding="utf-8")
        half.replace(path)
    except OSError:
        with suppress(OSError):
            half.unlink()
        raise
