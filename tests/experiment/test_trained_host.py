"""A run that starts with the trained host of another one."""

from __future__ import annotations

import re
import shutil
from itertools import pairwise

import pytest
import torch

from kaslite.errors import StorageError, UsageError
from kaslite.experiment.assembly import assemble
from kaslite.experiment.config import resolve
from kaslite.experiment.run import run
from kaslite.training.checkpoint_file import read_tree

SMALL = {"n_samples": 80, "warm_up_epochs": 2, "adaptation_epochs": 1, "hidden_dim": 8, "num_layers": 2}
GROWS = {"adaptation_epochs": 12, "patience": 3, "delta": 10.0, "acc_threshold": 1.0, "shadow_epochs": 1, "blend_steps": 2}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return run(resolve(SMALL), tmp_path_factory.mktemp("first")).run_dir


def test_the_host_begins_as_the_other_one_ended_and_all_else_is_its_own(trained):
    experiment = assemble(resolve(SMALL | {"host_from": trained, "rng_seed": 1}))
    there = read_tree(max((trained / "checkpoints").iterdir()))["experiment"]["training"]["host"]
    here = experiment.model.host.state_dict()
    assert all(torch.equal(here[name], there[name]) for name in there)
    assert experiment.grower.epoch == 0
    assert not torch.equal(experiment.task.train.inputs, assemble(resolve(SMALL)).task.train.inputs)


def test_it_trains_on_unless_it_is_frozen(trained):
    for frozen in (False, True):
        experiment = assemble(resolve(SMALL | {"host_from": trained, "freeze_host": frozen}))
        before = {name: tensor.clone() for name, tensor in experiment.model.host.state_dict().items()}
        experiment.train(lambda: None)
        after = experiment.model.host.state_dict()
        assert all(torch.equal(before[name], after[name]) for name in before) == frozen


def test_a_host_of_its_own_trains_in_the_warm_up_and_freezes_then():
    experiment = assemble(resolve(SMALL | {"adaptation_epochs": 3, "freeze_host": True}))
    seen = [{name: tensor.clone() for name, tensor in experiment.model.host.state_dict().items()}]
    experiment.train(lambda: seen.append({name: t.clone() for name, t in experiment.model.host.state_dict().items()}))
    moves = [not all(torch.equal(before[name], after[name]) for name in before) for before, after in pairwise(seen)]
    assert moves == [True, True, False, False, False]


def test_a_host_that_does_not_fit_is_refused_by_the_layer_and_both_shapes(trained):
    with pytest.raises(UsageError, match=re.escape("'blocks.0.0.weight' is")) as caught:
        assemble(resolve(SMALL | {"hidden_dim": 16, "host_from": trained}))
    assert "(16, 2)" in str(caught.value)
    assert "(8, 2)" in str(caught.value)
    assert str(trained) in str(caught.value)


def test_a_host_of_another_depth_is_refused_by_the_tensor_that_only_one_has(trained):
    with pytest.raises(UsageError, match=re.escape("blocks.2.0")):
        assemble(resolve(SMALL | {"num_layers": 3, "host_from": trained}))


def test_a_folder_that_is_no_run_is_refused_and_nothing_is_made(tmp_path):
    with pytest.raises(UsageError, match=r"host_from is .*nowhere, which is not the folder of a run"):
        run(resolve(SMALL | {"host_from": tmp_path / "nowhere"}), tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_a_run_without_a_checkpoint_is_refused(trained, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(trained, other, ignore=shutil.ignore_patterns("checkpoints"))
    with pytest.raises(StorageError, match="without a checkpoint that reads well"):
        assemble(resolve(SMALL | {"host_from": other}))


def test_a_run_in_which_a_seed_has_grown_is_refused_with_the_reason(tmp_path):
    grown = run(resolve(SMALL | GROWS), tmp_path)
    assert grown.metrics["final_params"] > grown.metrics["host_params"]
    with pytest.raises(
        UsageError, match=r"seeds have grown \(blocks\.\d:0 \w+.*: without them its host is not what was trained"
    ):
        assemble(resolve(SMALL | {"host_from": grown.run_dir}))
