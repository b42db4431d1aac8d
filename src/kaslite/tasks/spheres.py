"""Spheres: two concentric shells in any number of dimensions; no single direction tells them apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kaslite.randomness import derive
from kaslite.tasks.task import Task, split_task

if TYPE_CHECKING:
    from numpy.typing import NDArray


def spheres(
    n_samples: int, noise: float, input_dim: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Generate points on the shells of radius 1 and 2, in uniformly drawn directions.

    Args:
        n_samples: points, half of them on each shell.
        noise: standard deviation of the Gaussian noise on every coordinate.
        input_dim: dimensions of the spheres.
        rng: what to draw from.

    Returns:
        Points, (n_samples, input_dim), and shells, (n_samples,).
    """
    shells = np.arange(n_samples) % 2
    directions = rng.normal(size=(n_samples, input_dim))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return directions * (1.0 + shells)[:, None] + rng.normal(0.0, noise, (n_samples, input_dim)), shells


def draw(settings: Any, rng_seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Generate the points of a run; reads ``n_samples``, ``noise`` and ``input_dim``."""
    rng = np.random.default_rng(derive(rng_seed, "data"))
    return spheres(settings.n_samples, settings.noise, settings.input_dim, rng)


def load(settings: Any, rng_seed: int) -> Task:
    """Generate the task; reads ``train_frac``, too."""
    points, shells = draw(settings, rng_seed)
    return split_task("spheres", points, shells, train_frac=settings.train_frac, rng_seed=rng_seed)
