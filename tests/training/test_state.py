from __future__ import annotations

import pytest
import torch
from torch import nn

from kaslite import SeedState
from kaslite.errors import StorageError, UsageError
from kaslite.training.state import capture_seeds, check_host, prepare_seeds, put_seeds, snapshot_of
from tests.growing import Growth


def test_a_snapshot_shares_nothing_with_what_it_was_taken_of() -> None:
    weight = nn.Parameter(torch.ones(2))
    tree = {"a": [weight, (weight, 1)], "b": "text"}
    kept = snapshot_of(tree)
    with torch.no_grad():
        weight.zero_()
    tree["b"] = "other"
    assert kept["a"][0].tolist() == kept["a"][1][0].tolist() == [1, 1]
    assert not kept["a"][0].requires_grad
    assert isinstance(kept["a"][1], tuple)
    assert kept["b"] == "text"


def test_preparing_changes_nothing() -> None:
    growth = Growth().reach(SeedState.SHADOWING)
    fresh = Growth()
    before = [(seed.state, seed.module, seed.ramp) for seed in fresh.model.seeds]
    stream = torch.get_rng_state()
    prepare_seeds(fresh.model, capture_seeds(growth.model))
    assert [(seed.state, seed.module, seed.ramp) for seed in fresh.model.seeds] == before
    assert torch.equal(torch.get_rng_state(), stream)


def test_a_way_back_never_takes_back_a_number_of_germinations() -> None:
    """Two modules that grow in one place are never drawn from one stream."""
    growth = Growth()
    captured = capture_seeds(growth.model)
    growth.reach(SeedState.GERMINATED)
    put_seeds(growth.model, prepare_seeds(growth.model, captured), back=True)
    assert (growth.seed.state, growth.seed.germinations) == (SeedState.DORMANT, 1)


def test_a_blend_from_before_there_was_a_choice_goes_on_along_the_fixed_ramp() -> None:
    captured = capture_seeds(Growth().reach(SeedState.BLENDING).model)
    for name in ("blend", "drift", "scale_drift"):
        captured[0]["record"].pop(name)
    fresh = Growth(strategy="ADAPTIVE")
    fresh.epoch()
    put_seeds(fresh.model, prepare_seeds(fresh.model, captured))
    ramp = fresh.seed.ramp
    fresh.step()
    assert (fresh.seed.ramp, fresh.seed.record.blend.strategy) == (ramp + 1 / 4, "FIXED_RAMP")


def test_a_blend_by_a_strategy_that_nobody_registered_is_refused() -> None:
    captured = capture_seeds(Growth().reach(SeedState.BLENDING).model)
    captured[0]["record"]["blend"]["strategy"] = "FIXED_RAMPS"
    with pytest.raises(UsageError, match="unknown blending strategy 'FIXED_RAMPS': did you mean 'FIXED_RAMP'"):
        prepare_seeds(Growth().model, captured)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.pop("bias"), "'bias' is only in the model"),
        (lambda tensors: tensors.update(more=torch.ones(1)), "'more' is only in the checkpoint"),
        (lambda tensors: tensors.update(bias=torch.ones(2).double()), "'bias' is torch.float32 .* and torch.float64"),
        (
            lambda tensors: tensors.update(bias=torch.ones(3)),
            r"'bias' is torch.float32 of shape \(2,\) here, and torch.float32 of shape \(3,\) there",
        ),
    ],
)
def test_tensors_of_another_host_are_refused_by_the_first_that_differs(change, message) -> None:
    host = nn.Linear(1, 2)
    tensors = dict(host.state_dict())
    check_host(host, tensors)
    change(tensors)
    with pytest.raises(StorageError, match=message):
        check_host(host, tensors)
