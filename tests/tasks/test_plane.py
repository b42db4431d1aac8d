import numpy as np
import pytest

from kaslite.tasks.plane import embedded

PLANE = np.random.default_rng(1).uniform(-1, 1, (20_000, 2))


def embed(noise=0.5, input_dim=4):
    return embedded(PLANE, noise, input_dim, np.random.default_rng(0))


def test_without_noise_the_plane_is_what_it_was_and_the_rest_is_zero():
    points = embed(noise=0.0)
    assert np.array_equal(points[:, :2], PLANE)
    assert not points[:, 2:].any()


def test_the_noise_is_the_same_on_every_coordinate():
    off = embed() - np.pad(PLANE, ((0, 0), (0, 2)))
    assert off.std(0) == pytest.approx([0.5] * 4, rel=0.05)
    assert np.abs(np.corrcoef(off, rowvar=False) - np.eye(4)).max() < 0.03
