"""Where the numbers of a run come from, beside its config: versions, the state of the code, the data.

Taken once, when a run begins, and recorded in `RunStarted`. What cannot be told (no git, no checkout, a git that does not
answer) is ``None`` and stops nobody. Not for: which rows of a proof may stand (`kaslite.proof.provenance`).
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import kaslite
from kaslite.events import GitState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from kaslite.tasks.task import Task

LIBRARIES = ("torch", "numpy", "scikit-learn")
MOST_PATHS = 100
"""Of changed files that are named."""
GIT_ANSWERS_WITHIN_S = 2.0

_STATUS = ("status", "--porcelain=v2", "--branch", "-z", "--untracked-files=no", "--no-renames")
_DIFF = ("diff", "HEAD", "--full-index", "--no-ext-diff", "--no-textconv", "--no-color")


def versions() -> dict[str, str]:
    """Return the versions of what computes, by name."""
    libraries = {name: found for name in LIBRARIES if (found := _version(name)) is not None}
    return {"kaslite": kaslite.__version__, **libraries, "python": platform.python_version()}


class Checkouts(NamedTuple):
    """The checkouts that a run depends on; ``None`` where there is none."""

    git: GitState | None  # of the present folder
    kaslite_git: GitState | None  # of kaslite itself, if it is imported from one: src/kaslite beside .git


def checkouts() -> Checkouts:
    """Return what git says of the present folder and of kaslite; one that is both is asked once."""
    here, ours = _present_checkout(), Path(kaslite.__file__).resolve().parents[2]
    state = None if here is None else git_state(here)
    if here is not None and here == ours:
        return Checkouts(state, state)
    return Checkouts(state, git_state(ours) if (ours / ".git").exists() else None)


def git_state(checkout: Path) -> GitState | None:
    """Return the state of a checkout, if git answers.

    Untracked files are not looked at: what runs themselves write would make every checkout a changed one.
    """
    with ThreadPoolExecutor(2) as both:  # they take as long as one
        status, diff = both.map(partial(_git, checkout), (_STATUS, _DIFF))
    return None if status is None else _read_state(status, diff)


def data_sha256(task: Task) -> str:
    """Return a checksum of all three splits, as they are trained and tested on."""
    splits = {"train": task.train, "validation": task.validation, "test": task.test}
    return tensors_sha256(
        {f"{name}.{part}": getattr(split, part) for name, split in splits.items() for part in ("inputs", "targets")}
    )


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Return a checksum of named tensors: names, types, shapes and every bit."""
    digest = hashlib.sha256()
    for name, tensor in tensors.items():
        array = tensor.detach().cpu().contiguous().numpy()
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.reshape(-1).data)
    return digest.hexdigest()


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def _present_checkout() -> Path | None:
    try:
        folder = Path.cwd().resolve()
    except OSError:  # it was removed
        return None
    # os.path: a folder above that may not be read is no error
    return next((place for place in (folder, *folder.parents) if os.path.exists(place / ".git")), None)  # noqa: PTH110


def _git(folder: Path, words: tuple[str, ...]) -> bytes | None:
    command = ("git", "--no-optional-locks", "-C", str(folder), *words)
    # A hook of git's says in variables which repository it is about: that may be another one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        return subprocess.run(  # noqa: S603  words of our own
            command, capture_output=True, check=True, timeout=GIT_ANSWERS_WITHIN_S, env=environment
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None


def _read_state(status: bytes, diff: bytes | None) -> GitState | None:
    commit, changed = None, []
    for line in status.decode(errors="replace").split("\0"):
        kind, _, rest = line.partition(" ")
        if line.startswith("# branch.oid ") and not line.endswith("(initial)"):
            commit = line.rsplit(" ", 1)[-1]
        elif kind in _FIELDS:
            changed.append(rest.split(" ", _FIELDS[kind])[-1])
    digest = hashlib.sha256(diff).hexdigest() if changed and diff is not None else None
    return GitState(commit=commit, changes=len(changed), changed=tuple(changed[:MOST_PATHS]), diff_sha256=digest)


_FIELDS = {"1": 7, "u": 9}
"""How many fields stand before the path in a line of that kind."""
