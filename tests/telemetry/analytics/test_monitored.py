from dataclasses import replace
from functools import reduce

import pytest

from kaslite.events import DecisionMade, GovernorRolledBack, RunResumed, SeedReading, SeedRestored
from kaslite.telemetry.analytics import Monitored, fold_monitored
from kaslite.telemetry.analytics.monitored import BOUNDS_S, PhaseEpochs
from tests.course import course, epoch, moved, started

PLACE = ("blocks.1", 0)


def seen_of(*events):
    return reduce(fold_monitored, events, Monitored())


def reading(state="blending", drift=0.125):
    unmeasured = dict.fromkeys(("health", "training_progress", "removal_cost"))
    at = {"layer": "blocks.1", "seed": 0, "blueprint_id": "mlp"}
    return SeedReading(**at, state=state, alpha=0.5, ramp=0.5, drift=drift, **unmeasured)


def decided(refusal=None, **counts):
    return DecisionMade(epoch=3, decision="germinate", reason="it is time", refusal=refusal, **counts)


def rolled_back(state):
    restored = SeedRestored(layer="blocks.1", seed=0, state=state, blueprint_id="mlp", alpha=0.25)
    return GovernorRolledBack(epoch=3, reason="it came apart", to_epoch=2, seeds=(restored,))


def test_of_a_run_that_has_not_begun_there_is_nothing():
    assert seen_of() == Monitored()
    assert Monitored().states == {}


def test_epochs_and_transitions_are_counted_by_phase():
    seen = seen_of(*course())
    assert {phase: epochs.count for phase, epochs in seen.epochs.items()} == {"phase_1": 2, "phase_2": 2}
    assert seen.transitions == {"phase_1": 1, "phase_2": 1}
    assert (seen.phase, seen.last_epoch_s) == ("phase_2", 1004.0)


def test_the_phase_is_that_of_the_last_epoch_as_its_numbers_are():
    assert seen_of(*course()[:5]).phase == "phase_1"


@pytest.mark.parametrize(("took_s", "bucket"), [(0.0, 0), (0.005, 0), (0.0051, 1), (1800.0, 14), (7200.0, 15)])
def test_a_duration_is_counted_up_to_the_bound_that_it_does_not_exceed(took_s, bucket):
    epochs = PhaseEpochs().and_one_of(took_s)
    assert len(epochs.by_duration) == len(BOUNDS_S) + 1
    assert [number for number, count in enumerate(epochs.by_duration) if count] == [bucket]
    assert (epochs.count, epochs.took_s) == (1, took_s)


def test_every_place_has_a_state_from_the_beginning():
    assert seen_of(started()).states == {("blocks.0", 0): "dormant", PLACE: "dormant"}
    assert seen_of(started(), moved(2, "dormant", "germinated")).states[PLACE] == "germinated"


def test_a_live_seed_keeps_what_was_measured_of_it_until_the_next_epoch():
    events = [started(), epoch(3, seeds=(reading(),)), moved(3, "blending", "shadowing")]
    assert seen_of(*events).readings == {PLACE: reading()}
    assert seen_of(*events, epoch(4)).readings == {}


@pytest.mark.parametrize("state", ["culled", "embargoed", "resetting", "dormant"])
def test_of_a_seed_that_is_no_longer_live_nothing_is_left_but_its_state(state):
    seen = seen_of(started(), epoch(3, seeds=(reading(),)), moved(3, "blending", state))
    assert seen.readings == {}
    assert seen.states[PLACE] == state


def test_after_a_rollback_nothing_is_known_of_a_seed_but_state_and_alpha():
    seen = seen_of(started(), epoch(3, seeds=(reading(),)), rolled_back("training"))
    assert (seen.rollbacks, seen.states[PLACE], seen.readings[PLACE].alpha) == (1, "training", 0.25)
    assert not hasattr(seen.readings[PLACE], "drift")
    assert seen_of(started(), epoch(3, seeds=(reading(),)), rolled_back("dormant")).readings == {}


def test_decisions_are_counted_by_what_became_of_them():
    seen = seen_of(decided(), decided(), decided(refusal="too early"))
    assert seen.decisions == {("germinate", False): 2, ("germinate", True): 1}


def test_the_plateau_is_what_a_controller_that_counts_said_last():
    seen = seen_of(decided(plateau_counter=3, patience=15), decided(plateau_counter=0, patience=15), decided())
    assert (seen.plateau_counter, seen.patience) == (0, 15)
    assert seen_of(decided()).plateau_counter is None


def test_a_run_that_goes_on_counts_on():
    events = course()
    resumed = [*events[:9], RunResumed(epoch=3, last_sequence=9), *events[9:]]
    whole, again = seen_of(*events), seen_of(*resumed)
    assert replace(again, totals=whole.totals) == whole
    assert seen_of(*resumed[:10]).totals.status == "running"
