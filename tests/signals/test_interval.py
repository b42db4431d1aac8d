import math

import pytest
import torch
from jaxtyping import TypeCheckError
from scipy import stats

from kaslite.randomness import generator
from kaslite.signals.interval import Interval, mean_interval


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
@pytest.mark.parametrize("count", [2, 3, 30, 1000])
def test_the_interval_is_that_of_students_t_test(count, confidence):
    samples = 3 + torch.randn(count, dtype=torch.float64, generator=generator(0, "samples", count))
    test = stats.ttest_1samp(samples.numpy(), 0.0).confidence_interval(confidence)
    interval = mean_interval(samples, confidence)
    assert interval.mean == pytest.approx(samples.numpy().mean(), rel=1e-12)
    assert (interval.lower, interval.upper) == pytest.approx((test.low, test.high), rel=1e-9)


def test_small_differences_survive_a_large_mean():
    samples = torch.tensor([8192.0, 8192.0, 8192.0, 8192.001])
    truth = stats.ttest_1samp(samples.double().numpy(), 0.0).confidence_interval()
    assert mean_interval(samples).lower == pytest.approx(truth.low, abs=1e-9)


def test_equal_samples_leave_no_doubt():
    assert mean_interval(torch.full((5,), 0.25)) == Interval(0.25, 0.25, 0.25)


def test_one_sample_says_nothing_about_the_spread():
    assert mean_interval(torch.tensor([2.0])) == Interval(2.0, -math.inf, math.inf)


@pytest.mark.parametrize("samples", [[1.0, math.nan], [1.0, math.inf], [math.inf, -math.inf], []])
def test_where_the_mean_is_not_finite_nothing_is_known(samples):
    interval = mean_interval(torch.tensor(samples))
    assert (interval.lower, interval.upper) == (-math.inf, math.inf)


def test_shapes_are_checked_while_testing():
    with pytest.raises(TypeCheckError, match="samples"):
        mean_interval(torch.zeros(3, 3))
