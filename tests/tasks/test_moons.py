from types import SimpleNamespace

import numpy as np
import pytest

from kaslite.tasks import moons

every_kind = pytest.mark.parametrize("generate", [moons.moons, moons.complex_moons])


def rng(rng_seed=0):
    return np.random.default_rng(rng_seed)


@every_kind
@pytest.mark.parametrize("input_dim", [2, 5])
@pytest.mark.parametrize("n_samples", [1, 2, 7, 400])
def test_there_are_as_many_points_as_asked_for_half_of_each_class(generate, n_samples, input_dim):
    points, labels = generate(n_samples, 0.1, input_dim, rng())
    assert points.shape == (n_samples, input_dim)
    assert abs(np.bincount(labels, minlength=2) @ [1, -1]) <= 2


def test_without_noise_moons_are_half_circles_of_radius_1():
    points, labels = moons.moons(500, 0.0, 2, rng())
    centres = np.array([(0.0, 0.0), (1.0, 0.5)])
    assert np.linalg.norm(points - centres[labels], axis=1) == pytest.approx(np.ones(500))


def test_half_of_the_complex_moons_are_clusters_behind_the_moon_of_the_other_class():
    points, labels = moons.complex_moons(4000, 0.0, 2, rng())
    clustered, of = points[2000:], labels[2000:]
    for label, centre in enumerate(moons.CENTRES):
        assert clustered[of == label].mean(0) == pytest.approx(centre, abs=0.03)
        assert clustered[of == label].std(0) == pytest.approx([moons.CLUSTER_STD] * 2, rel=0.1)
        nearest = np.linalg.norm(points[:2000] - centre, axis=1).argmin()
        assert labels[:2000][nearest] == 1 - label


@pytest.mark.parametrize(("load", "name"), [(moons.load, "moons"), (moons.load_complex, "complex_moons")])
def test_the_task_follows_its_settings(load, name):
    task = load(SimpleNamespace(n_samples=200, noise=0.1, input_dim=3, train_frac=0.6), rng_seed=0)
    assert [len(task.train), len(task.validation), len(task.test)] == [120, 40, 40]
    assert (task.name, task.input_dim, task.num_classes) == (name, 3, 2)
