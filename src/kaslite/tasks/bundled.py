"""Real tables that come with scikit-learn: breast cancer and wine to classify, diabetes to predict. Nothing is downloaded.

Not for: digits, which can also be read as images (`kaslite.tasks.digits`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn import datasets

from kaslite.tasks.task import Task, split_task

if TYPE_CHECKING:
    from collections.abc import Callable


def load_breast_cancer(settings: Any, rng_seed: int) -> Task:
    """Load 569 tumours, malignant or benign, by 30 measures; reads ``settings.train_frac``."""
    return _load("breast_cancer", datasets.load_breast_cancer, np.int64, settings, rng_seed)


def load_wine(settings: Any, rng_seed: int) -> Task:
    """Load 178 wines of three growers, by 13 measures; reads ``settings.train_frac``."""
    return _load("wine", datasets.load_wine, np.int64, settings, rng_seed)


def load_diabetes(settings: Any, rng_seed: int) -> Task:
    """Load 442 patients, by 10 measures, and how far their diabetes is a year later; reads ``settings.train_frac``."""
    return _load("diabetes", datasets.load_diabetes, np.float64, settings, rng_seed)


def _load(name: str, source: Callable[..., Any], kind: type[np.number[Any]], settings: Any, rng_seed: int) -> Task:
    inputs, targets = source(return_X_y=True)
    return split_task(name, inputs, targets.astype(kind), train_frac=settings.train_frac, rng_seed=rng_seed)
