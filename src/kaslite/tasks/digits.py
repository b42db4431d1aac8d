"""Digits: scikit-learn's real handwritten digits, 1,797 images of 8 x 8 pixels as vectors of 64."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.datasets import load_digits

from kaslite.errors import UsageError
from kaslite.tasks.task import SOFTENING, Task, split_task

if TYPE_CHECKING:
    from collections.abc import Sequence

DIGITS = 10


def load(settings: Any, rng_seed: int) -> Task:
    """Load the digits; reads ``settings.train_frac`` and ``settings.classes``.

    With ``classes`` it is about these digits alone, and the first of them is class 0.

    Raises:
        UsageError: if ``classes`` are not two or more different digits.
    """
    inputs, targets = load_digits(return_X_y=True)
    if settings.classes is not None:
        _check_classes(settings.classes)
        numbers = np.full(DIGITS, -1)
        numbers[list(settings.classes)] = range(len(settings.classes))
        chosen = np.isin(targets, settings.classes)
        inputs, targets = inputs[chosen], numbers[targets[chosen]]
    return split_task("digits", inputs, targets, train_frac=settings.train_frac, rng_seed=rng_seed, softening=SOFTENING)


def _check_classes(classes: Sequence[int]) -> None:
    unknown = next((digit for digit in classes if not 0 <= digit < DIGITS), None)
    twice = next((digit for digit in classes if list(classes).count(digit) > 1), None)
    if unknown is not None:
        wrong = f"{unknown} is no digit"
    elif twice is not None:
        wrong = f"{twice} stands there twice"
    elif len(classes) < 2:
        wrong = "a classifier needs at least 2"
    else:
        return
    raise UsageError(f"classes is {list(classes)}, but {wrong}; give two or more different digits from 0 to 9.")
