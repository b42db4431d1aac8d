import math

import numpy as np
import pytest

from kaslite.controllers import Germinate, Plateau, Stop, Wait
from kaslite.errors import UsageError
from kaslite.lifecycle import GROWING, SeedState
from kaslite.signals.plateau import is_plateau
from tests.observations import UNSURE, observe, place, seed


def decide_for(controller, epochs, *seeds, **facts):
    return [controller.decide(observe(*(seeds or [seed()]), **facts)) for _ in range(epochs)]


def types(decisions):
    return [type(decision) for decision in decisions]


@pytest.mark.parametrize("patience", [2, 0, -1])
def test_a_patience_too_short_for_a_slope_is_refused(patience):
    with pytest.raises(UsageError, match=f"patience is {patience}; a slope needs at least 3 epochs"):
        Plateau(patience)


@pytest.mark.parametrize("patience", [3, 15])
def test_a_flat_loss_germinates_a_seed_after_the_patience(patience):
    assert types(decide_for(Plateau(patience), patience)) == [Wait] * (patience - 1) + [Germinate]


def test_a_falling_loss_is_left_alone():
    controller = Plateau(patience=3)
    decisions = [controller.decide(observe(seed(), val_loss=10 - 0.1 * epoch)) for epoch in range(50)]
    assert types(decisions) == [Wait] * 50


def test_a_loss_that_stops_falling_germinates_a_seed():
    controller = Plateau(patience=5)
    losses = [2.0, 1.8, 1.6, 1.4, 1.2, 1.0, *[0.9] * 10]
    decisions = types(controller.decide(observe(seed(), val_loss=loss)) for loss in losses)
    assert 6 < decisions.index(Germinate) < 12


def test_only_the_losses_of_the_last_epochs_count():
    losses = 5 - 0.1 * np.arange(100) + np.random.default_rng(0).normal(0, 1, 100)
    controller = Plateau(patience=15)
    reasons = [controller.decide(observe(seed(SeedState.FOSSILIZED), val_loss=loss)).reason for loss in losses]
    plateaus = [is_plateau(losses[end - 15 : end]) for end in range(15, 101)]
    assert [reason.startswith("a plateau") for reason in reasons[14:]] == plateaus
    assert 0 < sum(plateaus) < len(plateaus)


def test_a_fall_smaller_than_delta_is_a_plateau():
    controller = Plateau(patience=3, delta=0.2)
    decisions = [controller.decide(observe(seed(), val_loss=10 - 0.1 * epoch)) for epoch in range(3)]
    assert types(decisions) == [Wait, Wait, Germinate]


def test_the_layer_of_lowest_health_grows_first():
    seeds = [seed(layer="a"), seed(layer="b"), seed(layer="c")]
    *_, decision = decide_for(Plateau(3), 3, *seeds, health={"a": 0.5, "b": 0.1, "c": 0.9})
    assert place(decision) == ("b", 0)


def test_a_layer_of_unmeasured_health_grows_last():
    seeds = [seed(layer="a"), seed(layer="b")]
    *_, decision = decide_for(Plateau(3), 3, *seeds, health={"a": None, "b": 1e9})
    assert place(decision) == ("b", 0)


def test_where_no_health_is_measured_a_seed_still_grows():
    *_, decision = decide_for(Plateau(3), 3, seed(), health={"a": None})
    assert place(decision) == ("a", 0)


def test_only_a_dormant_seed_is_chosen():
    taken = [seed(state, index=index) for index, state in enumerate([SeedState.FOSSILIZED, SeedState.EMBARGOED])]
    *_, decision = decide_for(Plateau(3), 3, *taken, seed(index=2))
    assert place(decision) == ("a", 2)


def test_where_no_seed_is_free_nothing_grows():
    assert types(decide_for(Plateau(3), 10, seed(SeedState.FOSSILIZED))) == [Wait] * 10


def test_a_layer_on_which_nothing_can_grow_is_passed_over():
    seeds = [seed(layer="a"), seed(layer="b")]
    *_, decision = decide_for(Plateau(3), 3, *seeds, health={"a": 0.0, "b": 1.0}, blueprints={"a": (), "b": ("mlp",)})
    assert place(decision) == ("b", 0)


@pytest.mark.parametrize(("accuracy", "last"), [(0.94, Germinate), (0.95, Wait), (1.0, Wait), (None, Germinate)])
def test_nothing_grows_once_the_accuracy_is_reached(accuracy, last):
    assert types(decide_for(Plateau(3, acc_threshold=0.95), 3, val_accuracy=accuracy))[-1] is last


@pytest.mark.parametrize("loss", [None, math.nan, math.inf])
def test_an_epoch_without_a_finite_loss_does_not_count(loss):
    controller = Plateau(3)
    decide_for(controller, 2)
    assert types(decide_for(controller, 5, val_loss=loss)) == [Wait] * 5
    assert types(decide_for(controller, 1)) == [Germinate]


def test_the_blueprints_take_turns():
    decisions = decide_for(Plateau(3), 12, blueprints=("mlp", "low_rank", "own"))
    grown = [decision.blueprint for decision in decisions if isinstance(decision, Germinate)]
    assert grown == ["mlp", "low_rank", "own", "mlp"]


