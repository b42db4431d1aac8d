import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as some

from kaslite.tasks.task import split_task
from kaslite.tasks.units import MAX_DEVIATIONS, Scaling, Units


@given(some.floats(-1e6, 1e6), some.floats(1e-3, 1e6), some.floats(-9, 9))
def test_what_is_scaled_and_unscaled_is_what_it_was(mean, deviation, value):
    scaling = Scaling.fitted(mean + deviation * np.array([[-1.0], [1.0], [value]]))
    samples = np.array([[mean], [mean + value * deviation]])
    assert np.allclose(scaling.unscaled(scaling.scaled(samples)), samples, rtol=1e-9, atol=1e-9 * deviation)


def test_an_input_that_never_changes_becomes_zero_whatever_it_is_later():
    scaling = Scaling.fitted(np.full((3, 1), 0.1))
    assert scaling.scaled(np.array([[0.1], [7.0]])).tolist() == [[0.0], [0.0]]


def test_far_outliers_are_clipped():
    units = Units(Scaling.fitted(np.array([[0.0], [2.0]])))
    assert units.as_inputs(np.array([[1.0], [2.0], [1e6]])).tolist() == [[0.0], [1.0], [MAX_DEVIATIONS]]


def test_samples_in_their_units_become_what_the_task_holds_bit_for_bit():
    rng = np.random.default_rng(0)
    inputs, targets = rng.normal([3.0, -2.0], [10.0, 0.1], (50, 2)), rng.normal(100, 20, 50)
    task = split_task("table", inputs, targets, train_frac=0.7, rng_seed=0, columns=["a", "b"], outputs=["price"])
    every = torch.cat([part.inputs for part in (task.train, task.validation, task.test)])
    again = task.units.as_inputs(inputs)
    assert torch.equal(again[again[:, 0].argsort()], every[every[:, 0].argsort()])
    assert np.allclose(task.units.target.unscaled(task.train.targets.numpy()).mean(), targets.mean(), atol=10)
    assert (task.units.columns, task.units.outputs) == (("a", "b"), ("price",))
