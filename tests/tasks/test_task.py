import numpy as np
import pytest
import torch

from kaslite.errors import DataError
from kaslite.randomness import generator
from kaslite.tasks.task import Split, split_task
from kaslite.tasks.units import MAX_DEVIATIONS

SAMPLES = 500


def table(samples=SAMPLES):
    """Return samples whose target is their row, so that they are known again after a shuffle."""
    inputs = np.random.default_rng(0).normal([3.0, -2.0], [10.0, 0.1], (samples, 2))
    return inputs, np.arange(samples)


def split(inputs, targets, train_frac=0.7, rng_seed=0):
    return split_task("table", inputs, targets, train_frac=train_frac, rng_seed=rng_seed)


def splits(task):
    return task.train, task.validation, task.test


def rows(batches):
    return torch.cat([targets for _, targets in batches]).tolist()


def test_every_sample_is_in_exactly_one_split():
    task = split(*table())
    assert sorted(torch.cat([part.targets for part in splits(task)]).tolist()) == list(range(SAMPLES))


@pytest.mark.parametrize(
    ("samples", "train_frac", "sizes"), [(500, 0.7, (350, 75, 75)), (500, 0.5, (250, 125, 125)), (11, 0.7, (7, 2, 2))]
)
def test_what_does_not_train_is_halved(samples, train_frac, sizes):
    task = split(*table(samples), train_frac=train_frac)
    assert tuple(map(len, splits(task))) == sizes


def test_inputs_stay_beside_their_targets():
    inputs, targets = table()
    task = split(inputs, targets)
    for part in splits(task):
        truth = torch.tensor(inputs[part.targets])
        assert torch.equal(part.inputs.argsort(0), truth.argsort(0))


def test_the_training_split_is_scaled_to_mean_zero_and_deviation_one():
    train = split(*table()).train.inputs
    assert torch.allclose(train.mean(0), torch.zeros(2), atol=1e-5)
    assert torch.allclose(train.std(0, correction=0), torch.ones(2), atol=1e-5)


def test_scaling_knows_nothing_of_the_other_splits():
    inputs, targets = table()
    task = split(inputs, targets)
    others = np.setdiff1d(targets, task.train.targets)
    inputs[others] = 1000.0
    changed = split(inputs, targets)
    assert torch.equal(changed.train.inputs, task.train.inputs)
    assert not torch.equal(changed.test.inputs, task.test.inputs)


def test_far_outliers_are_clipped():
    inputs, targets = table()
    inputs[7] = 1e6
    task = split(inputs, targets)
    assert max(part.inputs.abs().max().item() for part in splits(task)) == MAX_DEVIATIONS


def test_a_feature_that_never_changes_becomes_zero():
    inputs, targets = table()
    inputs[:, 1] = 7.0
    assert all(torch.equal(part.inputs[:, 1], torch.zeros(len(part))) for part in splits(split(inputs, targets)))


def test_the_same_rng_seed_gives_the_same_splits():
    first, second, other = (split(*table(), rng_seed=rng_seed).train.targets for rng_seed in (0, 0, 1))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_a_task_knows_its_widths():
    task = split(*table(100))
    assert (task.input_dim, task.num_classes) == (2, 100)


def test_one_class_is_not_enough():
    inputs, targets = table()
    with pytest.raises(DataError, match="table: the training split has 1 class; a classifier needs at least 2"):
        split(inputs, np.zeros_like(targets))


@pytest.mark.parametrize(
    ("samples", "train_frac", "name"),
    [(10, 0.05, "train"), (10, 0.9, "validation"), (0, 0.7, "train"), (2, 0.99, "validation")],
)
def test_an_empty_split_is_named(samples, train_frac, name):
    with pytest.raises(DataError, match=f"table: the {name} split is empty"):
        split(*table(samples), train_frac=train_frac)


@pytest.fixture
def samples():
    return Split(torch.arange(10.0)[:, None], torch.arange(10))


def test_the_batches_of_an_epoch_hold_every_sample_once(samples):
    batches = list(samples.batches(4, rng_seed=0, epoch=1))
    assert [len(targets) for _, targets in batches] == [4, 4, 2]
    assert sorted(rows(batches)) == list(range(10))


def test_inputs_and_targets_of_a_batch_belong_together(samples):
    for inputs, targets in samples.batches(4, rng_seed=0, epoch=1):
        assert torch.equal(inputs[:, 0], targets.float())


@pytest.mark.parametrize(("rng_seed", "epoch"), [(0, 2), (1, 1)])
def test_another_epoch_or_rng_seed_has_another_order(samples, rng_seed, epoch):
    assert rows(samples.batches(4, rng_seed, epoch)) != rows(samples.batches(4, rng_seed=0, epoch=1))


def test_the_order_depends_on_rng_seed_and_epoch_alone(samples):
    expected = torch.randperm(10, generator=generator(0, "order", 3)).tolist()
    for size, earlier_epochs in [(4, [1, 2]), (10, []), (1, [5])]:
        for epoch in earlier_epochs:
            rows(samples.batches(size, 0, epoch))
        torch.manual_seed(size)
        assert rows(samples.batches(size, rng_seed=0, epoch=3)) == expected


def test_the_order_takes_nothing_from_the_global_stream(samples):
    before = torch.get_rng_state()
    rows(samples.batches(4, rng_seed=0, epoch=1))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("steps", "samples"), [(1, 4), (2, 8), (3, 10)])
def test_an_epoch_of_fewer_steps_trains_on_the_first_rows_of_its_order(steps, samples):
    part = Split(torch.zeros(10, 1), torch.arange(10))
    whole = rows(part.batches(4, 0, epoch=3))
    assert rows(part.batches(4, 0, epoch=3, steps=steps)) == whole[:samples]
    assert rows(part.batches(4, 0, epoch=4, steps=steps)) != whole[:samples]