@pytest.mark.parametrize("state", sorted(GROWING))
def test_nothing_germinates_while_a_seed_grows(state):
    growing = seed(state, layer="b", epochs_in_state=0, removal_cost=UNSURE)
    assert Germinate not in types(decide_for(Plateau(3), 40, seed(layer="a"), growing))


def test_after_a_seed_is_settled_the_patience_starts_again():
    controller = Plateau(3)
    decide_for(controller, 2)
    decide_for(controller, 1, seed(SeedState.BLENDING))
    assert types(decide_for(controller, 3)) == [Wait, Wait, Germinate]


@pytest.mark.parametrize(
    ("state", "blueprints", "reason"),
    [(SeedState.FOSSILIZED, ("mlp",), "no seed is free"), (SeedState.DORMANT, (), "no blueprint fits where one is free")],
)
def test_why_a_plateau_grows_nothing_is_said(state, blueprints, reason):
    controller = Plateau(patience=3)
    decisions = [controller.decide(observe(seed(state), blueprints=blueprints)) for _ in range(3)]
    assert decisions[-1] == Wait(f"a plateau, and {reason}")


def test_a_health_that_is_not_a_number_comes_last():
    controller = Plateau(patience=3)
    seeds = (seed(layer="a"), seed(layer="b"))
    decisions = [controller.decide(observe(*seeds, health={"a": float("nan"), "b": 2.0})) for _ in range(3)]
    assert decisions[-1].layer == "b"


SOLVED = {"val_accuracy": 0.96}


def test_training_stops_when_it_is_solved_and_the_loss_has_not_fallen_over_the_patience():
    decisions = decide_for(Plateau(4, stop_when_solved=True), 4, seed(), **SOLVED)
    assert types(decisions) == [Wait] * 3 + [Stop]
    assert decisions[-1].reason == "accuracy 0.9600 has reached 0.95, nothing grows, and the loss did not fall in 4 epochs"


def test_without_being_told_to_it_never_stops():
    assert types(decide_for(Plateau(4), 40, seed(), **SOLVED)) == [Wait] * 40


def test_while_the_loss_falls_a_solved_training_goes_on():
    controller = Plateau(4, stop_when_solved=True)
    decisions = [controller.decide(observe(seed(), val_loss=10 - 0.1 * epoch, **SOLVED)) for epoch in range(50)]
    assert types(decisions) == [Wait] * 50
    assert decisions[-1].reason.endswith("and the loss is falling")


@pytest.mark.parametrize("state", sorted(SeedState), ids=str)
def test_training_stops_only_while_no_seed_is_on_its_way_in_or_out(state):
    decisions = types(decide_for(Plateau(4, stop_when_solved=True, trial_epochs=99), 8, seed(state), **SOLVED))
    assert (Stop in decisions) == (state not in {*GROWING, SeedState.CULLED})


def test_what_is_measured_before_a_seed_is_settled_is_no_reason_to_stop():
    controller = Plateau(4, stop_when_solved=True)
    decide_for(controller, 3, seed(), **SOLVED)
    decide_for(controller, 1, seed(SeedState.BLENDING), **SOLVED)
    assert types(decide_for(controller, 4, seed(SeedState.FOSSILIZED), **SOLVED)) == [Wait] * 3 + [Stop]


def test_one_that_goes_on_from_another_ones_state_stops_when_that_one_would_have():
    first, second = (Plateau(4, stop_when_solved=True) for _ in range(2))
    decide_for(first, 3, seed(), **SOLVED)
    second.load_state_dict(first.state_dict())
    assert types(decide_for(second, 1, seed(), **SOLVED)) == [Stop]


@pytest.mark.parametrize("accuracy", [None, 0.94])
def test_what_is_no_classification_or_not_solved_is_not_stopped(accuracy):
    assert Stop not in types(decide_for(Plateau(4, stop_when_solved=True), 40, seed(), val_accuracy=accuracy))


def test_the_counter_is_the_epochs_seen_while_the_loss_does_not_fall_and_a_plateau_ends_it():
    controller, counted = Plateau(patience=5), []
    for loss in [1.0, 1.01, 0.99, 1.0, 1.01]:
        controller.decide(observe(seed(), val_loss=loss))
        counted.append(controller.plateau_counter)
    assert counted == [0, 0, 3, 4, 0]  # a slope needs three; the fifth germinates


def test_the_counter_is_zero_while_the_loss_falls_and_while_a_seed_grows():
    controller = Plateau(patience=5)
    for number in range(4):
        controller.decide(observe(seed(), val_loss=2 - 0.3 * number))
    assert controller.plateau_counter == 0
    controller = Plateau(patience=5)
    decide_for(controller, 4)
    assert controller.plateau_counter == 4
    controller.decide(observe(seed(SeedState.TRAINING)))
    assert controller.plateau_counter == 0


def test_the_counter_stays_at_the_patience_where_nothing_can_grow():
    controller = Plateau(patience=5)
    decide_for(controller, 9, seed(SeedState.FOSSILIZED))
    assert controller.plateau_counter == 5
