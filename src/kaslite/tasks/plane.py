"""Points of a plane among any number of inputs: what generated problems share. Not for: making up the points."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def embedded(plane: NDArray[np.float64], noise: float, input_dim: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Put points of a plane among noise.

    Args:
        plane: (samples, 2).
        noise: standard deviation of the Gaussian noise on every coordinate.
        input_dim: coordinates of what is returned, 2 or more; those after the second are noise alone.
        rng: what to draw from.

    Returns:
        (samples, input_dim).
    """
    points = rng.normal(0.0, noise, (len(plane), input_dim))
    points[:, :2] += plane
    return points
