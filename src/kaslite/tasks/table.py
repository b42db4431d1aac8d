"""Table: the user's own data, from a CSV or an NPZ file, to classify or to predict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kaslite.errors import DataError, UsageError
from kaslite.tasks.table_file import read_table
from kaslite.tasks.task import Task, split_task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MOST_NUMBERED_CLASSES = 20
"""Integers of more different values are numbers to predict, if nothing is said."""


def load(settings: Any, rng_seed: int) -> Task:
    """Load the file.

    Reads ``data``, ``target``, ``task_type``, ``data_sha256`` and ``train_frac``. Texts and integers of few values are classes,
    numbered in their order; other numbers are predicted; ``task_type`` overrides.

    Raises:
        KasliteError: if the file does not do, or was changed; with what is wrong.
    """
    table = read_table(settings.data, settings.target, settings.data_sha256)
    if is_classification(table.targets, settings.task_type):
        classes, targets = np.unique(table.targets, return_inverse=True)
        _check_classes(len(classes), len(targets))
        outputs: Sequence[str] | None = [str(name) for name in classes]
    elif table.targets.dtype.kind == "U":
        raise UsageError("task_type is regression, but the target holds texts; leave it out, or take another target.")
    else:
        targets, outputs = table.targets.astype(np.float64), table.columns and [settings.target]
    return split_task(
        "table",
        table.inputs,
        targets,
        train_frac=settings.train_frac,
        rng_seed=rng_seed,
        columns=table.columns,
        outputs=outputs,
    )


def is_regression(settings: Any) -> bool:
    """Return whether the file is one whose targets `load` takes for numbers to predict."""
    return not is_classification(read_table(settings.data, settings.target, settings.data_sha256).targets, settings.task_type)


def is_classification(targets: NDArray[Any], task_type: str | None) -> bool:
    """Return whether targets are classes.

    >>> is_classification(np.array([0, 1, 2]), None), is_classification(np.array([0.0, 1.0]), None)
    (True, False)
    """
    if task_type is not None:
        return task_type == "classification"
    return targets.dtype.kind == "U" or (targets.dtype.kind == "i" and len(np.unique(targets)) <= MOST_NUMBERED_CLASSES)


def _check_classes(classes: int, rows: int) -> None:
    if classes > max(2, rows // 2):
        raise DataError(
            f"table: the target has {classes} different values in {rows} rows, too many to be classes; take another target, or "
            "--task_type regression if they are numbers."
        )
