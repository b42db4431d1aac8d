import pytest
import torch

from kaslite.errors import DataError
from kaslite.experiment import assembly
from kaslite.experiment.assembly import assemble
from kaslite.experiment.config import resolve

SMALL = {"n_samples": 80, "warm_up_epochs": 1, "adaptation_epochs": 1}


def test_every_part_is_as_the_config_says():
    experiment = assemble(
        resolve(
            SMALL | {"seeds_per_layer": 2, "chunked": True, "lr": 0.5, "patience": 7, "probation_epochs": 4, "num_layers": 1}
        )
    )
    assert [seed.place for seed in experiment.model.seeds] == [("blocks.0", 0), ("blocks.0", 1)]
    assert [seed.shape.writes for seed in experiment.model.seeds] == [16, 16]
    assert experiment.optimizer.param_groups[0]["lr"] == 0.5
    controller = experiment.grower.controller
    assert (controller.patience, controller.probation_epochs) == (7, 4)


def test_equal_configs_make_equal_experiments_whatever_was_drawn_before():
    torch.manual_seed(1)
    one = assemble(resolve(SMALL))
    torch.rand(7)
    other = assemble(resolve(SMALL))
    assert all(map(torch.equal, one.model.state_dict().values(), other.model.state_dict().values()))
    assert torch.equal(one.task.train.inputs, other.task.train.inputs)


def test_what_does_not_fit_into_memory_is_said_plainly(monkeypatch):
    def full(*_):
        raise RuntimeError("cannot allocate memory")

    monkeypatch.setattr(assembly, "_build_model", full)
    with pytest.raises(DataError, match="make n_samples or hidden_dim smaller"):
        assemble(resolve(SMALL))


@pytest.mark.parametrize("objective", ["gradient", "reconstruct"])
def test_a_shadow_objective_that_the_blueprints_can_learn_by_runs(objective):
    experiment = assemble(resolve(SMALL | {"shadow_objective": objective, "blueprints": ["autoencoder"]}))
    experiment.train(lambda: None)
    assert experiment.test()["epochs"] == 2
