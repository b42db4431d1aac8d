from __future__ import annotations

import math
from statistics import median

import numpy as np
import pytest

from kaslite.signals.divergence import COLLAPSED, FEWEST, has_collapsed, loss_bound

FLAT = [1.0] * 20


def test_a_flat_loss_has_diverged_above_four_times_itself() -> None:
    assert loss_bound(FLAT, early=1.0) == 4.0


@pytest.mark.parametrize(("known", "bound"), [(FEWEST, 9.0), (4, 7.0), (8, 4.0), (20, 4.0)])
def test_the_fewer_losses_are_known_the_farther_is_the_bound(known: int, bound: float) -> None:
    assert loss_bound(FLAT[:known], early=1.0) == bound


@pytest.mark.parametrize("known", range(FEWEST))
def test_nothing_is_said_while_too_little_is_known(known: int) -> None:
    assert loss_bound(FLAT[:known], early=1.0) == math.inf


@pytest.mark.parametrize("sensitivity", [4.0, 6.0])
def test_a_noisy_loss_has_diverged_beyond_so_many_robust_deviations(sensitivity: float) -> None:
    losses = list(np.random.default_rng(0).normal(0, 1, 10_001))
    assert loss_bound(losses, early=0.0, sensitivity=sensitivity) == pytest.approx(sensitivity, abs=0.25)


def test_one_monstrous_epoch_does_not_move_the_bound() -> None:
    losses = list(np.random.default_rng(0).normal(1, 0.1, 20))
    assert loss_bound([*losses, 1e9], early=1.0) == pytest.approx(loss_bound(losses, early=1.0), rel=0.1)


@pytest.mark.parametrize("usual", [1e-6, 1e-4, 1e-2, 0.1])
def test_a_trained_network_has_not_diverged_while_it_is_much_better_than_at_the_beginning(usual: float) -> None:
    assert loss_bound([usual] * 20, early=2.3) == pytest.approx(2.3 * 2 / 3)


@pytest.mark.parametrize("usual", [-5.0, -0.1, 0.0])
def test_a_loss_may_be_negative_or_zero(usual: float) -> None:
    bound = loss_bound([usual] * 20, early=usual)
    assert bound >= usual
    assert bound == usual + 3 * abs(usual)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_unit_of_a_loss_does_not_matter(scale: float) -> None:
    losses = list(np.random.default_rng(0).lognormal(0, 0.5, 20))
    scaled = loss_bound([scale * loss for loss in losses], early=scale * 2.0)
    assert scaled == pytest.approx(scale * loss_bound(losses, early=2.0))


def test_a_feature_has_collapsed_under_a_thousandth_of_its_usual_variance() -> None:
    healthy = [0.5, 2.0, 1.0]
    assert has_collapsed(0.99 * COLLAPSED * median(healthy), healthy)
    assert not has_collapsed(1.01 * COLLAPSED * median(healthy), healthy)


def test_a_feature_of_which_nothing_is_known_has_not_collapsed() -> None:
    assert not has_collapsed(0.0, [])


def test_a_feature_that_never_varied_has_not_collapsed() -> None:
    assert not has_collapsed(0.0, [0.0, 0.0])
