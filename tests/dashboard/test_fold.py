from dataclasses import replace
from functools import reduce

import pytest

from kaslite.dashboard.fold import LOG_LINES, RunView, SeedView, fold
from kaslite.events import (
    BlendStrategyChosen,
    DecisionMade,
    EpochCompleted,
    GovernorRolledBack,
    PhaseStarted,
    RunFinished,
    RunResumed,
    RunStarted,
    SeedCulled,
    SeedFossilized,
    SeedGerminated,
    SeedReading,
    SeedRestored,
    SeedStateChanged,
)
from kaslite.telemetry.analytics import BlendingStats, fold_blending
from tests.blends import chosen, completed

AT = {"layer": "blocks.0", "seed": 0, "blueprint_id": "mlp"}
START = RunStarted(
    epoch=0,
    run_name="r",
    config={},
    seeds=(("blocks.0", 0), ("blocks.1", 0)),
    host_params=10,
    num_threads=1,
    versions={},
)


def epoch(number, *seeds, at=0.0):
    return EpochCompleted(
        epoch=number,
        timestamp=at,
        phase="phase_1",
        train_loss=0.3,
        val_loss=0.2,
        val_accuracy=0.8,
        best_accuracy=0.9,
        learning_rate=0.1,
        epoch_duration_s=1.0,
        seeds=seeds,
    )


def reading(alpha, state="shadowing"):
    return SeedReading(
        **AT, state=state, alpha=alpha, ramp=alpha, drift=0.01, health=1.0, training_progress=0.5, removal_cost=0.1
    )


def view_of(*events):
    return reduce(fold, events, RunView())


def test_every_seed_of_the_run_is_there_from_the_start_and_dormant():
    view = view_of(START)
    assert view.seeds == {("blocks.0", 0): SeedView(), ("blocks.1", 0): SeedView()}
    assert view.seeds_active == 0


def test_a_phase_counts_its_own_epochs_and_its_time():
    view = view_of(
        START,
        PhaseStarted(epoch=0, timestamp=10.0, phase="phase_1", epochs=2),
        epoch(1, at=11.0),
        epoch(2, at=13.0),
        PhaseStarted(epoch=2, timestamp=13.0, phase="phase_2", epochs=5),
        epoch(3, at=14.0),
    )
    first, second = view.phases
    assert (first.done, first.epochs, first.last_s - first.started_s) == (2, 2, 3.0)
    assert (second.done, second.epochs) == (1, 5)
    assert view.totals.epochs == 3


def test_a_seed_counts_as_active_when_it_is_fully_in():
    phase = PhaseStarted(epoch=0, phase="phase_1", epochs=2)
    assert view_of(START, phase, epoch(1, reading(0.99))).seeds_active == 0
    assert view_of(START, phase, epoch(1, reading(1.0))).seeds_active == 1


def test_a_germination_is_a_banner():
    view = view_of(START, SeedGerminated(epoch=1, **AT, params=5))
    assert view.banner == "blocks.0:0 germinated: mlp, 5 parameters"
    assert view.seeds["blocks.0", 0].blueprint_id == "mlp"


PHASE = PhaseStarted(epoch=20, phase="phase_2", epochs=100)


@pytest.mark.parametrize(
    ("event", "banner"),
    [
        (PHASE, "phase_2: Adaptation, 100 epochs"),
        (SeedStateChanged(epoch=2, **AT, from_state="blending", to_state="shadowing", reason="x"), "blocks.0:0 is active: mlp"),
        (
            SeedFossilized(epoch=2, **AT, improvement=None, params_added=5, removal_cost=None),
            "blocks.0:0 fossilized: 5 parameters stay",
        ),
        (DecisionMade(epoch=40, decision="stop", reason="it is solved"), "training stops: it is solved"),
    ],
    ids=lambda value: getattr(value, "type", ""),
)
def test_so_is_a_new_phase_an_active_seed_a_fossilized_one_and_the_end_of_the_training(event, banner):
    assert view_of(START, event).banner == banner


@pytest.mark.parametrize(
    "event",
    [
        DecisionMade(epoch=40, decision="wait", reason="x"),
        SeedStateChanged(epoch=2, **AT, from_state="training", to_state="blending", reason="x"),
        epoch(21),
    ],
    ids=lambda event: event.type,
)
def test_a_banner_stays_until_the_next(event):
    assert view_of(START, PHASE, event).banner == "phase_2: Adaptation, 100 epochs"


