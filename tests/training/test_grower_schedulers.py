"""Learning rates go on as if nothing had grown, whatever else happens to the optimizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler as schedulers
from torch.optim.swa_utils import SWALR

import kaslite
from kaslite import Advance, Cull, Germinate, SeedState, Wait
from tests.growing import Growth

if TYPE_CHECKING:
    from pathlib import Path

    from torch.optim import Optimizer

EPOCHS = 12
STEPS_PER_EPOCH = 3
STEPS = EPOCHS * STEPS_PER_EPOCH
LOSSES = [1.0, 0.9, 0.8, 0.8, 0.8, 0.8, 0.7, 0.7, 0.7, 0.7, 0.7, 0.6]  # what ReduceLROnPlateau sees
GROW, ADVANCE, CULL = Germinate("blocks.0", 0, "mlp"), Advance("blocks.0", 0), Cull("blocks.0", 0)
WAIT = Wait("see")
GROWS_AND_IS_CULLED = (GROW, WAIT, ADVANCE, WAIT, WAIT, CULL)
"""After epochs 1, 3 and 6: so it blends in epochs 4 and 5, and its place is empty again from epoch 8 on."""


class Schedule(NamedTuple):
    make: object
    each: str = "epoch"


def _sequential(optimizer: Optimizer) -> schedulers.SequentialLR:
    parts = [schedulers.LinearLR(optimizer, 0.1, total_iters=4), schedulers.CosineAnnealingLR(optimizer, EPOCHS - 4)]
    return schedulers.SequentialLR(optimizer, parts, milestones=[4])


def _chained(optimizer: Optimizer) -> schedulers.ChainedScheduler:
    parts = [schedulers.ConstantLR(optimizer, 0.1, total_iters=4), schedulers.ExponentialLR(optimizer, 0.9)]
    return schedulers.ChainedScheduler(parts, optimizer)


def _per_group(slow, fast):
    """Return a function for each group: both groups, or the only one."""
    return lambda optimizer: [slow, fast][: len(optimizer.param_groups)]


_LAMBDAS = _per_group(lambda epoch: 0.9**epoch, lambda epoch: 1 / (1 + epoch))
_FACTORS = _per_group(lambda _: 0.9, lambda _: 0.5)

SCHEDULES = {
    "StepLR": Schedule(lambda optimizer: schedulers.StepLR(optimizer, 3)),
    "MultiStepLR": Schedule(lambda optimizer: schedulers.MultiStepLR(optimizer, [2, 5, 9])),
    "ExponentialLR": Schedule(lambda optimizer: schedulers.ExponentialLR(optimizer, 0.9)),
    "PolynomialLR": Schedule(lambda optimizer: schedulers.PolynomialLR(optimizer, EPOCHS, 2.0)),
    "CosineAnnealingLR": Schedule(lambda optimizer: schedulers.CosineAnnealingLR(optimizer, EPOCHS)),
    "CosineAnnealingWarmRestarts": Schedule(lambda optimizer: schedulers.CosineAnnealingWarmRestarts(optimizer, 7, 2), "step"),
    "ReduceLROnPlateau": Schedule(lambda optimizer: schedulers.ReduceLROnPlateau(optimizer, patience=1)),
    "SequentialLR": Schedule(_sequential),
    "ChainedScheduler": Schedule(_chained),
    "LambdaLR": Schedule(lambda optimizer: schedulers.LambdaLR(optimizer, _LAMBDAS(optimizer))),
    "MultiplicativeLR": Schedule(lambda optimizer: schedulers.MultiplicativeLR(optimizer, _FACTORS(optimizer))),
    "OneCycleLR": Schedule(lambda optimizer: schedulers.OneCycleLR(optimizer, 0.05, STEPS), "step"),
    "CyclicLR": Schedule(lambda optimizer: schedulers.CyclicLR(optimizer, 1e-3, 1e-2, 5), "step"),
    "SWALR": Schedule(lambda optimizer: SWALR(optimizer, 5e-3, anneal_epochs=8)),
}
every_schedule = pytest.mark.parametrize("name", SCHEDULES)


def two_groups(model: nn.Module) -> Optimizer:
    host = model.host
    rest = [*host.stem.parameters(), *host.head.parameters()]
    return torch.optim.AdamW([{"params": rest, "lr": 1e-3}, {"params": host.blocks.parameters(), "lr": 1e-2}])


def growth(name: str, decisions: tuple[kaslite.Decision, ...] = (), **more) -> Growth:
    schedule = SCHEDULES[name].make
    return Growth(decisions=decisions, optimize=two_groups, schedule=schedule, steps_per_epoch=STEPS_PER_EPOCH, **more)


def train(growth: Growth, name: str, epochs: range = range(EPOCHS), broken: tuple[int, ...] = ()) -> list[list[float]]:
    """Train as one does with schedulers; return the learning rate of every group at every step."""
    rates = []
    for epoch in epochs:
        for _ in range(STEPS_PER_EPOCH):
            rates.append([group["lr"] for group in growth.optimizer.param_groups])
            growth.step()
            if SCHEDULES[name].each == "step":
                growth.scheduler.step()
        growth.grower.after_epoch(**{"val_loss": float("nan")} if epoch in broken else {})
        if name == "ReduceLROnPlateau":
            growth.scheduler.step(LOSSES[epoch])
        elif SCHEDULES[name].each == "epoch":
            growth.scheduler.step()
    return rates


def tensors(growth: Growth) -> list[torch.Tensor]:
    """Return all parameters of the model and all moments of the optimizer."""
    moments = [value for state in growth.optimizer.state_dict()["state"].values() for value in state.values()]
    return [tensor.clone() for tensor in (*growth.model.state_dict().values(), *moments)]


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return len(one) == len(other) and all(map(torch.equal, one, other))


@every_schedule
def test_learning_rates_go_on_after_growth_and_after_a_cull(name: str) -> None:
    ungrown, grown = growth(name), growth(name, GROWS_AND_IS_CULLED)
    assert train(ungrown, name) == train(grown, name)
    states = [seen.seeds[0].state for seen in grown.controller.seen]
    assert {SeedState.TRAINING, SeedState.BLENDING, SeedState.SHADOWING, SeedState.CULLED, SeedState.EMBARGOED} <= set(states)


@every_schedule
def test_a_schedule_is_one(name: str) -> None:
    rates = train(growth(name), name)
    assert all(len({rate[group] for rate in rates}) > 2 for group in (0, 1))
    assert rates[0][0] != rates[0][1] or name in ("OneCycleLR", "CyclicLR", "SWALR")  # these set both alike


@every_schedule
def test_a_newborn_learns_at_the_rate_of_the_group_that_it_joined(name: str) -> None:
    grown = growth(name, GROWS_AND_IS_CULLED[:-1])
    train(grown, name)
    newborns = {id(parameter) for parameter in grown.seed.parameters()}
    held = [{id(parameter) for parameter in group["params"]} for group in grown.optimizer.param_groups]
    assert newborns
    assert not newborns & held[0]
    assert newborns <= held[1]


@every_schedule
def test_after_a_rollback_learning_rates_go_on_and_moments_are_those_of_the_healthy_epoch(name: str) -> None:
    steady, shaken = growth(name), growth(name)
    expected = train(steady, name)
    rates = train(shaken, name, range(5))
    healthy = tensors(shaken)
    rates += train(shaken, name, range(5, 6), broken=(5,))
    assert same(tensors(shaken), healthy)
    rates += train(shaken, name, range(6, EPOCHS))
    assert rates == expected
    assert not same(tensors(shaken), healthy)


@every_schedule
def test_a_rollback_takes_a_blended_seed_out_of_its_group_and_leaves_the_learning_rates(name: str) -> None:
    shaken = growth(name, GROWS_AND_IS_CULLED[:-1])
    assert train(shaken, name, broken=(6,)) == train(growth(name), name)
    assert shaken.seed.state in (SeedState.EMBARGOED, SeedState.RESETTING)
    assert [len(group["params"]) for group in shaken.optimizer.param_groups] == [4, 4]


@pytest.mark.parametrize(
    ("name", "cut"),
    [*((name, 4) for name in SCHEDULES), *((name, cut) for name in ("LambdaLR", "OneCycleLR") for cut in (2, 6))],
)
def test_a_loaded_training_goes_on_bit_for_bit(name: str, cut: int, tmp_path: Path) -> None:
    def course() -> Growth:
        return growth(name, GROWS_AND_IS_CULLED, fixed_steps=8)

    whole = course()
    expected = train(whole, name)
    first, second = course(), course()
    rates = train(first, name, range(cut))
    kaslite.save(tmp_path / "it", first.model, first.optimizer, first.grower)
    kaslite.load(tmp_path / "it", second.model, second.optimizer, second.grower)
    second.controller.decisions = first.controller.decisions
    rates += train(second, name, range(cut, EPOCHS))
    assert rates == expected
    assert same(tensors(second), tensors(whole))
    assert second.scheduler.get_last_lr() == whole.scheduler.get_last_lr()
