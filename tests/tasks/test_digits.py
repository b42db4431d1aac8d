from types import SimpleNamespace

import pytest
import torch
from sklearn.datasets import load_digits

from kaslite.errors import UsageError
from kaslite.tasks import digits


def load(train_frac=0.7, classes=None):
    return digits.load(SimpleNamespace(train_frac=train_frac, classes=classes), rng_seed=0)


@pytest.fixture
def task():
    return load()


def test_they_are_1797_images_of_8_by_8_pixels_in_ten_classes(task):
    assert len(task.train) + len(task.validation) + len(task.test) == 1797
    assert (task.input_dim, task.num_classes) == (64, 10)


def test_the_fraction_that_trains_is_the_setting():
    assert len(load(train_frac=0.5).train) == 898


def test_neighbours_mostly_show_the_same_digit(task):
    nearest = torch.cdist(task.test.inputs, task.train.inputs).argmin(1)
    assert (task.train.targets[nearest] == task.test.targets).float().mean() > 0.9


def test_of_some_digits_alone_the_first_that_is_named_is_class_0():
    chosen = load(classes=(7, 5, 2))
    labels = torch.cat([part.targets for part in (chosen.train, chosen.validation, chosen.test)])
    truth = load_digits().target
    assert chosen.num_classes == 3
    assert labels.bincount().tolist() == [int((truth == digit).sum()) for digit in (7, 5, 2)]


def test_all_digits_in_their_order_are_what_there_is_without_a_choice(task):
    assert torch.equal(load(classes=tuple(range(10))).train.targets, task.train.targets)


@pytest.mark.parametrize(
    ("classes", "complaint"),
    [
        ((1, 10), "10 is no digit"),
        ((-1, 3), "-1 is no digit"),
        ((3, 4, 3), "3 stands there twice"),
        ((3,), "a classifier needs at least 2"),
        ((), "a classifier needs at least 2"),
    ],
)
def test_a_choice_that_cannot_be_learned_is_one_clear_sentence(classes, complaint):
    with pytest.raises(UsageError, match=f"{complaint}; give two or more different digits from 0 to 9"):
        load(classes=classes)
