import math

import numpy as np
import pytest
from scipy import stats

from kaslite.signals.plateau import falling_confidence, is_plateau

PATIENCE = 15
RUNS = 400


def judge(losses):
    """Say of each epoch that has a full window behind it whether it looks like a plateau."""
    return [is_plateau(losses[end - PATIENCE : end]) for end in range(PATIENCE, len(losses) + 1)]


@pytest.mark.parametrize("delta", [0.0, 1e-4, 0.1])
@pytest.mark.parametrize("epochs", [3, 5, 15, 100])
def test_the_confidence_is_the_t_of_a_linear_regression(epochs, delta):
    losses = 1 - 0.01 * np.arange(epochs) + np.random.default_rng(epochs).normal(0, 0.05, epochs)
    line = stats.linregress(np.arange(epochs), losses)
    assert falling_confidence(losses, delta) == pytest.approx((-line.slope - delta) / line.stderr, rel=1e-9)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("rng_seed", range(20))
def test_the_verdict_is_that_of_a_one_sided_test(rng_seed, confidence):
    losses = -0.1 * np.arange(PATIENCE) + np.random.default_rng(rng_seed).normal(0, 1, PATIENCE)
    p = stats.linregress(np.arange(PATIENCE), losses, alternative="less").pvalue
    assert is_plateau(losses, delta=0.0, confidence=confidence) == (p > 1 - confidence)


@pytest.mark.parametrize("loss", [0.0, 0.1, 1 / 3, 2.0, 1e6])
@pytest.mark.parametrize("epochs", [3, 14, 15])
def test_a_loss_that_never_changes_is_a_plateau(loss, epochs):
    assert is_plateau([loss] * epochs, delta=0.0)


def test_a_loss_that_rises_is_a_plateau():
    assert is_plateau([1.0, 1.1, 1.2, 1.3])


@pytest.mark.parametrize(("fall", "plateau"), [(0.25, True), (0.5, True), (0.75, False)])
def test_a_steady_fall_counts_if_it_is_greater_than_delta(fall, plateau):
    losses = [10 - fall * epoch for epoch in range(PATIENCE)]
    assert is_plateau(losses, delta=0.5) is plateau


def test_a_steady_fall_is_certain():
    assert falling_confidence([3.0, 2.0, 1.0]) == math.inf


@pytest.mark.parametrize("deviation", [0.01, 1.0])
def test_a_flat_noisy_loss_is_seen_within_three_epochs_after_patience(deviation):
    rng = np.random.default_rng(0)
    seen = [any(judge(0.5 + rng.normal(0, deviation, PATIENCE + 3))) for _ in range(RUNS)]
    assert np.mean(seen) >= 0.95


@pytest.mark.parametrize("deviation", [0.01, 1.0])
def test_one_run_in_a_hundred_at_most_is_mistaken_while_the_loss_falls_by_a_third_of_its_noise(deviation):
    rng = np.random.default_rng(0)
    falling = -0.3 * deviation * np.arange(100)
    mistaken = [any(judge(falling + rng.normal(0, deviation, 100))) for _ in range(RUNS)]
    assert np.mean(mistaken) <= 0.01
