"""Moons: two half-circles that interleave (scikit-learn's), alone or with two clusters that fold the border between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.datasets import make_blobs, make_moons

from kaslite.randomness import derive
from kaslite.tasks.plane import embedded
from kaslite.tasks.task import Task, split_task

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

CENTRES = np.array([(1.0, -1.25), (0.0, 1.75)])
"""Of the clusters of complex moons: each lies behind the moon of the other class."""

CLUSTER_STD = 0.2
"""Their standard deviation, before noise."""


def moons(
    n_samples: int, noise: float, input_dim: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Generate two moons of radius 1.

    Args:
        n_samples: points, half of them on each moon.
        noise: standard deviation of the Gaussian noise on every coordinate.
        input_dim: coordinates of a point; those after the second are noise alone.
        rng: what to draw from.

    Returns:
        Points, (n_samples, input_dim), and moons, (n_samples,).
    """
    plane, labels = make_moons(n_samples, shuffle=False)
    return embedded(plane, noise, input_dim, rng), labels


def complex_moons(
    n_samples: int, noise: float, input_dim: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Generate two moons, with half of the points, and behind each a cluster of the other class; arguments as above."""
    clustered = n_samples // 2
    plane, labels = make_moons(n_samples - clustered, shuffle=False)
    if clustered:
        state = int(rng.integers(2**32))
        more_points, more_labels = make_blobs(clustered, centers=CENTRES, cluster_std=CLUSTER_STD, random_state=state)
        plane, labels = np.concatenate([plane, more_points]), np.concatenate([labels, more_labels])
    return embedded(plane, noise, input_dim, rng), labels


def draw(settings: Any, rng_seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Generate the moons of a run; reads ``n_samples``, ``noise`` and ``input_dim``."""
    return _draw(moons, settings, rng_seed)


def draw_complex(settings: Any, rng_seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Generate the complex moons of a run; reads what `draw` reads."""
    return _draw(complex_moons, settings, rng_seed)


def load(settings: Any, rng_seed: int) -> Task:
    """Generate the task of moons; reads ``train_frac``, too."""
    return split_task("moons", *draw(settings, rng_seed), train_frac=settings.train_frac, rng_seed=rng_seed)


def load_complex(settings: Any, rng_seed: int) -> Task:
    """Generate the task of complex moons; reads what `load` reads."""
    return split_task("complex_moons", *draw_complex(settings, rng_seed), train_frac=settings.train_frac, rng_seed=rng_seed)


def _draw(points: Callable[..., Any], settings: Any, rng_seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rng = np.random.default_rng(derive(rng_seed, "data"))
    drawn: tuple[NDArray[np.float64], NDArray[np.int64]] = points(settings.n_samples, settings.noise, settings.input_dim, rng)
    return drawn
