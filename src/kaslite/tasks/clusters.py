"""Clusters: Gaussian clouds around random centres (scikit-learn's), one class each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.datasets import make_blobs

from kaslite.errors import UsageError
from kaslite.randomness import derive
from kaslite.tasks.task import Task, split_task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def draw(settings: Any, rng_seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Generate the points of a run.

    Reads ``n_samples``, ``n_centers``, ``cluster_std`` and ``input_dim``. Centres are drawn from the cube from -10 to 10, so
    they may come to lie close to one another.

    Raises:
        UsageError: if there are fewer points than clusters.
    """
    if settings.n_samples < settings.n_centers:
        raise UsageError(
            f"n_centers is {settings.n_centers}, and n_samples {settings.n_samples}: some clusters would be empty; "
            "give more samples or fewer centers."
        )
    drawn: tuple[NDArray[np.float64], NDArray[np.int64]] = make_blobs(
        settings.n_samples,
        settings.input_dim,
        centers=settings.n_centers,
        cluster_std=settings.cluster_std,
        random_state=derive(rng_seed, "data") % 2**32,
    )
    return drawn


def load(settings: Any, rng_seed: int) -> Task:
    """Generate the task; reads ``train_frac``, too."""
    points, labels = draw(settings, rng_seed)
    return split_task("clusters", points, labels, train_frac=settings.train_frac, rng_seed=rng_seed)
