"""Blends of a real seed in a user's loop: how a strategy is chosen, what it is fed, how its blend ends."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import pytest
import torch
from torch import nn

import kaslite
from kaslite import Cull, SeedState
from kaslite.blending import STRATEGIES, BlendingConfig, BlendingStrategy
from kaslite.errors import UsageError
from kaslite.seeds import Seed
from tests.growing import Growth

MANY = 200  # steps of a blend that is not to be complete
SAMPLED = {"FIXED_RAMP": set(), "PERFORMANCE_LINKED": set(), "DRIFT_CONTROLLED": {"drift"}, "GRAD_NORM_GATED": {"grad_norm"}}


def blending(strategy: str = "FIXED_RAMP", *, heard: list | None = None, config: dict | None = None, **options) -> Growth:
    """Return a growth whose seed has been trained for a while and begins to blend; its events go to ``heard``."""
    settings = {"strategy": strategy, "fixed_steps": MANY, "tick": "step"} | (config or {})
    emit = {} if heard is None else {"emit": heard.append}
    growth = Growth(blending=BlendingConfig(**settings), **emit, **options)
    growth.reach(SeedState.TRAINING)
    growth.epoch()
    return growth.reach(SeedState.BLENDING)


def of_type(events: list, name: str) -> list:
    return [event for event in events if event.type == name]


def norm(parameters) -> float:
    return torch.cat([parameter.grad.flatten() for parameter in parameters]).norm().item()


class Watching(BlendingStrategy):
    """Notes what it is shown, and rises by the fixed ramp."""

    seen: ClassVar[list] = []

    def update(self, signals):
        self.seen.append(signals)
        return signals.ramp + 1 / self.cfg.fixed_steps


@pytest.fixture
def seen(monkeypatch) -> list:
    monkeypatch.setattr(Watching, "seen", [])
    monkeypatch.setitem(STRATEGIES, "WATCHING", Watching)
    return Watching.seen


def test_a_choice_is_made_once_a_blend_before_its_ramp_moves() -> None:
    heard: list = []
    alphas = []
    growth = Growth(emit=lambda event: (heard.append(event), alphas.append(growth.seed.weight)))
    growth.reach(SeedState.SHADOWING)
    growth.epoch()
    assert [alpha for event, alpha in zip(heard, alphas, strict=True) if event.type == "blend_strategy_chosen"] == [0.0]


def test_a_choice_tells_the_telemetry_of_the_seed() -> None:
    heard: list = []
    growth = blending("ADAPTIVE", heard=heard)
    (choice,) = of_type(heard, "blend_strategy_chosen")
    observation = growth.controller.seen[-1]
    assert choice.telemetry == {
        "health_signal": observation.health["blocks.0"],
        "drift": observation.seeds[0].drift,
        "baseline_loss": growth.seed.record.baseline_loss,
        "current_loss": observation.val_loss,
    }
    assert (choice.seed_id, choice.epoch) == (growth.place, growth.grower.epoch)
    assert observation.seeds[0].drift > 0  # of the candidate, which is not in the forward pass yet


@pytest.mark.parametrize("loss", [math.inf, math.nan])
def test_telemetry_that_is_no_number_counts_as_not_measured(loss: float) -> None:
    heard: list = []
    growth = Growth("in_place", strategy="ADAPTIVE", measured=False, emit=heard.append, governor=None).reach(SeedState.TRAINING)
    growth.epoch(val_loss=loss)
    growth.reach(SeedState.BLENDING)
    (choice,) = of_type(heard, "blend_strategy_chosen")
    assert choice.strategy_name == "FIXED_RAMP"
    assert set(choice.telemetry.values()) == {None}


def test_how_long_a_blend_took_counts_its_first_epoch_and_its_last() -> None:
    heard: list = []
    growth = Growth(tick="epoch", fixed_steps=30, steps_per_epoch=1, emit=heard.append).reach(SeedState.TRAINING)
    while growth.grower.epoch < 4:
        growth.epoch()
    growth.move_on()  # the first tick is that of epoch 5
    while growth.seed.state is SeedState.BLENDING:
        growth.epoch()
    (completed,) = of_type(heard, "blend_completed")
    assert (completed.epoch, completed.duration_epochs) == (34, 30)


def test_a_blend_within_one_epoch_took_one() -> None:
    heard: list = []
    Growth(fixed_steps=2, emit=heard.append).reach(SeedState.SHADOWING)
    assert [event.duration_epochs for event in of_type(heard, "blend_completed")] == [1]


@pytest.mark.parametrize("tick", ["step", "epoch"])
def test_a_complete_blend_tells_losses_and_drifts_of_before_and_now(tick: str) -> None:
    heard: list = []
    growth = blending(heard=heard, config={"fixed_steps": 4, "tick": tick})
    before = growth.controller.seen[-1]
    while growth.seed.state is SeedState.BLENDING:
        growth.epoch()
    (completed,) = of_type(heard, "blend_completed")
    assert (completed.strategy_name, completed.seed_id) == ("FIXED_RAMP", growth.place)
    assert (completed.initial_loss, completed.initial_drift) == (before.val_loss, before.seeds[0].drift)
    if tick == "epoch":  # nothing has changed since
        assert completed.final_loss == pytest.approx(growth.evaluate().loss)
    assert completed.final_loss < completed.initial_loss
    assert completed.final_drift > 0


def test_what_a_complete_blend_tells_is_measured_at_that_very_step() -> None:
    heard: list = []
    growth = blending(heard=heard, config={"fixed_steps": 3})
    losses = []
    while growth.seed.state is SeedState.BLENDING:
        growth.step()
        losses.append(growth.evaluate().loss)
    (completed,) = of_type(heard, "blend_completed")
    assert completed.final_loss == pytest.approx(losses[-1], abs=1e-7)
    assert completed.final_loss != growth.controller.seen[-1].val_loss


@pytest.mark.parametrize(("tick", "final"), [("step", None), ("epoch", 2.0)])
def test_without_evaluate_losses_are_the_callers_and_none_in_the_middle_of_an_epoch(tick: str, final) -> None:
    heard: list = []
    growth = Growth(measured=False, emit=heard.append, fixed_steps=1, tick=tick).reach(SeedState.TRAINING)
    growth.epoch(val_loss=3.0)
    growth.move_on()
    growth.epoch(val_loss=2.0)
    (completed,) = of_type(heard, "blend_completed")
    assert (completed.initial_loss, completed.final_loss) == (3.0, final)
    assert (completed.initial_drift, completed.final_drift) == (None, None)


def test_a_loss_that_the_caller_gives_is_not_the_held_out_one() -> None:
    growth = blending("PERFORMANCE_LINKED")
    growth.epoch(val_loss=1e-6)
    growth.step()
    assert growth.seed.ramp < 0.5


def test_the_completing_evaluation_draws_from_nobodys_stream_and_leaves_every_mode() -> None:
    growth = blending(config={"fixed_steps": 1})
    evaluate = growth.grower._observer._evaluate
    growth.grower._observer._evaluate = lambda: (torch.rand(3), evaluate())[1]
    growth.model.host.blocks[1].eval()
    modes = [module.training for module in growth.model.modules()]
    growth.update()
    stream = torch.get_rng_state()
    growth.grower.after_step()
    assert growth.seed.state is SeedState.SHADOWING
    assert torch.equal(torch.get_rng_state(), stream)
    assert [module.training for module in growth.model.modules()] == modes


class Noisy(nn.Sequential):
    """Drops numbers out in training, with draws from torch's own stream."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(6, 8), nn.Dropout(0.5), nn.Linear(8, 2))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_looking_at_a_blend_changes_no_weight(strategy: str) -> None:
    """Against a grower that only ever ticks the same ramp, and measures nothing."""
    weights = []
    for name, measured in ((strategy, True), ("FIXED_RAMP", False)):
        torch.manual_seed(0)
        blend = BlendingConfig(
            6, tick="step", strategy=name, high_drift_threshold=0.0, grad_norm_lower=1e3, grad_norm_upper=1e4
        )
        growth = Growth(Noisy(), "0", place=("0", 0), measured=measured, blending=blend, weigh=False).reach(SeedState.BLENDING)
        for step in range(10):
            growth.seed.set_ramp(min(1.0, step / 6))
            growth.step()
        weights.append([tensor.clone() for tensor in growth.model.parameters()])
    assert all(map(torch.equal, *weights))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_between_epochs_only_what_the_strategy_reads_is_measured(strategy: str) -> None:
    growth = blending(strategy)
    growth.step()
    growth.seed.set_ramp(0.5)
    growth.update()
    found = dict(zip(("drift", "grad_norm"), growth.seed.take_samples(), strict=True))
    assert {name for name, value in found.items() if value is not None} == SAMPLED[strategy]
    assert growth.seed.take_samples() == (None, None)


