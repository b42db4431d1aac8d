"""Which code gave a number: rows of one code are never taken for those of another.

Not for: what only shows, stores or judges numbers; it may change while they stand.
"""

from __future__ import annotations

import ast
import hashlib
import platform
from functools import cache
from pathlib import Path

import numpy as np
import sklearn
import torch

import kaslite

SOURCES = (
    "blending", "blueprints", "controllers", "experiment/assembly.py", "experiment/controllers.py",
    "experiment/trained_host.py", "lifecycle.py", "proof/planted.py", "randomness.py", "seeds", "signals", "tasks", "training",
)  # fmt: skip
"""What computes, in the package; the settings themselves are part of every row."""


@cache
def code_digest() -> str:
    """Return a digest of all that a number depends on beside the settings: our sources, the libraries that compute, Python."""
    return digest_of(Path(kaslite.__file__).parent)


def digest_of(package: Path) -> str:
    """Return the digest of the sources in a folder, but for comments and docstrings; what is not there counts for nothing."""
    versions = torch.__version__, np.__version__, sklearn.__version__, platform.python_version()
    digest = hashlib.sha256(" ".join(versions).encode())
    for source in SOURCES:
        place = package / source
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place] if place.exists() else []:
            digest.update(file.relative_to(package).as_posix().encode())
            digest.update(_instructions(file.read_text(encoding="utf-8")).encode())
    return digest.hexdigest()[:12]


def _instructions(source: str) -> str:
    """Return what a source does, without what it says about it."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            del node.body[0]
    return ast.dump(tree)
