from itertools import pairwise

import pytest
import torch
from sklearn.metrics import r2_score

from kaslite import SeedState
from kaslite.errors import DataError, UsageError
from kaslite.experiment import assembly
from kaslite.experiment.assembly import assemble
from kaslite.experiment.config import resolve


class Kept:
    """A sink that keeps the events."""

    def __init__(self):
        self.events = []

    def write(self, event):
        self.events.append(event)

    def close(self):
        pass


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


def test_the_parts_of_the_host_are_told_with_all_that_is_in_them():
    experiment = assemble(resolve(SMALL))
    parts = {part.name: part for part in experiment.started("r").submodules}
    host = experiment.model.host
    assert list(parts) == [name for name, _ in host.named_modules() if name]
    assert parts["blocks.0"].params == sum(parameter.numel() for parameter in host.get_submodule("blocks.0").parameters())
    assert parts["blocks"].kind == "ModuleList"


def test_what_does_not_fit_into_memory_is_said_plainly(monkeypatch):
    def full(*_):
        raise RuntimeError("cannot allocate memory")

    monkeypatch.setattr(assembly, "build_model", full)
    with pytest.raises(DataError, match="make n_samples or hidden_dim smaller"):
        assemble(resolve(SMALL))


@pytest.mark.parametrize("objective", ["gradient", "reconstruct"])
def test_a_shadow_objective_that_the_blueprints_can_learn_by_runs(objective):
    experiment = assemble(resolve(SMALL | {"shadow_objective": objective, "blueprints": ["autoencoder"]}))
    experiment.train(lambda: None)
    assert experiment.test()["epochs"] == 2


GROWING = {"n_samples": 120, "warm_up_epochs": 1, "adaptation_epochs": 13, "patience": 3, "delta": 1.0, "blend_steps": 4}


def evaluations_around_a_blend(**settings):
    """Return what the evaluations of an epoch cost without a seed, in the middle of its blend, and with it on trial.

    The blend is complete in the first epoch of the trial, and that is one evaluation more.
    """
    experiment = assemble(resolve(GROWING | settings))
    states, totals = [], [0]

    def after_epoch():
        states.append(next((seed.state for seed in experiment.model.live), SeedState.DORMANT))
        totals.append(experiment.trainer.eval_flops.total)

    experiment.train(after_epoch)
    assert experiment.test()["eval_flops"] == totals[-1]  # the test is no part of it
    trial = states.index(SeedState.SHADOWING)
    assert states[trial - 2 : trial] == [SeedState.BLENDING] * 2
    spent = [after - before for before, after in pairwise(totals)]
    return spent[0], spent[trial - 1], spent[trial]


def test_an_ablation_is_charged_as_one_more_evaluation():
    seedless, blending, on_trial = evaluations_around_a_blend()
    assert blending > seedless
    assert on_trial == pytest.approx(3 * blending, rel=0.05)  # not all of them are probed


def test_the_evaluation_of_a_twin_is_charged_too():
    seedless, _, without = evaluations_around_a_blend()
    _, _, on_trial = evaluations_around_a_blend(evidence="twin")
    assert on_trial - without == pytest.approx(seedless, rel=0.1)  # it is not probed


def rates(**settings):
    """Return the learning rate after each epoch of a run of 56 training samples, and whether checkpoints hold a scheduler."""
    experiment = assemble(resolve(SMALL | {"adaptation_epochs": 3, "batch_size": 14, "lr": 1.0, **settings}))
    found = []
    experiment.train(lambda: found.append(experiment.optimizer.param_groups[0]["lr"]))
    return found, "LambdaLR" in [part["kind"] for part in experiment.grower.state_dict()["parts"]]


def test_the_learning_rate_stays_and_nothing_follows_it_unless_it_is_told_to_change():
    assert rates() == ([1.0, 1.0, 1.0, 1.0], False)


def test_the_learning_rate_falls_over_the_last_part_of_all_epochs():
    assert rates(lr_decay=0.5) == ([1.0, 1.0, 0.5, 0.0], True)
    assert rates(lr_decay=0.5, epoch_steps=1) == ([1.0, 1.0, 0.5, 0.0], True)


def test_the_learning_rate_rises_and_rises_anew_after_the_epochs_that_are_told():
    assert rates(lr_warm_up=8, rewarm_epochs=(2,)) == ([5 / 8, 1 / 8, 5 / 8, 1.0], True)


def test_an_epoch_of_more_steps_than_there_are_batches_is_refused():
    assert assemble(resolve(SMALL | {"batch_size": 14, "epoch_steps": 4})).epoch_steps == 4
    with pytest.raises(UsageError, match="epoch_steps is 5, and 56 training samples make 4 batches of 14"):
        assemble(resolve(SMALL | {"batch_size": 14, "epoch_steps": 5}))


def test_fewer_steps_an_epoch_cost_less():
    flops = []
    for steps in (1, 2):
        experiment = assemble(resolve(SMALL | {"batch_size": 14, "epoch_steps": steps}))
        experiment.train(lambda: None)
        flops.append(experiment.test()["train_flops"])
    assert flops[1] == 2 * flops[0]


def test_the_test_loss_is_the_mean_cross_entropy_on_the_test_split():
    experiment = assemble(resolve(SMALL))
    experiment.train(lambda: None)
    test = experiment.task.test
    truth = torch.nn.functional.cross_entropy(experiment.model.eval()(test.inputs), test.targets)
    assert experiment.test()["test_loss"] == pytest.approx(truth.item(), abs=1e-6)


REGRESSION = {"problem_type": "diabetes", "warm_up_epochs": 1, "adaptation_epochs": 2}


def test_a_regression_has_one_output_and_its_test_is_a_squared_error_and_the_part_of_the_variance_that_it_explains():
    experiment = assemble(resolve(REGRESSION))
    experiment.train(lambda: None)
    test, metrics = experiment.task.test, experiment.test()
    outputs = experiment.model.eval()(test.inputs).detach()
    assert outputs.shape == (len(test), 1)
    assert metrics["test_loss"] == pytest.approx((outputs - test.targets).square().mean().item(), abs=1e-6)
    assert metrics["test_r2"] == pytest.approx(r2_score(test.targets, outputs), abs=1e-6)
    assert [metrics[name] for name in ("test_accuracy", "val_accuracy", "best_accuracy")] == [None] * 3


def test_a_regression_grows_whatever_accuracy_would_be_enough():
    experiment = assemble(resolve(REGRESSION | {"adaptation_epochs": 6, "patience": 3, "delta": 10.0, "acc_threshold": 0.0}))
    experiment.train(lambda: None)
    assert experiment.test()["germinated"] >= 1


@pytest.mark.parametrize(("evidence", "reading"), [("removal", "removal_cost"), ("twin", "twin_gain")])
def test_a_seed_in_a_regression_is_weighed_as_in_a_classification(evidence, reading):
    growing = {"adaptation_epochs": 12, "patience": 3, "delta": 10.0, "blend_steps": 4, "progress_thresh": 0}
    experiment = assemble(resolve(REGRESSION | growing | {"evidence": evidence}))
    experiment.sink = Kept()
    experiment.train(lambda: None)
    readings = [seed for event in experiment.sink.events if event.type == "epoch_completed" for seed in event.seeds]
    assert any(getattr(seed, reading) is not None for seed in readings if seed.state == SeedState.SHADOWING)