def test_signals_are_measured_at_every_tenth_step(seen: list) -> None:
    growth = blending("WATCHING")
    growth.seed.set_ramp(0.1)
    for _ in range(25):
        growth.step()
    windows, norms = [len(signals.drifts) for signals in seen], [signals.grad_norm for signals in seen]
    assert windows == [0] + [1] * 9 + [2] * 10 + [3] * 5
    assert [norms.index(value) for value in dict.fromkeys(norms)] == [0, 1, 10, 20]


def test_a_drift_of_a_step_is_that_of_the_feature_in_training() -> None:
    growth = blending("DRIFT_CONTROLLED")
    growth.step()
    growth.seed.set_ramp(0.5)
    growth.backward()
    host, seed = growth.model.host, growth.seed
    with torch.no_grad():
        feature = host.blocks[0].forward(host.stem(growth.inputs).relu())  # without the hook of the seed
        after = feature + 0.5 * seed.delta(feature)
        expected = 1 - torch.nn.functional.cosine_similarity(feature, after, dim=1).mean().item()
    assert seed.take_samples()[0].item() == pytest.approx(expected, abs=1e-5)
    assert expected > 1e-4


@pytest.mark.parametrize("tick", ["step", "epoch"])
@pytest.mark.parametrize("ramp", [0.1, 0.5])
def test_the_gradient_norm_is_that_at_alpha_one_however_far_the_seed_is_in(tick: str, ramp: float) -> None:
    growth = blending("GRAD_NORM_GATED", config={"tick": tick}, steps_per_epoch=1)
    if tick == "step":
        growth.step()
    growth.seed.set_ramp(ramp)
    growth.backward()
    expected = norm(growth.seed.parameters()) / ramp
    growth.optimizer.step()
    growth.grower.after_step()
    growth.grower.after_epoch()
    assert growth.seed.record.blend.grad_norm == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("tick", ["step", "epoch"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"progress_thresh": 0.0},
        {"shadow_objective": "reconstruct", "blueprint": "autoencoder", "blueprints": ["autoencoder"]},
    ],
    ids=["task", "untrained", "reconstruct"],
)
def test_the_first_tick_is_that_of_the_fixed_ramp_where_alpha_zero_shows_nothing(tick: str, options) -> None:
    shut = BlendingConfig(MANY, tick=tick, strategy="GRAD_NORM_GATED", grad_norm_lower=1e3, grad_norm_upper=1e4)
    growth = Growth(blending=shut, **options).reach(SeedState.BLENDING)
    for _ in range(3):
        growth.epoch()
    assert growth.seed.ramp == 1 / MANY
    assert growth.seed.record.blend.grad_norm > 0


