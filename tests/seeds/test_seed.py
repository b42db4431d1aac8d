from __future__ import annotations

import pytest
import torch

from kaslite import blueprints
from kaslite.blueprints import FeatureKind, SeedShape
from kaslite.errors import IllegalTransitionError, UsageError
from kaslite.lifecycle import SeedState
from kaslite.seeds import Seed

SHAPE = SeedShape(FeatureKind.DENSE, reads=6, writes=4)


def germinated(place: tuple[str, int] = ("stem", 0), rng_seed: int = 0, dtype: torch.dtype = torch.float32) -> Seed:
    seed = Seed(*place)
    seed.germinate(blueprints.get("mlp"), SHAPE, torch.zeros(1, dtype=dtype), rng_seed)
    return seed


def weights(seed: Seed) -> torch.Tensor:
    return torch.cat([parameter.flatten() for parameter in seed.parameters()])


def test_a_new_seed_is_dormant_and_holds_nothing() -> None:
    seed = Seed("stem", 1)
    assert seed.state is SeedState.DORMANT
    assert seed.place == ("stem", 1)
    assert not list(seed.parameters())


def test_a_move_is_returned_as_a_fact() -> None:
    event = Seed("stem", 1).move(SeedState.GERMINATED, epoch=7, reason="why not")
    assert (event.layer, event.seed, event.epoch, event.reason) == ("stem", 1, 7, "why not")
    assert (event.from_state, event.to_state) == (SeedState.DORMANT, SeedState.GERMINATED)


def test_an_illegal_move_leaves_the_seed_as_it_was() -> None:
    seed = Seed("stem", 0)
    with pytest.raises(IllegalTransitionError, match="dormant seed cannot become blending"):
        seed.move(SeedState.BLENDING, epoch=7, reason="hurry")
    assert seed.state is SeedState.DORMANT
    assert seed.record.entered_epoch == 0


def test_the_delta_is_zero_at_birth_and_of_the_written_width() -> None:
    assert torch.equal(germinated().delta(torch.randn(3, 6)), torch.zeros(3, 4))


def test_a_newborn_takes_the_dtype_from_beside() -> None:
    assert germinated(dtype=torch.float64).delta(torch.randn(3, 6).double()).dtype is torch.float64


def test_equal_places_and_rng_seeds_are_born_equal() -> None:
    assert torch.equal(weights(germinated()), weights(germinated()))


@pytest.mark.parametrize("other", [{"place": ("stem", 1)}, {"place": ("head", 0)}, {"rng_seed": 1}])
def test_every_place_and_every_run_draws_weights_of_its_own(other: dict) -> None:
    assert not torch.equal(weights(germinated()), weights(germinated(**other)))


def test_a_place_that_germinates_again_draws_new_weights() -> None:
    seed = germinated()
    first = weights(seed).clone()
    seed.clear()
    seed.germinate(blueprints.get("mlp"), SHAPE, torch.zeros(1), 0)
    assert not torch.equal(weights(seed), first)


def test_germinating_draws_nothing_from_the_global_stream() -> None:
    before = torch.get_rng_state()
    germinated()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_blueprint_that_cannot_learn_by_the_objective_is_refused_before_anything_changes() -> None:
    seed = Seed("stem", 0)
    with pytest.raises(UsageError, match=r"here these do: none; every blueprint can learn by: task, gradient\."):
        seed.germinate(blueprints.get("mlp"), SHAPE, torch.zeros(1), 0, "reconstruct")
    assert (seed.module, seed.germinations) == (None, 0)


def test_alpha_is_factor_times_ramp_and_changes_in_place() -> None:
    seed = germinated()
    buffer = seed.alpha
    seed.blend_factor = 0.5
    seed.set_ramp(0.5)
    assert seed.alpha is buffer
    assert buffer.item() == 0.25


def test_switched_off_weighs_nothing_and_comes_back_after_an_error() -> None:
    seed = germinated()
    seed.set_ramp(0.5)
    with seed.switched_off():
        assert seed.alpha.item() == 0
    assert seed.alpha.item() == 0.5
    with pytest.raises(ZeroDivisionError), seed.switched_off():
        raise ZeroDivisionError
    assert seed.alpha.item() == 0.5


def test_a_cleared_seed_remembers_its_place_alone() -> None:
    seed = germinated(("stem", 1))
    seed.set_ramp(0.5)
    seed.record.held_epochs = 3
    seed.clear()
    assert (seed.place, seed.ramp, seed.alpha.item(), seed.blueprint_id) == (("stem", 1), 0, 0, None)
    assert seed.record.held_epochs == 0
    assert not list(seed.parameters())
