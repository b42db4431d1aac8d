from __future__ import annotations

import math

import pytest
import torch

from kaslite import SeedState
from kaslite.training.snapshot import Snapshot, is_finite, live_state
from tests.growing import PATH, Growth


def tensors(growth: Growth) -> list[torch.Tensor]:
    moments = growth.optimizer.state_dict()["state"]
    return [
        *growth.model.state_dict().values(),
        *(p for seed in growth.model.seeds for p in seed.parameters()),
        *(value for entry in moments.values() for value in entry.values()),
        torch.get_rng_state(),
    ]


@pytest.mark.parametrize("state", [SeedState.DORMANT, *PATH])
def test_the_way_back_is_exact_from_every_state(state: SeedState) -> None:
    growth = Growth("batch_norm").reach(state) if state is not SeedState.DORMANT else Growth("batch_norm")
    parts = growth.model, growth.optimizer, growth.grower._transitions
    snapshot = Snapshot(live_state(*parts), epoch=1)
    before = [tensor.detach().clone() for tensor in tensors(growth)]
    held = [id(p) for p in growth.optimizer.param_groups[0]["params"]]
    for _ in range(2):
        growth.epoch()
        if state is not SeedState.DORMANT:
            growth.cull() if growth.seed.state is not SeedState.EMBARGOED else None
        snapshot.restore(*parts)  # twice, so that training on must not have touched what is kept
        after = tensors(growth)
        assert len(after) == len(before)
        assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))
        assert growth.seed.state is state
    if state is SeedState.DORMANT:
        assert [id(p) for p in growth.optimizer.param_groups[0]["params"]] == held


def test_a_seed_that_still_holds_the_same_module_keeps_it() -> None:
    growth = Growth().reach(SeedState.SHADOWING)
    parts = growth.model, growth.optimizer, growth.grower._transitions
    snapshot, module = Snapshot(live_state(*parts), epoch=1), growth.seed.module
    growth.epoch()
    snapshot.restore(*parts)
    assert growth.seed.module is module


@pytest.mark.parametrize("place", ["parameter", "buffer", "seed"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_state_is_finite_if_all_that_the_host_computes_with_is(place: str, value: float) -> None:
    growth = Growth("batch_norm").reach(SeedState.SHADOWING)
    assert is_finite(live_state(growth.model, growth.optimizer, growth.grower._transitions), frozenset())
    host = growth.model.host
    tensor = {"parameter": host.head.weight, "buffer": host.norm.running_mean, "seed": next(growth.seed.parameters())}[place]
    with torch.no_grad():
        tensor.view(-1)[0] = value
    assert not is_finite(live_state(growth.model, growth.optimizer, growth.grower._transitions), frozenset())