def test_a_drift_that_is_older_than_samples_are_apart_is_none(monkeypatch) -> None:
    """As in a compiled model, in whose passes none are taken: it is measured at the end of each epoch alone."""
    monkeypatch.setattr(Seed, "samples", lambda *_: False)
    growth = blending("DRIFT_CONTROLLED", config={"fixed_steps": 100}, steps_per_epoch=40)
    ramps = []
    for _ in range(3):
        growth.epoch()
        ramps.append(growth.seed.ramp)
    assert ramps == pytest.approx([0.01, 0.21, 0.41])


@pytest.mark.parametrize("state", [SeedState.SHADOWING, SeedState.CULLED])
def test_after_its_blend_a_seed_is_not_measured_any_more(state: SeedState) -> None:
    growth = blending("DRIFT_CONTROLLED")
    growth.step()
    growth.seed.set_ramp(0.5)
    growth.cull() if state is SeedState.CULLED else growth.seed.move(state, epoch=1, reason="by hand")
    assert growth.seed.record.blend.is_sampled("drift")
    growth.update()
    assert growth.seed.take_samples() == (None, None)


def test_where_the_ramp_ticks_with_the_epochs_each_adds_one_drift(seen: list) -> None:
    growth = blending("WATCHING", config={"tick": "epoch", "fixed_steps": 30})
    drifts = []
    for _ in range(7):
        growth.epoch()
        drifts.append(growth.controller.seen[-1].seeds[0].drift)
    assert list(seen[-1].drifts) == drifts[-5:]
    assert [len(signals.drifts) for signals in seen] == [0, 1, 2, 3, 4, 5, 5]


def test_the_first_gradient_of_an_epoch_does_not_take_the_place_of_a_later_sample() -> None:
    growth = blending("GRAD_NORM_GATED", config={"grad_norm_lower": 0.0, "grad_norm_upper": 1e9}, steps_per_epoch=12)
    growth.epoch()  # sampled before ticks 2 and 11
    sampled = growth.seed.record.blend.grad_norm
    for _ in range(7):
        growth.step()
    assert growth.seed.record.blend.grad_norm == sampled
    growth.grower.after_epoch()
    assert growth.seed.record.blend.grad_norm == sampled


