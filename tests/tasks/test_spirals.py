from types import SimpleNamespace

import numpy as np
import pytest

from kaslite.tasks import spirals

TURN = 2 * np.pi


def generate(n_samples=1000, noise=0.0, rotations=4.0, input_dim=2, rng_seed=0):
    return spirals.spirals(n_samples, noise, rotations, input_dim, np.random.default_rng(rng_seed))


@pytest.mark.parametrize(("n_samples", "sizes"), [(1000, [500, 500]), (7, [4, 3])])
def test_there_are_two_balanced_arms(n_samples, sizes):
    _, arms = generate(n_samples)
    assert np.bincount(arms).tolist() == sizes


def test_along_an_arm_the_radius_is_the_angle_and_the_arms_face_one_another():
    points, arms = generate()
    radius, angle = np.hypot(*points.T), np.arctan2(points[:, 1], points[:, 0])
    off = (angle - radius - np.pi * arms + np.pi) % TURN - np.pi
    assert np.abs(off).max() < 1e-9


@pytest.mark.parametrize("rotations", [0.5, 1.0, 4.0])
def test_an_arm_makes_the_turns_that_were_asked_for(rotations):
    radius = np.hypot(*generate(rotations=rotations)[0].T)
    assert radius.max() <= rotations * TURN
    assert radius.max() > 0.95 * rotations * TURN


def test_noise_is_added_to_every_coordinate():
    clean, noisy = generate(20_000, input_dim=3)[0], generate(20_000, noise=0.25, input_dim=3)[0]
    assert (noisy - clean).std(0) == pytest.approx([0.25] * 3, rel=0.05)


def test_coordinates_after_the_second_tell_nothing():
    points, arms = generate(20_000, noise=1.0, input_dim=4)
    assert points.shape == (20_000, 4)
    assert np.abs(np.corrcoef(points[:, 2:], arms, rowvar=False)[-1, :-1]).max() < 0.03


def test_the_task_follows_its_settings():
    settings = SimpleNamespace(n_samples=200, noise=0.1, rotations=2.0, input_dim=3, train_frac=0.6)
    task = spirals.load(settings, rng_seed=0)
    assert [len(task.train), len(task.validation), len(task.test)] == [120, 40, 40]
    assert (task.input_dim, task.num_classes) == (3, 2)
