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

_COMPUTES = (
    "blending", "blueprints", "controllers", "experiment/assembly.py", "kernels", "lifecycle.py",
    "randomness.py", "seeds", "signals", "tasks", "training",
)  # fmt: skip


@cache
def code_digest() -> str:
    """Return a digest of all that a number depends on beside the settings: our sources, PyTorch, Python."""
    digest = hashlib.sha256(f"{torch.__version__} {platform.python_version()}".encode())
    package = Path(kaslite.__file__).parent
    for name in _COMPUTES:
        place = package / name
        for file in [place] if place.suffix else sorted(place.rglob("*.py")):
            digest.update(file.relative_to(package).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
