"""What runs of a sweep are compared by: numbers of their results on the validation split, never on the test split.

Not for: showing the comparison (`kaslite.sweeps.summary`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaslite.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kaslite.experiment.run_directory import Metrics

MAXIMIZED = ("val_accuracy", "best_accuracy")
MINIMIZED = ("val_loss", "final_params", "train_flops", "wall_s")
PER_EPOCH = ("val_accuracy", "best_accuracy", "val_loss")
"""Known after each epoch, so that a run can be given up early by them."""


def check_objective(name: str) -> None:
    """Refuse what runs are not to be compared by.

    Raises:
        UsageError: if the name is none, or one of the test split.
    """
    if name.startswith("test_"):
        raise UsageError(f"{name} is read once, at the end, and never chosen by; compare by val_accuracy or val_loss.")
    if name not in {*MAXIMIZED, *MINIMIZED}:
        raise unknown_name("objective", name, {*MAXIMIZED, *MINIMIZED})


def natural_objective(results: Sequence[Metrics]) -> str:
    """Return what finished runs can be compared by: accuracy where all have one, else the loss."""
    return "val_accuracy" if all(metrics.get("val_accuracy") is not None for metrics in results) else "val_loss"


def badness(name: str, value: float | None) -> float:
    """Return a number that is the smaller, the better; what was not measured is worst."""
    if value is None:
        return float("inf")
    return -value if name in MAXIMIZED else value


def on_front(names: Sequence[str], results: Sequence[Metrics]) -> list[bool]:
    """Return which results no other one beats: none is as good in everything and better in something (Pareto).

    >>> on_front(["val_accuracy", "final_params"],
    ...          [{"val_accuracy": 0.9, "final_params": 10}, {"val_accuracy": 0.9, "final_params": 20}])
    [True, False]
    """
    points = [tuple(badness(name, metrics.get(name)) for name in names) for metrics in results]
    distinct = set(points)
    beaten = {
        point
        for point in distinct
        if any(other != point and all(a <= b for a, b in zip(other, point, strict=True)) for other in distinct)
    }
    return [point not in beaten for point in points]