def test_the_choice_after_loading_is_that_without(tmp_path) -> None:
    growth, heard = Growth(), []
    growth.reach(SeedState.TRAINING).epoch()
    kaslite.save(tmp_path / "it.safetensors", growth.model, growth.optimizer, growth.grower)
    other = Growth(emit=heard.append)
    kaslite.load(tmp_path / "it.safetensors", other.model, other.optimizer, other.grower)
    other.move_on()
    (choice,) = of_type(heard, "blend_strategy_chosen")
    observation = growth.controller.seen[-1]
    assert choice.telemetry["health_signal"] == observation.health["blocks.0"]
    assert choice.telemetry["drift"] == observation.seeds[0].drift


def test_the_loss_is_the_held_out_one_of_the_last_epoch(seen: list) -> None:
    growth = blending("WATCHING")
    initial = growth.controller.seen[-1].val_loss
    growth.epoch()
    growth.step()
    assert {signals.initial_loss for signals in seen} == {initial}
    assert [signals.current_loss for signals in seen] == [initial] * 4 + [growth.controller.seen[-1].val_loss]


def hopeless(heard: list, **config) -> Growth:
    """Return a blend whose gate never opens."""
    return blending("GRAD_NORM_GATED", heard=heard, config={"grad_norm_lower": 1e8, "grad_norm_upper": 1e9} | config)


def test_a_blend_that_takes_three_times_as_long_as_planned_is_culled_with_the_reason() -> None:
    heard: list = []
    growth = hopeless(heard, fixed_steps=5)
    for _ in range(14):
        growth.step()
    assert growth.seed.state is SeedState.BLENDING
    growth.step()
    assert growth.seed.state is SeedState.CULLED
    (culled,) = of_type(heard, "seed_culled")
    assert culled.reason.startswith(
        "its blend by GRAD_NORM_GATED stood at 0.20 after 15 ticks, 3 times the 5 planned; grad_norm "
    )
    assert not of_type(heard, "blend_completed")


@pytest.mark.parametrize("tick", ["step", "epoch"])
def test_or_at_the_end_of_as_many_epochs_as_were_said(tick: str) -> None:
    heard: list = []
    growth = hopeless(heard, max_blend_epochs=2, tick=tick)
    begun = growth.grower.epoch
    growth.epoch()
    assert growth.seed.state is SeedState.BLENDING
    growth.epoch()
    (culled,) = of_type(heard, "seed_culled")
    assert (culled.epoch, growth.seed.state) == (begun + 2, SeedState.CULLED)
    assert "after 2 epochs (max_blend_epochs)" in culled.reason


def test_a_blend_that_is_complete_at_its_last_tick_is_complete() -> None:
    heard: list = []
    growth = blending(heard=heard, config={"fixed_steps": 3, "tick": "epoch", "max_blend_epochs": 3})
    while growth.seed.state is SeedState.BLENDING:
        growth.epoch()
    assert growth.seed.state is SeedState.SHADOWING
    assert not of_type(heard, "seed_culled")


@pytest.mark.parametrize("ramp", [-0.1, 0.2, 1.5, math.nan])
def test_a_strategy_that_returns_no_ramp_is_named(monkeypatch, ramp: float) -> None:
    wrong = type("Wrong", (BlendingStrategy,), {"update": lambda *_: ramp})
    monkeypatch.setitem(STRATEGIES, "WRONG", wrong)
    growth = blending("WRONG")
    growth.seed.set_ramp(0.5)
    growth.update()
    with pytest.raises(UsageError, match=rf"strategy WRONG \(Wrong\) returned {ramp} at ramp 0.5.*a ramp never falls"):
        growth.grower.after_step()


def test_a_seed_that_blends_again_begins_anew() -> None:
    heard: list = []
    growth = blending("DRIFT_CONTROLLED", heard=heard)
    growth.epoch()
    first = dataclasses.replace(growth.seed.record.blend)
    growth.grower.apply(Cull(*growth.place))
    while growth.seed.state is not SeedState.DORMANT:
        growth.epoch()
    growth.reach(SeedState.BLENDING)
    again = growth.seed.record.blend
    assert first.ticks == 4
    assert (again.ticks, again.drifts, again.start_epoch) == (0, [], None)
    assert len(of_type(heard, "blend_strategy_chosen")) == 2


def test_two_seeds_blend_each_by_its_own() -> None:
    growth = blending("DRIFT_CONTROLLED", seeds_per_layer=2)
    growth.epoch()
    one = growth.seed
    growth.place = (one.layer_name, 1)
    growth.reach(SeedState.BLENDING)
    growth.step()
    assert (one.record.blend.ticks, growth.seed.record.blend.ticks) == (one.record.blend.ticks, 1)
    assert one.ramp > growth.seed.ramp > 0
