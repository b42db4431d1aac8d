import math

import pytest

from kaslite.controllers import Advance, Cull, Fossilize, Plateau, Wait
from kaslite.lifecycle import SeedState
from kaslite.signals.interval import Interval
from tests.observations import HARMFUL, MISSED, UNSURE, observe, place, seed

ON_TRIAL = [SeedState.SHADOWING, SeedState.PROBATIONARY]


def decide(seed, **facts):
    return Plateau().decide(observe(seed, **facts))


@pytest.mark.parametrize("state", [SeedState.GERMINATED, SeedState.BLENDING])
def test_a_seed_that_moves_on_by_itself_is_waited_for(state):
    assert type(decide(seed(state, epochs_in_state=1000))) is Wait


@pytest.mark.parametrize(
    ("epochs", "progress", "expected"),
    [(4, 0.5, Wait), (4, 0.0, Wait), (5, 0.1, Advance), (9, 0.5, Advance), (5, 0.0, Cull), (5, None, Cull)],
)
def test_after_its_epochs_in_the_shadow_a_seed_blends_if_it_points_downhill(epochs, progress, expected):
    decision = decide(seed(SeedState.TRAINING, layer="b", index=1, epochs_in_state=epochs, training_progress=progress))
    assert type(decision) is expected
    if expected is not Wait:
        assert place(decision) == ("b", 1)


def test_a_shadowing_seed_that_is_surely_missed_advances():
    decision = decide(seed(SeedState.SHADOWING, removal_cost=MISSED, held_epochs=9, baseline_loss=2.0))
    assert type(decision) is Advance


@pytest.mark.parametrize("state", ON_TRIAL)
def test_a_seed_that_does_harm_is_culled_at_once(state):
    assert type(decide(seed(state, removal_cost=HARMFUL, held_epochs=9, baseline_loss=2.0))) is Cull


@pytest.mark.parametrize("state", ON_TRIAL)
@pytest.mark.parametrize("cost", [UNSURE, Interval(-0.01, -0.03, 0.01), None])
@pytest.mark.parametrize(("epochs", "expected"), [(19, Wait), (20, Cull)])
def test_a_seed_that_stays_unproven_is_culled_when_its_trial_is_over(state, cost, epochs, expected):
    assert type(decide(seed(state, removal_cost=cost, epochs_in_state=epochs))) is expected


@pytest.mark.parametrize("val_loss", [0.9, 1.0])
def test_a_probationary_seed_whose_evidence_holds_is_fossilized(val_loss):
    proven = seed(SeedState.PROBATIONARY, removal_cost=MISSED, held_epochs=3, baseline_loss=1.0)
    assert type(decide(proven, val_loss=val_loss)) is Fossilize


@pytest.mark.parametrize(
    ("held", "val_loss", "baseline"),
    [(2, 0.9, 1.0), (3, 1.1, 1.0), (3, None, 1.0), (3, 0.9, None), (3, math.nan, 1.0), (3, 0.9, math.nan)],
)
def test_a_probationary_seed_waits_until_all_evidence_is_there(held, val_loss, baseline):
    probationary = seed(SeedState.PROBATIONARY, removal_cost=MISSED, held_epochs=held, baseline_loss=baseline)
    assert type(decide(probationary, val_loss=val_loss)) is Wait


@pytest.mark.parametrize("state", ON_TRIAL)
@pytest.mark.parametrize("cost", [None, UNSURE, HARMFUL])
@pytest.mark.parametrize("epochs", [1, 19, 20, 1000])
def test_improvement_since_germination_never_fossilizes(state, cost, epochs):
    improved = seed(state, removal_cost=cost, epochs_in_state=epochs, held_epochs=9, baseline_loss=100.0)
    assert type(decide(improved, val_loss=0.01)) in (Wait, Cull)


def test_a_decision_carries_its_evidence():
    assert "removing it costs +0.0100 to +0.0300" in decide(seed(SeedState.SHADOWING, removal_cost=MISSED)).reason


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"state": SeedState.TRAINING, "training_progress": 0.0}, "it does not point downhill"),
        ({"state": SeedState.TRAINING, "training_progress": None}, "is the model in train mode?"),
        (
            {"state": SeedState.PROBATIONARY, "removal_cost": MISSED, "held_epochs": 9, "baseline_loss": 0.5},
            "but the validation loss is above that at germination",
        ),
    ],
)
def test_a_cull_gives_the_true_reason(facts, reason):
    decision = decide(seed(epochs_in_state=20, **facts))
    assert type(decision) is Cull
    assert reason in decision.reason
