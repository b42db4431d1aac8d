"""When a run comes apart it goes back to the last healthy state, and says so."""

from __future__ import annotations

import math

import pytest
import torch

import kaslite
from kaslite import Germinate, GovernorConfig, SeedState
from kaslite.errors import DivergedError
from tests.growing import Growth

BAD = (math.nan, math.inf, -math.inf)


def settled(growth: Growth, epochs: int = 4) -> Growth:
    """Let the governor see some healthy epochs at a loss of 1."""
    for _ in range(epochs):
        growth.epoch(val_loss=1.0)
    return growth


def state(growth: Growth) -> dict[str, torch.Tensor]:
    tensors = {f"model/{name}": tensor for name, tensor in growth.model.state_dict().items()}
    for seed in growth.model.seeds:
        tensors |= {f"{seed.place}/{name}": tensor for name, tensor in seed.named_parameters()}
    for place, entry in growth.optimizer.state_dict()["state"].items():
        tensors |= {f"moments/{place}/{name}": value for name, value in entry.items()}
    tensors["stream"] = torch.get_rng_state()
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def rollbacks(events: list[kaslite.Event]) -> list[tuple[int, int]]:
    return [(event.epoch, event.to_epoch) for event in events if event.type == "governor_rolled_back"]


@pytest.mark.parametrize("loss", BAD)
@pytest.mark.parametrize("metric", ["train_loss", "val_loss"])
@pytest.mark.parametrize("host", ["in_place", "batch_norm", "transformer"])
def test_a_loss_that_is_not_finite_is_undone_at_once_bit_for_bit(host: str, metric: str, loss: float) -> None:
    growth = settled(Growth(host))
    healthy = state(growth)
    torch.rand(3)
    growth.step()
    assert rollbacks(growth.grower.after_epoch(**{"val_loss": 1.0, metric: loss})) == [(5, 4)]
    assert equal(state(growth), healthy)


def test_a_loss_that_diverges_is_undone_in_the_third_epoch_and_not_before() -> None:
    growth = settled(Growth())
    healthy = state(growth)
    assert rollbacks(growth.epoch(val_loss=13.0)) == []
    assert rollbacks(growth.epoch(val_loss=13.0)) == []
    assert not equal(state(growth), healthy)
    assert rollbacks(growth.epoch(val_loss=13.0)) == [(7, 4)]
    assert equal(state(growth), healthy)


def test_it_says_what_it_did() -> None:
    growth = settled(Growth().reach(SeedState.SHADOWING))
    events = growth.epoch(val_loss=math.nan)
    told = [event for event in events if event.type in ("governor_rolled_back", "seed_culled")]
    assert [event.reason for event in told] == [
        "the validation loss is nan",
        "the governor went back: the validation loss is nan",
    ]
    restored = {(seed.layer, seed.seed): (seed.state, seed.blueprint_id, seed.alpha) for seed in told[0].seeds}
    assert restored == {("blocks.0", 0): ("shadowing", "mlp", 1.0), ("blocks.1", 0): ("dormant", None, 0.0)}


@pytest.mark.parametrize("stage", [SeedState.BLENDING, SeedState.SHADOWING, SeedState.PROBATIONARY])
def test_a_seed_on_trial_in_the_forward_pass_is_culled_at_once(stage: SeedState) -> None:
    growth = settled(Growth(fixed_steps=1000).reach(stage) if stage is SeedState.BLENDING else Growth().reach(stage))
    growth.epoch(val_loss=math.nan)
    assert growth.seed.state is SeedState.EMBARGOED
    growth.epoch(val_loss=math.nan)  # what it goes back to from now on is without the seed
    assert growth.seed.state is SeedState.EMBARGOED
    growth.epoch()


@pytest.mark.parametrize("stage", [SeedState.TRAINING, SeedState.FOSSILIZED])
def test_a_seed_that_cannot_be_the_reason_or_is_proven_stays(stage: SeedState) -> None:
    growth = settled(Growth().reach(stage))
    healthy = state(growth)
    growth.epoch(val_loss=math.nan)
    assert growth.seed.state is stage
    assert equal(state(growth), healthy)


def test_a_seed_that_germinated_since_is_gone_and_its_next_one_is_another() -> None:
    growth = settled(Growth())
    growth.step()
    growth.grower.apply(Germinate(*growth.place, "mlp"))
    first = growth.seed.module[1].weight.clone()
    told = growth.grower.after_epoch(val_loss=math.nan)
    assert growth.seed.state is SeedState.DORMANT
    (end,) = [event for event in told if event.type == "seed_culled"]
    assert (end.layer, end.seed, end.blueprint_id) == (*growth.place, "mlp")
    assert end.reason == "the governor went back: the validation loss is nan"
    growth.grower.apply(Germinate(*growth.place, "mlp"))
    assert not torch.equal(growth.seed.module[1].weight, first)


@pytest.mark.parametrize("steps", [1, 6], ids=["fading", "gone"])
@pytest.mark.parametrize("stage", [SeedState.TRAINING, SeedState.SHADOWING, SeedState.FOSSILIZED])
def test_a_seed_that_was_culled_since_does_not_live_on(stage: SeedState, steps: int) -> None:
    growth = settled(Growth().reach(stage))
    growth.step()
    growth.cull()
    for _ in range(steps):
        growth.step()
    events = growth.grower.after_epoch(val_loss=math.nan)
    (back,) = [event for event in events if event.type == "governor_rolled_back"]
    assert back.seeds[0].state == stage
    assert growth.seed.state is SeedState.EMBARGOED


