"""A frozen host: seeds grow on it, and neither its parameters nor its statistics move."""

from __future__ import annotations

import copy

import pytest
import torch

from kaslite import Advance, Germinate, SeedState, Wait
from kaslite.training.loop import Phase
from tests.growing import PATH, Growth
from tests.hosts import HOSTS
from tests.training.test_loop import Run

FIRST_TASK_STEPS = 40


class FrozenGrowth(Growth):
    """A user's loop around a host that has learned a task, is frozen, and meets another one: the classes are swapped.

    While no seed learns from the loss, there is nothing to go back through.
    """

    def __init__(self, *args, **settings) -> None:
        super().__init__(*args, **settings)
        for _ in range(FIRST_TASK_STEPS):
            self.update()
        self.targets = 1 - self.targets
        self.validation = (self.validation[0], 1 - self.validation[1])
        self.model.freeze_host()
        self.before = copy.deepcopy(self.model.host.state_dict())

    def backward(self) -> None:
        self.optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(self.model(self.inputs), self.targets)
        if loss.requires_grad:
            loss.backward()

    def epoch(self, **metrics: float):
        self.model.train()  # as many loops do at the beginning of every epoch
        return super().epoch(**metrics)

    def host_is_as_it_was(self) -> bool:
        return all(map(torch.equal, self.model.host.state_dict().values(), self.before.values()))


@pytest.mark.parametrize("host", [name for name in HOSTS if name != "graph_break"])
def test_a_seed_goes_its_whole_way_and_the_host_stays_bit_for_bit(host):
    growth = FrozenGrowth(host)
    without = growth.evaluate()
    for state in PATH:
        growth.reach(state)
        assert growth.host_is_as_it_was()
    assert growth.evaluate().loss < without.loss
    with growth.seed.switched_off():
        assert torch.equal(growth.evaluate().losses, without.losses)
    assert not any(parameter.requires_grad for parameter in growth.model.host.parameters())
    assert all(parameter.grad is None for parameter in growth.model.host.parameters())


@pytest.mark.parametrize(("objective", "blueprint"), [("task", "mlp"), ("gradient", "mlp"), ("reconstruct", "autoencoder")])
def test_a_seed_learns_in_its_shadow_by_every_objective(objective, blueprint):
    growth = FrozenGrowth("batch_norm", blueprint=blueprint, blueprints=[blueprint], shadow_objective=objective)
    growth.steps_per_epoch = 30
    growth.reach(SeedState.TRAINING)
    born = copy.deepcopy(growth.seed.module.state_dict())
    for _ in range(2):
        growth.epoch()
    assert growth.seed.record.training_progress > 0
    assert any(
        not torch.equal(now, then) for now, then in zip(growth.seed.module.state_dict().values(), born.values(), strict=True)
    )
    assert growth.host_is_as_it_was()


def test_a_seed_that_goes_bad_is_culled_and_the_host_is_as_it_was():
    growth = FrozenGrowth("batch_norm").reach(SeedState.SHADOWING)
    with torch.no_grad():
        next(growth.seed.module.parameters()).fill_(torch.inf)
    growth.epoch()
    assert growth.seed.state in (SeedState.CULLED, SeedState.EMBARGOED)
    assert growth.host_is_as_it_was()
    growth.epoch()
    assert growth.grower.is_healthy


def test_a_copy_is_frozen_too():
    twin = copy.deepcopy(FrozenGrowth("batch_norm").model)
    twin.train()
    assert not any(module.training for module in twin.host.modules())


def test_the_loop_trains_on_where_there_is_nothing_to_learn_from():
    run = Run((Germinate("blocks.0", 0, "mlp"), Advance("blocks.0", 0), Wait("see")), freeze=True)
    epochs = run.all("epoch_completed")
    still, grown = epochs[:3], epochs[-1]
    assert len({event.val_loss for event in still}) == 1
    assert grown.val_loss < still[0].val_loss
    assert [event.to_state for event in run.all("seed_state_changed")][:3] == ["germinated", "training", "blending"]


def test_passes_that_go_back_cost_more_than_those_that_do_not():
    still, growing = (Run(decisions, freeze=True, rows=96) for decisions in ((), (Germinate("blocks.0", 0, "mlp"),)))
    assert 0 < still.trainer.train_flops.total < growing.trainer.train_flops.total
    assert still.trainer.train_flops.total < Run().trainer.train_flops.total / 2


def test_a_host_that_a_phase_freezes_trains_before_it_and_costs_less_from_then_on():
    phases = (Phase("phase_1", 2, grows=False), Phase("phase_2", 3, grows=True, freezes_host=True))
    run = Run(phases=phases, rows=96)
    losses = [event.val_loss for event in run.all("epoch_completed")]
    assert losses[0] != losses[1] == losses[2] == losses[3] == losses[4]
    spent = [event.train_flops for event in run.all("epoch_completed")]
    assert spent[1] - spent[0] == spent[0]
    assert spent[3] - spent[2] == spent[2] - spent[1] < spent[0] / 2
