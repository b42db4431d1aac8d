"""How sure a result is: intervals of a mean difference between two arms, and of a share of runs.

Not for: evidence inside a run, which has hundreds of samples (`kaslite.signals.interval`).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betaincinv

from kaslite.signals.interval import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LEAST_PAIRS = 5
"""With fewer, nothing is said."""
ENOUGH_PAIRS = 10
"""As many as a proof takes."""
RESAMPLES = 9_999


def paired_interval(differences: Sequence[float], confidence: float = 0.95) -> Interval:
    """Return the mean of ``differences``, one for each rng seed, with its two-sided bootstrap interval.

    The studentized one (Efron & Tibshirani 1993, chapter 12.5): with ten pairs, percentiles of resampled means cover some
    90 % where they promise 95 %.

    With fewer than `LEAST_PAIRS`, or where one is not finite, nothing is known: the bounds are infinite. The same
    differences always give the same interval.

    >>> paired_interval([1.0, 2.0, 3.0])
    Interval(mean=2.0, lower=-inf, upper=inf)
    """
    values = np.asarray(differences, dtype=np.float64)
    mean = float(values.mean()) if len(values) else float("nan")
    if len(values) < LEAST_PAIRS or not np.isfinite(values).all():
        return Interval(mean, -np.inf, np.inf)
    error = _standard_error(values)
    if not error > 0:  # all differences are the same: a few counts that happen to agree prove nothing
        return Interval(mean, mean, mean) if len(values) >= ENOUGH_PAIRS or mean == 0 else Interval(mean, -np.inf, np.inf)
    resampled = values[_resamples(len(values))]
    errors = _standard_error(resampled)
    drawn = errors > 0  # a resample of one value, again and again, has no error to divide by
    scores = (resampled.mean(-1)[drawn] - mean) / errors[drawn]
    low, high = np.quantile(scores, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(mean, float(mean - high * error), float(mean - low * error))


def share_interval(count: int, of: int, confidence: float = 0.95) -> Interval:
    """Return a share of runs with its two-sided interval (Clopper and Pearson: it never covers less than ``confidence``).

    >>> share_interval(0, 100)
    Interval(mean=0.0, lower=0.0, upper=0.0362...)
    """
    if not of:
        return Interval(np.nan, 0.0, 1.0)
    tail = (1 - confidence) / 2
    lower = 0.0 if count == 0 else float(betaincinv(count, of - count + 1, tail))
    upper = 1.0 if count == of else float(betaincinv(count + 1, of - count, 1 - tail))
    return Interval(count / of, lower, upper)


def _standard_error(values: NDArray[np.float64]) -> NDArray[np.float64]:
    error: NDArray[np.float64] = values.std(-1, ddof=1) / np.sqrt(values.shape[-1])
    return error


@cache
def _resamples(count: int) -> NDArray[np.int64]:
    return np.random.default_rng(count).integers(0, count, (RESAMPLES, count))
