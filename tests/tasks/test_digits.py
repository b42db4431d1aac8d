from types import SimpleNamespace

import pytest
import torch

from kaslite.tasks import digits


@pytest.fixture
def task():
    return digits.load(SimpleNamespace(train_frac=0.7), rng_seed=0)


def test_they_are_1797_images_of_8_by_8_pixels_in_ten_classes(task):
    assert len(task.train) + len(task.validation) + len(task.test) == 1797
    assert (task.input_dim, task.num_classes) == (64, 10)


def test_the_fraction_that_trains_is_the_setting():
    assert len(digits.load(SimpleNamespace(train_frac=0.5), rng_seed=0).train) == 898


def test_neighbours_mostly_show_the_same_digit(task):
    nearest = torch.cdist(task.test.inputs, task.train.inputs).argmin(1)
    assert (task.train.targets[nearest] == task.test.targets).float().mean() > 0.9
