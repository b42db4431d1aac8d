"""Spirals: two arms that wind around one another; the classic task that a narrow network cannot untangle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kaslite.randomness import derive
from kaslite.tasks.plane import embedded
from kaslite.tasks.task import SOFTENING, Task, split_task

if TYPE_CHECKING:
    from numpy.typing import NDArray


def spirals(
    n_samples: int, noise: float, rotations: float, input_dim: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Generate two spirals.

    Args:
        n_samples: points, half of them on each arm.
        noise: standard deviation of the Gaussian noise on both coordinates; an arm ends at radius ``2 pi * rotations``.
        rotations: turns of an arm.
        input_dim: coordinates of a point; those after the second are noise alone.
        rng: what to draw from.

    Returns:
        Points, (n_samples, input_dim), and arms, (n_samples,).
    """
    arms = np.arange(n_samples) % 2
    angle = np.sqrt(rng.random(n_samples)) * rotations * 2 * np.pi
    turn = angle + np.pi * arms
    plane = np.stack([np.cos(turn), np.sin(turn)], axis=1) * angle[:, None]
    return embedded(plane, noise, input_dim, rng), arms


def draw(settings: Any, rng_seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Generate the points of a run; reads ``n_samples``, ``noise``, ``rotations`` and ``input_dim``."""
    rng = np.random.default_rng(derive(rng_seed, "data"))
    return spirals(settings.n_samples, settings.noise, settings.rotations, settings.input_dim, rng)


def load(settings: Any, rng_seed: int) -> Task:
    """Generate the task; reads ``train_frac``, too."""
    points, arms = draw(settings, rng_seed)
    return split_task("spirals", points, arms, train_frac=settings.train_frac, rng_seed=rng_seed, softening=SOFTENING)
