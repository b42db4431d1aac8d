import subprocess
import sys
from typing import get_args

import numpy as np
import pytest
import torch

from kaslite.errors import UsageError
from kaslite.experiment.config import RunConfig, resolve
from kaslite.randomness import global_stream
from kaslite.seeds.span import find_spans
from kaslite.tasks import HOST_PATTERN, HOSTS, PROBLEMS, check_fit, fitting_hosts
from kaslite.tasks.catalogue import Inputs

every_host = pytest.mark.parametrize("host", HOSTS)
every_problem = pytest.mark.parametrize("name", PROBLEMS)


GIVEN = {}
"""Settings that a problem cannot do without."""


@pytest.fixture(scope="module", autouse=True)
def _a_table_of_ones_own(tmp_path_factory):
    file = tmp_path_factory.mktemp("data") / "it.npz"
    np.savez(file, X=np.random.default_rng(0).normal(size=(60, 3)), y=np.arange(60) % 3)
    GIVEN["table"] = {"data": file}
    yield
    GIVEN.clear()


def config_of(name):
    return resolve({"problem_type": name, **GIVEN.get(name, {})})


def load(name, rng_seed=0):
    return PROBLEMS[name].load(config_of(name), rng_seed)


@every_problem
def test_it_loads_with_the_settings_that_suit_it(name):
    task = load(name)
    assert task.name == name
    assert task.input_dim == config_of(name).input_dim
    assert len(task.train) > len(task.validation) > 0


@pytest.mark.parametrize("entry", [*PROBLEMS.values(), *HOSTS.values()], ids=[*PROBLEMS, *HOSTS])
def test_its_defaults_are_settings_of_a_run(entry):
    assert entry.defaults.keys() <= RunConfig.model_fields.keys()
    assert entry.summary


@every_problem
def test_the_settings_that_it_declares_are_those_that_it_reads(name):
    class Noticing:
        def __init__(self):
            self.read = set()

        def __getattr__(self, setting):
            self.read.add(setting)
            return getattr(config, setting)

    config, settings = config_of(name), Noticing()
    PROBLEMS[name].load(settings, 0)
    assert settings.read - {"train_frac", "input_dim"} == PROBLEMS[name].reads


@every_problem
def test_the_same_rng_seed_gives_the_same_data(name):
    first, second, other = load(name), load(name), load(name, rng_seed=1)
    assert torch.equal(first.train.inputs, second.train.inputs)
    assert torch.equal(first.test.targets, second.test.targets)
    assert not torch.equal(first.train.inputs, other.train.inputs)


@every_problem
def test_its_inputs_are_finite_and_its_targets_are_classes_or_numbers(name):
    task = load(name)
    for part in (task.train, task.validation, task.test):
        assert part.inputs.isfinite().all()
        if task.is_regression:
            assert part.targets.shape == (len(part), 1)
            assert part.targets.isfinite().all()
        else:
            assert set(part.targets.flatten().tolist()) <= set(range(task.num_classes))


@pytest.mark.parametrize("input_dim", [2, 7])
@pytest.mark.parametrize("name", ["spirals", "moons", "clusters", "spheres", "complex_moons"])
def test_what_is_generated_has_any_number_of_inputs(name, input_dim):
    assert PROBLEMS[name].load(resolve({"problem_type": name, "input_dim": input_dim}), 0).input_dim == input_dim


@pytest.mark.parametrize(
    ("name", "squares", "first"),
    [
        ("spirals", 148.747644, [-1.1942503452301025, -0.32877838611602783]),
        ("digits", 13219.18107, [0.0, -0.34191566705703735]),
    ],
)
def test_published_numbers_rest_on_spirals_and_digits_as_they_are(name, squares, first):
    inputs = load(name).test.inputs
    assert inputs.double().square().sum().item() == pytest.approx(squares, rel=1e-8)
    assert inputs[0, :2].tolist() == pytest.approx(first, rel=1e-6)


@every_host
def test_a_host_can_learn_its_own_problem(host):
    check_fit(host, HOSTS[host].problem)


@every_problem
def test_some_host_can_learn_it(name):
    assert fitting_hosts(name)


@every_host
def test_every_kind_of_input_that_a_host_reads_is_one_that_we_know(host):
    assert HOSTS[host].reads in get_args(Inputs)


@every_host
def test_a_host_gives_logits_and_is_built_alike_from_one_stream(host):
    task = load(HOSTS[host].problem)

    def build():
        with global_stream(torch.device("cpu"), 0, "host"):
            return HOSTS[host].build(task.input_dim, 8, 2, task.num_classes)

    first, second = build(), build()
    outputs = first(task.train.inputs[:4])
    assert outputs.shape == (*task.train.targets[:4].shape, task.num_classes)
    assert torch.equal(outputs, second(task.train.inputs[:4]))


@every_host
def test_spare_layers_are_places_for_seeds_and_change_nothing_of_the_host(host):
    task = load(HOSTS[host].problem)

    def build(spare_layers):
        with global_stream(torch.device("cpu"), 0, "host"):
            return HOSTS[host].build(task.input_dim, 8, 2, task.num_classes, spare_layers)

    plain, roomy, inputs = build(0), build(3), task.train.inputs[:4]
    assert [span.writes for span in find_spans(roomy, HOST_PATTERN)] == [f"blocks.{index}" for index in range(5)]
    assert plain.state_dict().keys() == roomy.state_dict().keys()
    assert all(map(torch.equal, plain.state_dict().values(), roomy.state_dict().values()))
    assert torch.equal(plain(inputs), roomy(inputs))


@pytest.mark.parametrize(
    ("host", "problem", "remedy"),
    [
        ("cnn", "spirals", "host 'cnn' reads image inputs, which spirals has not; spirals takes mlp, and cnn learns digits."),
        ("mlp", "topics", "complex_moons, digits, breast_cancer, wine, diabetes, table."),
        ("transformer", "digits", "digits takes mlp, cnn, and transformer learns topics."),
    ],
)
def test_a_host_that_cannot_read_a_problem_is_refused_with_what_would_fit(host, problem, remedy):
    with pytest.raises(UsageError) as caught:
        check_fit(host, problem)
    assert str(caught.value).endswith(remedy)


def test_seeds_sit_on_the_blocks():
    assert HOST_PATTERN == "blocks.*"


def test_the_catalogue_is_read_without_torch():
    program = (
        "import sys; from kaslite.tasks import HOSTS, PROBLEMS; assert HOSTS; assert PROBLEMS; sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
