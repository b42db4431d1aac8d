from types import SimpleNamespace

import pytest
import torch

from kaslite.errors import UsageError
from kaslite.tasks import clusters


def load(rng_seed=0, **changes):
    settings = {"n_samples": 300, "n_centers": 3, "cluster_std": 1.0, "input_dim": 4, "train_frac": 0.6}
    return clusters.load(SimpleNamespace(**(settings | changes)), rng_seed)


@pytest.mark.parametrize("n_centers", [2, 3, 7])
def test_there_are_as_many_classes_as_centers_equally_many_points_each(n_centers):
    task = load(n_centers=n_centers)
    labels = torch.cat([part.targets for part in (task.train, task.validation, task.test)])
    assert (task.num_classes, task.input_dim, len(labels)) == (n_centers, 4, 300)
    assert labels.bincount().max() - labels.bincount().min() <= 1


def test_without_spread_each_cluster_is_its_center():
    train = load(cluster_std=0.0).train
    for label in range(3):
        assert len(train.inputs[train.targets == label].unique(dim=0)) == 1


def test_other_rng_seeds_have_other_centers():
    one, other = (load(cluster_std=0.0, rng_seed=rng_seed).train.inputs.unique(dim=0) for rng_seed in (0, 1))
    assert not torch.allclose(one, other, atol=0.01)


def test_fewer_points_than_clusters_are_refused():
    with pytest.raises(UsageError, match="n_centers is 5, and n_samples 4: some clusters would be empty"):
        load(n_samples=4, n_centers=5)
