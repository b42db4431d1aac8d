from types import SimpleNamespace

import pytest
import torch

from kaslite.tasks import bundled

SETTINGS = SimpleNamespace(train_frac=0.5)


@pytest.mark.parametrize(
    ("load", "samples", "input_dim", "num_classes"),
    [
        (bundled.load_breast_cancer, 569, 30, 2),
        (bundled.load_wine, 178, 13, 3),
        (bundled.load_diabetes, 442, 10, None),
    ],
)
def test_they_are_what_scikit_learn_has(load, samples, input_dim, num_classes):
    task = load(SETTINGS, 0)
    assert len(task.train) == samples // 2
    assert len(task.train) + len(task.validation) + len(task.test) == samples
    assert (task.input_dim, task.num_classes) == (input_dim, num_classes)


@pytest.mark.parametrize("load", [bundled.load_breast_cancer, bundled.load_wine])
def test_neighbours_are_mostly_of_the_same_class(load):
    task = load(SETTINGS, 0)
    nearest = torch.cdist(task.test.inputs, task.train.inputs).argmin(1)
    assert (task.train.targets[nearest] == task.test.targets).float().mean() > 0.9


def test_a_line_predicts_diabetes_in_part():
    task = bundled.load_diabetes(SETTINGS, 0)
    line = torch.linalg.lstsq(task.train.inputs, task.train.targets).solution
    error = (task.test.inputs @ line - task.test.targets).square().mean() / task.test.targets.var()
    assert 0.4 < error < 0.7
