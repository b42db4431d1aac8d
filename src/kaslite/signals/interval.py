"""A mean with its confidence interval.

Not for: data whose samples depend on one another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from jaxtyping import Float
from scipy.special import stdtrit
from torch import Tensor


@dataclass(frozen=True)
class Interval:
    """A mean and the bounds of its interval, in the unit of what was averaged."""

    mean: float
    lower: float
    upper: float


def mean_interval(samples: Float[Tensor, " samples"], confidence: float = 0.95) -> Interval:
    """Return the mean of ``samples`` with its two-sided interval of Student's t distribution.

    With one sample, or where a sample is not finite, nothing is known: the bounds are infinite.

    >>> import torch
    >>> mean_interval(torch.tensor([1.0, 2.0, 3.0]))
    Interval(mean=2.0, lower=-0.484..., upper=4.484...)
    """
    count = samples.numel()
    mean = samples.double().mean().item()
    if count < 2 or not math.isfinite(mean):
        return Interval(mean, -math.inf, math.inf)
    half = float(stdtrit(count - 1, (1 + confidence) / 2)) * samples.double().std().item() / math.sqrt(count)
    return Interval(mean, mean - half, mean + half)
