from __future__ import annotations

import pytest

from kaslite import SeedState, Span, UsageError, blueprints
from tests.growing import Growth


def observed(growth: Growth, **metrics: float):
    growth.epoch(**metrics)
    return growth.controller.seen[-1]


def test_what_the_caller_says_wins_over_evaluate() -> None:
    observation = observed(Growth(), val_loss=7.0, train_loss=8.0)
    assert (observation.val_loss, observation.train_loss) == (7.0, 8.0)
    assert observation.val_accuracy is not None


def test_what_nobody_says_is_measured() -> None:
    growth = Growth()
    observation = observed(growth)
    evaluation = growth.evaluate()
    assert observation.val_loss == pytest.approx(evaluation.loss)
    assert observation.val_accuracy == evaluation.accuracy
    assert observation.train_loss is None


def test_without_evaluate_what_nobody_says_is_unmeasured() -> None:
    observation = observed(Growth(measured=False), val_loss=1.0)
    assert observation.val_loss == 1.0
    assert observation.val_accuracy is None
    assert observation.health == {"blocks.0": None, "blocks.1": None}
    assert {(seed.drift, seed.scale_drift) for seed in observation.seeds} == {(None, None)}


def test_an_unknown_metric_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"unknown metric 'valloss'; .* train_loss, val_accuracy, val_loss"):
        Growth().epoch(valloss=1.0)


def test_health_is_measured_on_layers_without_live_seeds_too() -> None:
    growth = Growth()
    observation = observed(growth)
    feature = growth.model.host.stem(growth.validation[0]).relu()
    expected = growth.model.host.blocks[0](feature).var(dim=0, correction=0).mean().item()
    assert observation.health["blocks.0"] == pytest.approx(expected, rel=1e-4)
    assert observation.seeds[0].drift is None


def test_drift_is_measured_where_a_seed_turns_the_feature() -> None:
    grown, dormant = observed(Growth().reach(SeedState.SHADOWING)).seeds
    assert grown.drift > 1e-4
    assert abs(grown.scale_drift) > 1e-4
    assert (dormant.drift, dormant.scale_drift) == (None, None)


def test_every_seed_is_observed_with_its_state_and_weight() -> None:
    observation = observed(Growth(seeds_per_layer=2, fixed_steps=16).reach(SeedState.BLENDING))
    first, *others = observation.seeds
    assert (first.layer, first.seed, first.state, first.blueprint_id) == ("blocks.0", 0, SeedState.BLENDING, "mlp")
    assert first.ramp == first.alpha == pytest.approx(4 / 16)
    assert first.baseline_loss is not None
    assert [seed.state for seed in others] == [SeedState.DORMANT] * 3


def test_epochs_in_state_count_from_the_change() -> None:
    growth = Growth().reach(SeedState.TRAINING)
    assert [observed(growth).seeds[0].epochs_in_state for _ in range(3)] == [0, 1, 2]


def test_layers_are_told_what_can_grow_there_in_the_users_order() -> None:
    assert observed(Growth()).blueprints == {"blocks.0": ("mlp", "low_rank"), "blocks.1": ("mlp", "low_rank")}


def test_what_the_shadow_objective_cannot_train_is_not_offered() -> None:
    growth = Growth(shadow_objective="reconstruct", blueprints=["mlp", "autoencoder"])
    assert observed(growth).blueprints["blocks.0"] == ("autoencoder",)


def test_removal_cost_is_measured_only_where_the_seed_is_on_trial() -> None:
    growth = Growth().reach(SeedState.BLENDING)
    growth.grower.after_epoch()
    assert growth.controller.seen[-1].seeds[0].removal_cost is None
    growth.reach(SeedState.SHADOWING)
    assert observed(growth).seeds[0].removal_cost is not None


def test_where_seeds_are_not_weighed_nothing_is_evaluated_for_their_sake() -> None:
    growth = Growth(weigh=False).reach(SeedState.SHADOWING)
    evaluate, calls = growth.evaluate, []
    growth.grower._observer._evaluate = lambda: calls.append(None) or evaluate()
    seed = observed(growth).seeds[0]
    assert len(calls) == 1
    assert seed.evidence is seed.removal_cost is None


def test_held_epochs_start_anew_when_the_evidence_fails() -> None:
    growth = Growth().reach(SeedState.PROBATIONARY)
    growth.prepare()
    assert growth.seed.record.held_epochs >= 3
    for parameter in growth.seed.parameters():
        parameter.data.zero_()  # it does nothing any more
    growth.grower.after_epoch()
    assert growth.seed.record.held_epochs == 0


def test_what_would_be_refused_is_not_offered() -> None:
    growth = Growth(at=Span("head", reads="stem"), place=("head", 0))  # reads 8 features, writes 2
    choices = [blueprints.get(name) for name in ("norm", "mlp", "conv_enhance", "low_rank")]
    growth.grower.blueprints = tuple(choices)
    assert observed(growth).blueprints == {"head": ("mlp", "low_rank")}
