from __future__ import annotations

import copy

import pytest
import torch

from kaslite import Advance, Germinate, Wait, blueprints
from kaslite.blueprints import FeatureKind, SeedShape, registered
from kaslite.proof.planted import IDENTITY, JOLT, JOLT_PASSES, NOISE, PLANTED, RANDOM, SCALE
from kaslite.randomness import global_stream
from kaslite.seeds.newborn import check_newborn
from tests.growing import Growth

SHAPE = SeedShape(FeatureKind.DENSE, reads=16, writes=16)
FROZEN = (RANDOM, IDENTITY, JOLT)


def feature(rows: int = 200) -> torch.Tensor:
    return torch.randn(rows, SHAPE.reads, generator=torch.Generator().manual_seed(3))


def born(blueprint) -> torch.nn.Module:
    """Return a module as it is when it has passed the check of newborns."""
    with global_stream(torch.device("cpu"), 0, blueprint.name):
        module = blueprint.build(SHAPE)
    check_newborn(module, blueprint.name, SHAPE)
    return module


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_nobody_knows_them_who_does_not_ask(planted) -> None:
    assert planted.name not in blueprints.names()
    with registered(*PLANTED):
        assert blueprints.get(planted.name) is planted
    assert planted.name not in blueprints.names()


@pytest.mark.parametrize("planted", FROZEN, ids=lambda planted: planted.name)
def test_a_frozen_one_learns_nothing(planted) -> None:
    module = born(planted)
    module(feature()).square().sum().backward()
    assert all(parameter.grad.eq(0).all() and parameter.eq(0).all() for parameter in module.parameters())


@pytest.mark.parametrize("planted", [RANDOM, JOLT], ids=lambda planted: planted.name)
def test_a_random_one_adds_a_few_per_cent(planted) -> None:
    module, read = born(planted), feature()
    assert (module(read).norm() / read.norm()).item() == pytest.approx(SCALE, rel=0.2)


def test_a_copy_of_the_identity_adds_the_feature_once_more() -> None:
    read = feature()
    torch.testing.assert_close(born(IDENTITY)(read), SCALE * read)


def test_a_jolt_is_over_after_some_training_passes_and_looking_does_not_count() -> None:
    module, read = born(JOLT), feature()
    for _ in range(JOLT_PASSES):
        assert module.eval()(read).any()
        assert module.train()(read).any()
    assert not module(read).any()
    assert not module.eval()(read).any()


def test_one_that_hears_noise_learns_but_not_of_the_feature() -> None:
    module, read = born(NOISE), feature()
    with torch.no_grad():
        module.body[-1].weight.normal_()
    other = copy.deepcopy(module)
    assert torch.equal(module(read), other(read + 1))
    (slope,) = torch.autograd.grad(module(read.requires_grad_()).sum(), read, allow_unused=True)
    assert slope is None


def test_the_noise_is_new_at_every_training_pass_and_shifts_nobody() -> None:
    module, read = born(NOISE), feature()
    with torch.no_grad():
        module.body[-1].weight.normal_()
    before = torch.get_rng_state()
    looks = [module.eval()(read), module.eval()(read)]
    passes = [module.train()(read), module.train()(read)]
    assert torch.equal(*looks)
    assert not torch.equal(*passes)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_what_they_are_goes_into_checkpoints(planted) -> None:
    module, read = born(planted), feature()
    with torch.no_grad():
        [parameter.normal_() for name, parameter in module.named_parameters() if name != "idle"]
    module(read)
    with global_stream(torch.device("cpu"), 0, "another"):
        loaded = planted.build(SHAPE)
    loaded.load_state_dict(module.state_dict())
    assert torch.equal(loaded(read), module(read))


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_they_go_the_way_of_every_seed(planted) -> None:
    with registered(*PLANTED):
        germinate = Germinate("blocks.0", 0, planted.name)
        grown = Growth(decisions=(germinate, Wait(), Advance("blocks.0", 0)), blueprints=[planted.name])
        for _ in range(6):
            grown.epoch()
    assert grown.seed.state == "shadowing"
    assert grown.seed.record.evidence is not None