@pytest.mark.parametrize("state", ["embargoed", "resetting", "dormant"])
def test_a_seed_that_has_left_shows_nothing_of_its_past(state):
    gone = SeedStateChanged(epoch=2, **AT, from_state="culled", to_state=state, reason="x")
    view = view_of(START, PhaseStarted(epoch=0, phase="phase_1", epochs=2), epoch(1, reading(1.0)), gone)
    assert view.seeds["blocks.0", 0] == SeedView(state=state)


def test_the_log_keeps_the_newest_lines():
    culls = [SeedCulled(epoch=1, **AT, reason=str(number), improvement=None) for number in range(LOG_LINES + 3)]
    log = view_of(START, *culls).log
    assert len(log) == LOG_LINES
    assert log[-1].endswith(f"culled: {LOG_LINES + 2}")


def test_the_controllers_last_thought_is_kept_even_if_it_waits():
    assert view_of(START, DecisionMade(epoch=1, decision="wait", reason="falling")).thought == "falling"


def test_the_end_of_the_run_is_seen():
    view = view_of(START, RunFinished(epoch=9, status="completed", metrics={"test_accuracy": 0.5}))
    assert (view.totals.status, view.totals.metrics) == ("completed", {"test_accuracy": 0.5})


def test_epochs_of_a_log_without_phases_are_counted_too():
    view = view_of(START, epoch(1), epoch(2))
    assert (view.totals.epochs, view.phases) == (2, ())


def test_all_that_was_measured_of_a_seed_is_shown():
    measured = replace(reading(0.5), scale_drift=-0.1, grad_norm=2.0, grad_ratio=0.3, twin_gain=0.01)
    seed = view_of(START, epoch(1, measured)).seeds["blocks.0", 0]
    assert (seed.scale_drift, seed.grad_norm, seed.grad_ratio, seed.twin_gain) == (-0.1, 2.0, 0.3, 0.01)


def test_how_a_seed_blends_is_shown_from_the_choice_on_and_as_long_as_the_seed_lives():
    at = {"epoch": 1, **AT}
    choice = BlendStrategyChosen(**at, seed_id=("blocks.0", 0), strategy_name="GRAD_NORM_GATED", telemetry={})
    view = view_of(START, choice)
    assert view.seeds["blocks.0", 0].blend_strategy == "GRAD_NORM_GATED"
    view = fold(view, epoch(1, replace(reading(0.5), blend_strategy="GRAD_NORM_GATED")))
    assert view.seeds["blocks.0", 0].blend_strategy == "GRAD_NORM_GATED"
    view = fold(view, SeedStateChanged(**at, from_state="culled", to_state="embargoed", reason="x"))
    assert view.seeds["blocks.0", 0].blend_strategy is None


def test_the_view_carries_what_the_blends_add_up_to():
    events = [chosen(), completed(), chosen(1)]
    assert view_of(START, *events).blending == reduce(fold_blending, events, BlendingStats())


def test_a_rollback_shows_every_seed_as_it_is_after_it():
    back = GovernorRolledBack(
        epoch=2,
        reason="the loss is not finite",
        to_epoch=1,
        seeds=(
            SeedRestored(**AT, state="blending", alpha=0.5),
            SeedRestored(layer="blocks.1", seed=0, state="dormant", blueprint_id=None, alpha=0.0),
        ),
    )
    grown = SeedGerminated(epoch=2, layer="blocks.1", seed=0, blueprint_id="low_rank", params=5)
    view = view_of(START, epoch(1), epoch(2, reading(1.0)), grown, back)
    assert view.seeds == {("blocks.0", 0): SeedView("blending", "mlp", 0.5), ("blocks.1", 0): SeedView()}
    assert view.log[-1] == "rolled back to epoch 1: the loss is not finite"


def test_a_resumed_run_is_running_again():
    over = RunFinished(epoch=1, status="interrupted", metrics=None)
    view = view_of(START, epoch(1), over, RunResumed(epoch=1, last_sequence=2))
    assert view.totals.status == "running"
    assert view.log[-1] == "resumed after epoch 1"


def test_the_time_in_which_a_run_was_cut_off_is_no_part_of_its_phase():
    view = view_of(
        START,
        PhaseStarted(epoch=0, timestamp=10.0, phase="phase_1", epochs=5),
        epoch(1, at=12.0),
        RunResumed(epoch=1, timestamp=900.0, last_sequence=3),
        epoch(2, at=901.0),
    )
    (phase,) = view.phases
    assert (phase.done, phase.last_s - phase.started_s) == (2, 3.0)
