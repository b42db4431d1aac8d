"""A grown model is an ordinary module: it can be copied, pickled and saved, and the copy grows on by itself."""

from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch

import kaslite
from kaslite import Advance, Cull, Germinate, SeedState
from tests.growing import Growth, both_modes
from tests.hosts import hooks


def saved(model: kaslite.SeededModel) -> kaslite.SeededModel:
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


COPIES = {"deepcopy": copy.deepcopy, "pickle": lambda model: pickle.loads(pickle.dumps(model)), "save": saved}  # noqa: S301
STATES = (SeedState.DORMANT, SeedState.TRAINING, SeedState.BLENDING, SeedState.FOSSILIZED)

every_copy = pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
every_state = pytest.mark.parametrize("state", STATES)


def facts(model: kaslite.SeededModel) -> list:
    """Return everything that growing a copy might touch."""
    tensors = {**model.state_dict(), **{f"{s.place}{n}": p for s in model.seeds for n, p in s.named_parameters()}}
    return [
        [(name, value.tolist()) for name, value in tensors.items()],
        [(seed.state, seed.ramp, seed.germinations) for seed in model.seeds],
        hooks(model),
    ]


@every_copy
@every_state
def test_a_copy_is_equal(state: SeedState, copied) -> None:
    growth = Growth("batch_norm").reach(state)
    twin = copied(growth.model)
    assert facts(twin) == facts(growth.model)
    assert torch.equal(both_modes(twin, growth.inputs), both_modes(growth.model, growth.inputs))


@every_copy
@every_state
def test_growing_and_training_a_copy_does_not_touch_the_original(state: SeedState, copied) -> None:
    growth = Growth().reach(state)
    before = facts(growth.model)
    twin = copied(growth.model)
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1)
    grower = kaslite.Grower(twin, optimizer, controller=kaslite.Plateau(), blueprints=["mlp"])
    for decision in (Germinate("blocks.1", 0, "mlp"), None, Advance("blocks.1", 0), None, Cull("blocks.1", 0), None):
        if decision is not None:
            grower.apply(decision)
        optimizer.zero_grad()
        twin(growth.inputs).square().mean().backward()
        optimizer.step()
        grower.after_step()
    assert facts(growth.model) == before
    assert facts(twin) != before


@every_copy
def test_the_seeds_of_a_copy_take_part_in_its_own_forward_pass(copied) -> None:
    growth = Growth().reach(SeedState.FOSSILIZED)
    before = growth.model(growth.inputs)
    twin = copied(growth.model)
    twin.seed_at("blocks.0", 0).set_ramp(0)
    assert not torch.equal(twin(growth.inputs), before)
    assert torch.equal(growth.model(growth.inputs), before)


@every_copy
def test_culling_in_a_copy_unhooks_the_copy_alone(copied) -> None:
    growth = Growth().reach(SeedState.TRAINING)
    twin = copied(growth.model)
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1)
    kaslite.Grower(twin, optimizer, controller=kaslite.Plateau(), blueprints=["mlp"]).apply(Cull(*growth.place))
    assert (hooks(twin), hooks(growth.model)) == (0, 1)
