import pytest
import torch

from kaslite import SeedState
from kaslite.errors import StorageError
from kaslite.experiment.config import resolve
from kaslite.experiment.network_file import NETWORK, read_network
from kaslite.experiment.run import reopen, run
from kaslite.experiment.run_directory import RunDirectory
from kaslite.training.checkpoint_file import read_tree, write_tree

GROWN = {"controller": "schedule", "warm_up_epochs": 1, "adaptation_epochs": 4, "shadow_epochs": 1, "blend_steps": 12}
RUNS = {
    "mlp": {"n_samples": 80, "schedule": ["0 blocks.0:0 mlp", "0 blocks.1:1 mlp", "4 blocks.2:0 mlp"], "seeds_per_layer": 2},
    "mlp in chunks": {"n_samples": 80, "schedule": ["0 blocks.0:1 low_rank"], "seeds_per_layer": 2, "chunked": True},
    "cnn": {"host": "cnn", "schedule": ["0 blocks.0:0 conv_enhance"], "classes": [3, 5], "epoch_steps": 4},
    "transformer": {"host": "transformer", "schedule": ["0 blocks.0:0 low_rank"], "n_samples": 120, "spare_layers": 1},
}


def grown(settings, results):
    return RunDirectory(run(resolve({**GROWN, **settings}), results).run_dir)


@pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS)
def test_the_network_computes_what_it_computed_at_the_end_of_the_run(tmp_path, settings):
    directory = grown(settings, tmp_path)
    experiment = reopen(directory)
    network = read_network(directory.model)
    assert any(seed.state not in (SeedState.DORMANT, SeedState.GERMINATED) for seed in network.model.seeds)
    assert [seed.state for seed in network.model.seeds] == [seed.state for seed in experiment.model.seeds]
    inputs = experiment.task.test.inputs
    assert network.example.shape[1:] == inputs.shape[1:]
    assert network.example.dtype == inputs.dtype
    with torch.no_grad():
        assert torch.equal(network.model(inputs), experiment.model.eval()(inputs))


def test_reading_it_draws_nothing_from_the_global_stream(tmp_path):
    directory = grown(RUNS["mlp"], tmp_path)
    before = torch.get_rng_state()
    read_network(directory.model)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_run_that_was_not_completed_has_none(tmp_path):
    with pytest.raises(StorageError, match=r"there is no network in .*; a run writes it when it is completed"):
        read_network(tmp_path)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda tree: tree["host"].clear(), "it is of another host"),
        (lambda tree: tree["config"].update(colour="red"), "colour is 'red': extra inputs are not permitted"),
        (lambda tree: tree["config"].update(host="resnet"), "it does not hold 'resnet'"),
        (lambda tree: tree.pop("outputs"), "it does not hold 'outputs'"),
    ],
)
def test_a_network_that_does_not_fit_is_named(tmp_path, change, complaint):
    path = grown(RUNS["mlp"], tmp_path).model / NETWORK
    tree = read_tree(path)
    change(tree)
    write_tree(path, tree)
    with pytest.raises(StorageError, match=f"the network .* does not fit this kaslite: {complaint}"):
        read_network(path.parent)


def test_it_knows_what_its_numbers_mean(tmp_path):
    (tmp_path / "it.csv").write_text("a,b,y\n" + "".join(f"{n},{n % 7},{n / 2}\n" for n in range(80)))
    settings = {"data": tmp_path / "it.csv", "target": "y", "warm_up_epochs": 0, "adaptation_epochs": 1}
    directory = RunDirectory(run(resolve(settings), tmp_path).run_dir)
    units, original = read_network(directory.model).units, reopen(directory).task.units
    assert (units.columns, units.outputs) == (("a", "b"), ("y",))
    for one, other in [(units.inputs, original.inputs), (units.target, original.target)]:
        assert (one.mean.tolist(), one.deviation.tolist()) == (other.mean.tolist(), other.deviation.tolist())
