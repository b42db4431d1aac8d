"""Objective `reconstruct`: the child of a seed learns to reproduce what the seed reads."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from kaslite import Advance, Germinate, RefusedError, SeedState, Span, UsageError
from kaslite.seeds.reconstruction import MIN_BATCHES
from tests.growing import Growth


def reconstructing(host: str = "in_place", **kwargs) -> Growth:
    settings = {"blueprint": "autoencoder", "blueprints": ["autoencoder"], "measured": False, "steps_per_epoch": 1}
    return Growth(host, shadow_objective="reconstruct", **settings | kwargs)


def in_training(host: str = "in_place", steps: int = 0, **kwargs) -> Growth:
    growth = reconstructing(host, **kwargs)
    growth.grower.apply(Germinate(*growth.place, "autoencoder"))
    growth.step()
    for _ in range(steps):
        growth.step()
    assert growth.seed.state is SeedState.TRAINING
    return growth


def weights(growth: Growth) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in growth.seed.module.child.parameters()])


def test_the_first_step_waits_for_ten_batches() -> None:
    growth = in_training(steps=MIN_BATCHES - 1)
    before = weights(growth)
    growth.step()
    assert not torch.equal(weights(growth), before)
    early = in_training(steps=MIN_BATCHES - 1)
    assert torch.equal(weights(early), weights(in_training()))
    early.grower.after_epoch()
    assert early.seed.record.training_progress is None


@pytest.mark.parametrize("host", ["in_place", "transformer"])
def test_the_child_learns_to_reproduce_and_progress_says_how_well(host: str) -> None:
    growth = in_training(host, steps=300, lr=0.0)
    growth.grower.after_epoch()
    rows = growth.seed.reservoir.sample(1024)
    with torch.no_grad():
        loss = functional.mse_loss(growth.seed.module.child(rows), rows)
    untrained = in_training(host, lr=0.0)
    with torch.no_grad():
        first = functional.mse_loss(untrained.seed.module.child(rows), rows)
    assert growth.seed.record.training_progress == pytest.approx(1 - (loss / first).item(), abs=0.05)
    assert growth.seed.record.training_progress > 0.6


def test_gates_stay_closed_so_that_blending_changes_nothing() -> None:
    growth = in_training(steps=30, lr=0.0)
    assert not growth.seed.module.gate.any()
    before = growth.model(growth.inputs)
    growth.grower.apply(Advance(*growth.place))
    assert torch.equal(growth.model(growth.inputs), before)


def test_rows_are_what_the_seed_reads_in_training_passes_alone() -> None:
    growth = in_training(at=Span("blocks.1", reads="stem"), place=("blocks.1", 0), lr=0.0, seeds_per_layer=2, chunked=True)
    growth.model(growth.inputs[:5])
    with torch.no_grad():
        growth.model(growth.inputs)
    growth.model.eval()(growth.inputs)
    host = growth.model.host
    read = functional.linear(growth.inputs[:5], host.stem.weight, host.stem.bias)[:, :4]  # the other seed reads the rest
    rows = growth.seed.reservoir.sample(1024)
    assert torch.equal(rows[torch.argsort(rows[:, 0])], read[torch.argsort(read[:, 0])].detach())
    assert not rows.requires_grad


def test_only_seeds_that_reconstruct_keep_rows() -> None:
    growth = in_training(steps=3)
    growth.grower.apply(Advance(*growth.place))
    before = len(growth.seed.reservoir) if growth.seed.reservoir else 0
    growth.step()
    assert (len(growth.seed.reservoir) if growth.seed.reservoir else 0) == before
    assert Growth().reach(SeedState.TRAINING).seed.reservoir is None


def test_a_child_that_fails_is_a_fault_and_stops_nothing() -> None:
    growth = in_training(steps=MIN_BATCHES)

    def fail(*_: object) -> None:
        raise ValueError("no idea")

    growth.seed.module.child.register_forward_hook(fail)
    growth.step()
    assert growth.seed.fault == "its child raised ValueError: no idea"


def test_a_child_that_is_not_finite_shows() -> None:
    growth = in_training(steps=MIN_BATCHES)
    torch.nn.init.constant_(growth.seed.module.child[0].bias, math.inf)
    growth.step()
    with pytest.raises(RefusedError, match="not finite"):
        growth.grower.apply(Advance(*growth.place))


def test_a_row_that_does_not_fit_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kaslite.seeds.reservoir.BYTES", 16)
    growth = in_training()
    growth.update()
    assert growth.seed.fault == "one row of what it reads, (8,), is more than its reservoir may hold"


def test_a_blueprint_without_a_child_is_refused_at_germination() -> None:
    growth = reconstructing()
    with pytest.raises(UsageError, match="'mlp' declares no child"):
        growth.grower.apply(Germinate(*growth.place, "mlp"))
    assert growth.seed.state is SeedState.DORMANT
