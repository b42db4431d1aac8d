import subprocess
import sys

import pytest
import torch

from kaslite.experiment.config import RunConfig, resolve
from kaslite.tasks import HOST_PATTERN, PROBLEMS

every_problem = pytest.mark.parametrize("name", PROBLEMS)


def load(name, rng_seed=0):
    return PROBLEMS[name].load(resolve({"problem_type": name}), rng_seed)


@every_problem
def test_it_loads_with_the_settings_that_suit_it(name):
    task = load(name)
    assert task.name == name
    assert task.input_dim == resolve({"problem_type": name}).input_dim
    assert len(task.train) > len(task.validation) > 0


@every_problem
def test_its_defaults_are_settings_of_a_run(name):
    assert PROBLEMS[name].defaults.keys() <= RunConfig.model_fields.keys()


@every_problem
def test_it_says_what_it_is(name):
    assert PROBLEMS[name].summary


@every_problem
def test_the_same_rng_seed_gives_the_same_data(name):
    first, second, other = load(name), load(name), load(name, rng_seed=1)
    assert torch.equal(first.train.inputs, second.train.inputs)
    assert torch.equal(first.test.targets, second.test.targets)
    assert not torch.equal(first.train.inputs, other.train.inputs)


@every_problem
def test_its_inputs_are_finite_and_its_targets_are_classes(name):
    task = load(name)
    for part in (task.train, task.validation, task.test):
        assert part.inputs.isfinite().all()
        assert set(part.targets.tolist()) == set(range(task.num_classes))


def test_seeds_sit_on_the_blocks():
    assert HOST_PATTERN == "blocks.*"


def test_the_catalogue_is_read_without_torch():
    program = "import sys; from kaslite.tasks import PROBLEMS; assert PROBLEMS; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
