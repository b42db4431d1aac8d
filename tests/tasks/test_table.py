import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

from kaslite.errors import DataError, UsageError
from kaslite.randomness import generator
from kaslite.tasks.table import MOST_NUMBERED_CLASSES, is_classification, load

ROWS = 60


@pytest.fixture
def file(tmp_path):
    return tmp_path / "it.npz"


def loaded(file, targets, inputs=None, task_type=None, rng_seed=0):
    np.savez(file, X=np.random.default_rng(0).normal(size=(len(targets), 3)) if inputs is None else inputs, y=targets)
    return load(SimpleNamespace(data=file, target=None, task_type=task_type, data_sha256=None, train_frac=0.5), rng_seed)


def targets_of(task):
    return torch.cat([part.targets for part in (task.train, task.validation, task.test)])


def test_texts_are_classes_in_the_order_of_the_alphabet(file):
    names = np.array(["pine", "ash", "oak"])[np.arange(ROWS) % 3]
    task = loaded(file, np.append(names, "oak"))
    assert task.num_classes == 3
    assert targets_of(task).bincount().tolist() == [20, 21, 20]


def test_integers_of_few_values_are_classes_whatever_their_size(file):
    task = loaded(file, np.array([-5, 900])[np.arange(ROWS) % 2])
    assert targets_of(task).bincount().tolist() == [30, 30]


def test_other_numbers_are_predicted_and_scaled_by_the_training_split(file):
    task = loaded(file, 1e6 + 1e3 * np.arange(ROWS, dtype=float))
    assert task.is_regression
    assert task.outputs == 1
    assert task.train.targets.shape == (30, 1)
    assert task.train.targets.mean().item() == pytest.approx(0, abs=1e-6)
    assert task.train.targets.std(correction=0).item() == pytest.approx(1)


@given(values=some.lists(some.integers(), min_size=1, max_size=40))
def test_integers_are_classes_as_long_as_they_are_few(values):
    targets = np.array([value % 2**60 for value in values])
    assert is_classification(targets, None) == (len(set(targets.tolist())) <= MOST_NUMBERED_CLASSES)
    assert is_classification(targets, "classification")
    assert not is_classification(targets, "regression")


def test_the_type_of_task_overrides(file):
    assert loaded(file, np.arange(ROWS) % 4, task_type="regression").is_regression
    assert loaded(file, np.arange(ROWS) % 4 / 2, task_type="classification").num_classes == 4


@pytest.mark.parametrize("targets", [np.arange(ROWS) % 3, np.linspace(0, 1, ROWS)], ids=["classes", "numbers"])
def test_what_stands_in_the_other_splits_changes_nothing_of_the_training_split(file, targets):
    rows = torch.randperm(ROWS, generator=generator(0, "split"))[: ROWS // 2].numpy()
    others = np.setdiff1d(np.arange(ROWS), rows)
    inputs = np.random.default_rng(0).normal(size=(ROWS, 3))
    before = loaded(file, targets, inputs)
    inputs[others] = 1e9
    if before.is_regression:
        targets = np.where(np.isin(np.arange(ROWS), rows), targets, 1e9)
    after = loaded(file, targets, inputs)
    assert torch.equal(after.train.inputs, before.train.inputs)
    assert torch.equal(after.train.targets, before.train.targets)
    assert not torch.equal(after.validation.inputs, before.validation.inputs)
    assert not torch.equal(after.test.inputs, before.test.inputs)


def test_inputs_of_any_unit_are_scaled(file):
    inputs = np.random.default_rng(0).normal(size=(ROWS, 3)) * [1e-12, 1.0, 1e12]
    task = loaded(file, np.arange(ROWS) % 2, inputs)
    assert task.train.inputs.std(0, correction=0).tolist() == pytest.approx([1.0] * 3)


def test_a_table_of_one_input_does(file):
    assert loaded(file, np.arange(ROWS) % 2, np.arange(ROWS, dtype=float)[:, None]).input_dim == 1


@pytest.mark.parametrize(
    ("targets", "complaint"),
    [
        (np.zeros(ROWS, dtype=int), "table: the training split has 1 class; a classifier needs at least 2"),
        (np.zeros(ROWS), "table: the training split has only one value to predict"),
        (np.arange(ROWS).astype(str), "the target has 60 different values in 60 rows, too many to be classes"),
        (np.arange(2), "table: the validation split is empty"),
        (np.arange(0), "table: the train split is empty"),
        (np.arange(0.0), "table: the train split is empty"),
    ],
)
def test_a_target_from_which_nothing_can_be_learned_is_refused(file, targets, complaint):
    with pytest.raises(DataError, match=re.escape(complaint)):
        loaded(file, targets)


def test_texts_cannot_be_predicted_as_numbers(file):
    with pytest.raises(UsageError, match="task_type is regression, but the target holds texts"):
        loaded(file, np.array(["a", "b"])[np.arange(ROWS) % 2], task_type="regression")
