from types import SimpleNamespace

import numpy as np
import pytest

from kaslite.tasks import spheres


def generate(n_samples=20_000, noise=0.0, input_dim=4):
    return spheres.spheres(n_samples, noise, input_dim, np.random.default_rng(0))


@pytest.mark.parametrize("input_dim", [2, 3, 10])
def test_without_noise_the_shells_have_radius_1_and_2(input_dim):
    points, shells = generate(500, input_dim=input_dim)
    assert np.bincount(shells).tolist() == [250, 250]
    assert np.linalg.norm(points, axis=1) == pytest.approx(1 + shells)


def test_every_direction_is_equally_likely():
    points, shells = generate()
    assert np.abs(np.cov((points / (1 + shells)[:, None]).T) - np.eye(4) / 4).max() < 0.01


def test_noise_is_added_to_every_coordinate():
    inner = generate(noise=0.3)[0][::2]
    assert (inner**2).mean(0) == pytest.approx([0.25 + 0.09] * 4, rel=0.05)


def test_the_task_follows_its_settings():
    task = spheres.load(SimpleNamespace(n_samples=200, noise=0.1, input_dim=3, train_frac=0.6), rng_seed=0)
    assert [len(task.train), len(task.validation), len(task.test)] == [120, 40, 40]
    assert (task.input_dim, task.num_classes) == (3, 2)
