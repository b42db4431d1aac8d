from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import binom

from kaslite.proof.intervals import LEAST_PAIRS, paired_interval, share_interval

if TYPE_CHECKING:
    from collections.abc import Callable

EFFECT = 0.3


def covered(noise: Callable[[np.random.Generator, int], np.ndarray], count: int) -> int:
    """Return how many of 1,000 intervals hold the effect that they were drawn with."""
    rng = np.random.default_rng(0)
    intervals = [paired_interval(list(EFFECT + noise(rng, count))) for _ in range(1000)]
    return sum(interval.lower <= EFFECT <= interval.upper for interval in intervals)


@pytest.mark.slow
@pytest.mark.parametrize("count", [5, 10, 20])
def test_of_1000_draws_with_a_known_effect_the_intervals_cover_it_in_93_to_97_percent(count: int) -> None:
    assert 930 <= covered(lambda rng, count: rng.normal(0, 1, count), count) <= 970


@pytest.mark.slow
@pytest.mark.parametrize(
    "noise",
    [
        lambda rng, count: rng.standard_t(4, count),
        lambda rng, count: rng.uniform(-1, 1, count),
        lambda rng, count: rng.exponential(1, count) - 1,
    ],
    ids=["heavy tails", "bounded", "skewed"],
)
def test_where_differences_are_not_normal_ten_of_them_still_cover_91_to_98_percent(
    noise: Callable[[np.random.Generator, int], np.ndarray],
) -> None:
    assert 910 <= covered(noise, 10) <= 980


def test_an_effect_of_nothing_is_rarely_called_one() -> None:
    rng = np.random.default_rng(1)
    intervals = [paired_interval(list(rng.normal(0, 1, 10))) for _ in range(200)]
    assert sum(interval.lower > 0 for interval in intervals) <= 10


def test_the_same_differences_give_the_same_interval() -> None:
    differences = list(np.random.default_rng(2).normal(0.1, 1, 10))
    assert paired_interval(differences) == paired_interval(differences)


def test_more_confidence_is_a_wider_interval() -> None:
    differences = list(np.random.default_rng(3).normal(0.1, 1, 10))
    wide, narrow = (paired_interval(differences, confidence) for confidence in (0.99, 0.9))
    assert wide.lower < narrow.lower < narrow.upper < wide.upper


@pytest.mark.parametrize("differences", [[], [1.0], [1.0] * (LEAST_PAIRS - 1), [1.0, 2, 3, 4, float("nan")]])
def test_too_few_pairs_or_one_that_is_no_number_say_nothing(differences: list[float]) -> None:
    interval = paired_interval(differences)
    assert (interval.lower, interval.upper) == (-np.inf, np.inf)


@pytest.mark.parametrize("differences", [[0.25] * 10, [0.0] * 5])
def test_ten_equal_differences_or_no_difference_at_all_leave_no_doubt(differences: list[float]) -> None:
    interval = paired_interval(differences)
    assert (interval.lower, interval.mean, interval.upper) == (differences[0],) * 3


def test_five_coarse_differences_that_happen_to_agree_say_nothing() -> None:
    assert paired_interval([0.74] * 5).lower == -np.inf


@pytest.mark.parametrize(("count", "of"), [(0, 30), (1, 30), (15, 30), (30, 30), (3, 200)])
def test_the_interval_of_a_share_holds_each_under_which_the_count_is_not_rare(count: int, of: int) -> None:
    found = share_interval(count, of)
    assert found.mean == count / of
    if count:
        assert binom.sf(count - 1, of, found.lower) == pytest.approx(0.025)
    if count < of:
        assert binom.cdf(count, of, found.upper) == pytest.approx(0.025)


def test_a_share_of_nothing_is_unknown() -> None:
    found = share_interval(0, 0)
    assert (found.lower, found.upper) == (0.0, 1.0)
