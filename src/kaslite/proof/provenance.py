"""Which code gave a number: rows of one code are never taken for those of another.

Not for: what only shows, stores or judges numbers; it may change while they stand.
"""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from pathlib import Path

import torch

import kaslite

SOURCES = (
    "blending", "blueprints", "controllers", "experiment/assembly.py", "experiment/controllers.py",
    "experiment/trained_host.py", "lifecycle.py", "proof/planted.py", "randomness.py", "seeds", "signals", "tasks", "training",
)  # fmt: skip
"""What computes, in the package; the settings themselves are part of every row."""


@cache
def code_digest() -> str:
    """Return a digest of all that a number depends on beside the settings: our sources, PyTorch, Python."""
    return digest_of(Path(kaslite.__file__).parent)


def digest_of(package: Path) -> str:
    """Return the digest of the sources in a folder; what is not there yet counts for nothing."""
    digest = hashlib.sha256(f"{torch.__version__} {platform.python_version()}".encode())
    for source in SOURCES:
        place = package / source
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place] if place.exists() else []:
            digest.update(file.relative_to(package).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
