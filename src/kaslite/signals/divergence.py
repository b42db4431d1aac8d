"""Has training come apart? Bounds that a loss, or the variance of a feature, crosses only then.

Not for: plateaus and slow overfitting, which are a controller's affair; and not for a single bad epoch: ask several in a row.
"""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FEWEST = 3
"""Healthy losses without which nothing is said."""
COLLAPSED = 1e-3
"""Share of its usual variance under which a feature no longer tells samples apart."""

_SIGMA = 1.4826  # of a normal distribution, in median absolute deviations
_RISE = 3.0  # times the usual loss, on top of it: less is what a restart of the learning rate does
_NO_BETTER = 2 / 3  # of the loss at the beginning of the run
_ENOUGH = 8  # healthy losses; fewer are a poor measure of what is usual


def loss_bound(healthy: Sequence[float], early: float, sensitivity: float = 6.0) -> float:
    """Return the loss above which training has diverged; infinite as long as too little is known.

    That is far above the usual: by ``sensitivity`` robust standard deviations, and by three times the median itself, and
    farther where only few losses say what is usual. And it is hardly better than where the run began: a trained network
    whose loss goes from .001 to .01 for a while is healthy.

    Args:
        healthy: recent losses of healthy epochs.
        early: the median loss of the first epochs of the run.
        sensitivity: robust standard deviations.

    >>> loss_bound([1.0] * 8, early=1.0), loss_bound([1.0] * 4, early=1.0)
    (4.0, 7.0)
    """
    if len(healthy) < FEWEST:
        return math.inf
    usual = median(healthy)
    spread = _SIGMA * median(abs(loss - usual) for loss in healthy)
    caution = max(1.0, _ENOUGH / len(healthy))
    return max(usual + caution * max(sensitivity * spread, _RISE * abs(usual)), _NO_BETTER * early)


def has_collapsed(health: float, healthy: Sequence[float]) -> bool:
    """Say whether the variance of a feature has all but gone.

    Args:
        health: of the feature now; see `kaslite.signals.feature.health`.
        healthy: the same in recent healthy epochs.

    >>> has_collapsed(0.0, [1.0, 1.1, 0.9]), has_collapsed(0.5, [1.0, 1.1, 0.9])
    (True, False)
    """
    return bool(healthy) and health < COLLAPSED * median(healthy)
