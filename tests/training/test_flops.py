from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from torch import nn
from torch.nn import functional

from kaslite import SeededModel, SeedState
from kaslite.training.flops import FlopMeter
from tests.growing import Growth
from tests.hosts import HOSTS, WIDTH, build, samples


def work(model: nn.Module, count: int = 64):
    def forward_and_backward() -> torch.Tensor:
        model.zero_grad()
        inputs, targets = samples(count)
        loss = functional.cross_entropy(model(inputs), targets)
        loss.backward()
        return loss

    return forward_and_backward


def matrix_products(rows: int) -> int:
    """Return the FLOPs of a forward and backward pass of the MLP: three products a layer, but two for the first."""
    sizes = [(6, WIDTH), (WIDTH, WIDTH), (WIDTH, WIDTH), (WIDTH, 2)]
    return sum(2 * rows * reads * writes * (2 if layer == 0 else 3) for layer, (reads, writes) in enumerate(sizes))


def carry_out(meter: FlopMeter, model: SeededModel, count: int = 64) -> torch.Tensor:
    """Do what a training loop does."""
    with nullcontext() if meter.add(model, count) else meter.counting(model, count):
        return work(model, count)()


def measured(meter: FlopMeter, model: SeededModel, count: int = 64) -> float:
    before = meter.total
    carry_out(meter, model, count)
    return meter.total - before


def test_a_pass_costs_its_matrix_products() -> None:
    assert measured(FlopMeter(), SeededModel(build(), "blocks.*")) == matrix_products(64)


def test_every_pass_is_added() -> None:
    meter, model = FlopMeter(), SeededModel(build(), "blocks.*")
    for _ in range(3):
        measured(meter, model)
    assert meter.total == 3 * matrix_products(64)


def test_a_smaller_batch_costs_less() -> None:
    meter, model = FlopMeter(), SeededModel(build(), "blocks.*")
    assert [measured(meter, model, count) for count in (64, 16)] == [matrix_products(64), matrix_products(16)]


def test_a_grown_model_costs_more_and_a_culled_one_what_it_did() -> None:
    growth, meter = Growth(), FlopMeter()
    costs = []
    for state in (SeedState.DORMANT, SeedState.GERMINATED, SeedState.TRAINING, SeedState.BLENDING):
        growth.reach(state)
        costs.append(measured(meter, growth.model))
    growth.optimizer.step()
    growth.grower.after_step()
    growth.cull()
    while growth.seed.state is SeedState.CULLED:
        growth.step()
    costs.append(measured(meter, growth.model))
    dormant, germinated, training, blending, culled = costs
    assert dormant == germinated == culled == matrix_products(64)
    assert dormant < training == blending


def test_two_models_are_counted_apart() -> None:
    meter, grown = FlopMeter(), Growth().reach(SeedState.BLENDING).model
    plain = SeededModel(build(), "blocks.*")
    costs = [measured(meter, model) for model in (plain, grown, plain, grown)]
    assert costs[0] == costs[2] == matrix_products(64)
    assert costs[1] == costs[3] > costs[0]


@pytest.mark.parametrize("host", [host for host in HOSTS if host != "graph_break"])
def test_counting_changes_nothing(host: str) -> None:
    counted, plain = (SeededModel(build(host), "blocks.*") for _ in range(2))
    meter = FlopMeter()
    for _ in range(2):  # the first is counted, the second multiplied
        loss, expected = carry_out(meter, counted), work(plain)()
        assert torch.equal(loss, expected)
        for own, other in zip(counted.parameters(), plain.parameters(), strict=True):
            assert torch.equal(own.grad, other.grad)
