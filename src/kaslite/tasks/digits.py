"""Digits: scikit-learn's real handwritten digits, 1,797 images of 8 x 8 pixels as vectors of 64."""

from __future__ import annotations

from typing import Any

from sklearn.datasets import load_digits

from kaslite.tasks.task import Task, split_task


def load(settings: Any, rng_seed: int) -> Task:
    """Load the digits; reads ``settings.train_frac``."""
    inputs, targets = load_digits(return_X_y=True)
    return split_task("digits", inputs, targets, train_frac=settings.train_frac, rng_seed=rng_seed)
