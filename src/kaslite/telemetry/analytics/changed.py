"""`changed`: `dataclasses.replace`, several times as fast, for folds that take in tens of thousands of events.

Not for: what is done once; `replace` is checked by the type checker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def changed(record: T, **changes: Any) -> T:
    """Return a copy of a frozen dataclass, which has neither slots nor a `__post_init__`, with other values.

    Raises:
        TypeError: if it has no field of such a name.

    >>> from kaslite.telemetry.analytics.blueprints import BlueprintStats
    >>> changed(BlueprintStats(germinated=1), culled=1)
    BlueprintStats(germinated=1, fossilized=0, culled=1, acc_deltas=(), churns=())
    """
    values = vars(record)
    if not changes.keys() <= values.keys():
        raise TypeError(f"a {type(record).__name__} has no {', '.join(sorted(changes.keys() - values.keys()))}.")
    copy = object.__new__(type(record))
    vars(copy).update(values | changes)
    return copy