def test_training_goes_on_after_a_rollback() -> None:
    growth = settled(Growth().reach(SeedState.SHADOWING))
    growth.epoch(val_loss=math.nan)
    before = growth.evaluate().loss
    for _ in range(5):
        growth.epoch()
    assert growth.evaluate().loss < before


def test_the_learning_rate_of_a_scheduler_is_not_rolled_back() -> None:
    growth = Growth()
    scheduler = torch.optim.lr_scheduler.ExponentialLR(growth.optimizer, 0.5)
    settled(growth)
    scheduler.step()
    growth.epoch(val_loss=math.nan)
    assert growth.optimizer.param_groups[0]["lr"] == 0.5e-2


def test_a_run_that_comes_apart_again_and_again_ends_where_it_was_last_healthy() -> None:
    growth = settled(Growth(governor=GovernorConfig(max_rollbacks=2)))
    healthy = state(growth)
    assert [rollbacks(growth.epoch(val_loss=math.nan)) for _ in range(2)] == [[(5, 4)], [(6, 4)]]
    with pytest.raises(DivergedError, match=r"after 2 rollbacks in a row \(the validation loss is nan\)"):
        growth.epoch(val_loss=math.nan)
    assert equal(state(growth), healthy)
    assert [event.to_epoch for event in growth.grower.apply(kaslite.Wait()) if event.type == "governor_rolled_back"] == [4]
    epoch = growth.grower.epoch
    growth.epoch(val_loss=1.0)  # whoever catches it may go on
    assert growth.grower.epoch == epoch + 1


def test_a_healthy_epoch_between_them_starts_the_count_anew() -> None:
    growth = settled(Growth(governor=GovernorConfig(max_rollbacks=1)))
    for _ in range(3):
        assert rollbacks(growth.epoch(val_loss=math.nan))
        growth.epoch(val_loss=1.0)


def test_a_first_epoch_that_fails_goes_back_to_the_beginning() -> None:
    growth = Growth()
    beginning = state(growth)
    assert rollbacks(growth.epoch(val_loss=math.nan)) == [(1, 0)]
    after = state(growth)
    assert all(torch.equal(after[name], tensor) for name, tensor in beginning.items() if name.startswith("model/"))


def test_weights_that_are_not_finite_are_undone_at_once_though_no_loss_tells() -> None:
    growth = settled(Growth(measured=False))
    healthy = state(growth)
    growth.step()
    with torch.no_grad():
        growth.model.host.stem.weight[0, 0] = math.nan
    assert rollbacks(growth.grower.after_epoch(val_loss=1.0)) == [(5, 4)]
    assert growth.grower.is_healthy
    assert equal(state(growth), healthy)


def test_a_mask_of_infinities_is_no_sickness() -> None:
    growth = Growth(measured=False)
    model = growth.model
    model.host.register_buffer("mask", torch.full((2, 2), -math.inf).triu(1))
    grower = kaslite.Grower(model, growth.optimizer, controller=growth.controller, blueprints=["mlp"])
    growth.grower = grower
    settled(growth)
    assert grower.is_healthy
    assert rollbacks(growth.epoch(val_loss=math.nan)) == [(5, 4)]


def test_buffers_that_no_state_dict_holds_go_back_too() -> None:
    growth = Growth()
    growth.model.host.register_buffer("counter", torch.zeros(()), persistent=False)
    settled(growth)
    growth.step()
    growth.model.host.counter += 5
    growth.grower.after_epoch(val_loss=math.nan)
    assert growth.model.host.counter == 0


def test_without_a_governor_nothing_is_undone_and_nothing_is_kept() -> None:
    growth = settled(Growth(governor=None))
    assert rollbacks(growth.epoch(val_loss=math.nan)) == []


def test_a_feature_that_collapses_is_undone_in_the_third_epoch() -> None:
    growth = Growth()
    for _ in range(4):
        growth.epoch()
    told = []
    for _ in range(3):
        growth.step()
        with torch.no_grad():
            growth.model.host.stem.weight.zero_()  # from here on no feature tells samples apart
        told += [event for event in growth.grower.after_epoch(val_loss=0.5) if event.type == "governor_rolled_back"]
    assert [event.to_epoch for event in told] == [4]
    assert "the feature of blocks.0 has collapsed" in told[0].reason


@pytest.mark.parametrize("stepped", [False, True])
def test_a_decision_between_two_epochs_is_not_undone(*, stepped: bool) -> None:
    growth = settled(Growth())
    growth.grower.apply(Germinate(*growth.place, "mlp"))
    born = growth.seed.module[1].weight.clone()
    if stepped:
        for _ in range(4):
            growth.step()
    growth.grower.after_epoch(val_loss=math.nan)
    assert growth.seed.state is SeedState.GERMINATED
    assert torch.equal(growth.seed.module[1].weight, born)


def test_a_decision_waits_for_no_copy_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    growth = settled(Growth())
    copied = []
    monkeypatch.setattr("kaslite.training.snapshot.snapshot_of", copied.append)
    growth.grower.apply(Germinate(*growth.place, "mlp"))
    assert copied == []
