import numpy as np
import pytest
import torch

from kaslite.randomness import generator
from kaslite.signals.feature import drift, health, scale_drift

SHAPES = [(6, 5), (6, 4, 5), (6, 3, 4, 4)]


def feature(shape, name="x"):
    return torch.randn(shape, generator=generator(0, name))


@pytest.mark.parametrize("shape", SHAPES)
def test_health_is_the_mean_variance_of_each_unit_over_the_batch(shape):
    units = feature(shape).numpy().reshape(shape[0], -1).T.astype(np.float64)
    naive = np.mean([np.mean((unit - unit.mean()) ** 2) for unit in units])
    assert health(feature(shape)).item() == pytest.approx(naive, rel=1e-5)


def test_a_layer_that_cannot_tell_samples_apart_has_no_health():
    assert health(torch.full((6, 5), 0.5)).item() == 0.0


def test_a_single_sample_has_no_health():
    assert health(feature((1, 5))).item() == 0.0


@pytest.mark.parametrize("shape", SHAPES)
def test_drift_is_one_minus_the_mean_cosine_of_the_samples(shape):
    before, after = feature(shape, "before"), feature(shape, "after")
    naive = 1 - np.mean(
        [
            np.dot(x, y) / np.linalg.norm(x) / np.linalg.norm(y)
            for x, y in zip(before.double().flatten(1).numpy(), after.double().flatten(1).numpy(), strict=True)
        ]
    )
    assert drift(before, after).item() == pytest.approx(naive, rel=1e-5)


@pytest.mark.parametrize(("factor", "expected"), [(1.0, 0.0), (3.0, 0.0), (-1.0, 2.0)])
def test_drift_sees_direction_and_not_scale(factor, expected):
    x = feature((6, 5))
    assert drift(x, factor * x).item() == pytest.approx(expected, abs=1e-6)


def test_silent_samples_that_stay_silent_do_not_drift():
    x = torch.relu(feature((6, 5)))
    x[2:4] = 0.0
    assert drift(x, x.clone()).item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_readings_are_taken_in_single_precision(dtype):
    x = feature((6, 5)).to(dtype)
    assert health(x).dtype == drift(x, 2 * x).dtype == scale_drift(x, 2 * x).dtype == torch.float32


def test_readings_keep_no_graph():
    x = feature((6, 5)).requires_grad_()
    assert not health(x).requires_grad
    assert not drift(x, 2 * x).requires_grad
    assert not scale_drift(x, 2 * x).requires_grad


@pytest.mark.parametrize("shape", SHAPES)
def test_scale_drift_is_the_mean_log_ratio_of_the_norms_of_the_samples(shape):
    before, after = feature(shape, "before"), 3 * feature(shape, "after")
    rows = zip(before.double().flatten(1).numpy(), after.double().flatten(1).numpy(), strict=True)
    naive = np.mean([np.log(np.linalg.norm(y) / np.linalg.norm(x)) for x, y in rows])
    assert scale_drift(before, after).item() == pytest.approx(naive, rel=1e-5)


@pytest.mark.parametrize(("factor", "expected"), [(1.0, 0.0), (2.0, np.log(2)), (-2.0, np.log(2)), (0.5, -np.log(2))])
def test_scale_drift_sees_scale_and_not_direction(factor, expected):
    x = feature((6, 5))
    assert scale_drift(x, factor * x).item() == pytest.approx(expected, abs=1e-6)
    assert scale_drift(x, x.flip(1)).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1.0, 1e30])
def test_scale_drift_is_zero_where_nothing_changed(scale):
    x = scale * feature((6, 5))
    assert scale_drift(x, x.clone()).item() == 0


def test_a_silent_sample_has_no_scale_drift_and_a_drift_of_one():
    silent, loud = torch.zeros(2, 5), feature((2, 5))
    for pair in ((silent, loud), (loud, silent)):
        assert scale_drift(*pair).item() == 0
        assert drift(*pair).item() == pytest.approx(1)
