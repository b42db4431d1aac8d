"""Every error that kaslite raises on purpose, under one root.

The message is one sentence or two: what was wrong, what was received, what is accepted, the remedy.
Not for: bugs. Those stay ``AssertionError``, ``TypeError`` and so on, with their traceback.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class KasliteError(Exception):
    """Root of all errors that kaslite raises on purpose."""


class UsageError(KasliteError):
    """The request cannot be carried out as it was written: a name, a number, an order of calls."""


class RefusedError(KasliteError):
    """The request was understood, and a gate said no; the model is as it was."""


class IllegalTransitionError(KasliteError):
    """A seed was asked to move to a state that the table of transitions does not allow."""


class DataError(KasliteError):
    """The data set cannot be learned from as it is."""


class StorageError(KasliteError):
    """A folder or file of a run cannot be written or read."""


class StillGoingError(UsageError):
    """The folder belongs to a process that is at work in it."""


class StoppedError(KasliteError):
    """A reader of a run's events has seen enough of it, and the run ended there."""


class DivergedError(KasliteError):
    """Training came apart again and again, and going back did not help."""


class NewerFormatError(StorageError):
    """A file is well, and was written by a newer kaslite than this one."""


_MOST_LISTED = 20  # names beside one that is near


def unknown_name(what: str, name: str, known: Iterable[str]) -> UsageError:
    """Build the error for a name that nobody registered, with the nearest known one.

    >>> str(unknown_name("blueprint", "mpl", ["mlp", "low_rank"]))
    "unknown blueprint 'mpl': did you mean 'mlp'? Known are: low_rank, mlp."
    """
    names = sorted(known)
    folded = {known.casefold(): known for known in reversed(names)}
    near = difflib.get_close_matches(name.casefold(), folded, n=1) or [key for key in folded if key.startswith(name.casefold())]
    hint = f"did you mean {folded[near[-1]]!r}? " if near and name else ""
    known_names = "" if hint and len(names) > _MOST_LISTED else f"Known are: {', '.join(names) or 'none'}."
    return UsageError(f"unknown {what} {name!r}: {hint}{known_names}".rstrip())
