from functools import reduce

from kaslite.events import GovernorRolledBack, SeedRestored
from kaslite.lifecycle import SeedState
from kaslite.telemetry.analytics import STATE_NUMBERS, SeedStanding, fold_seed_states
from tests.course import course, moved, started


def standings(events):
    return reduce(fold_seed_states, events, {})


def test_every_seed_is_dormant_when_a_run_begins():
    assert standings([started()]) == {"blocks.0:0": SeedStanding("dormant", 0.0), "blocks.1:0": SeedStanding("dormant", 0.0)}


def test_a_seed_stands_where_it_was_last_measured():
    assert standings(course())["blocks.1:0"] == SeedStanding("blending", 0.5)


def test_what_moved_is_unmeasured_until_it_is_measured_and_what_is_gone_has_alpha_0():
    events = [started(), moved(5, "blending", "culled")]
    assert standings(events)["blocks.1:0"] == SeedStanding("culled", None)
    assert standings([*events, moved(6, "culled", "embargoed")])["blocks.1:0"] == SeedStanding("embargoed", 0.0)


def test_a_rollback_says_where_all_stand():
    seed = SeedRestored(layer="blocks.1", seed=0, state="shadowing", blueprint_id="mlp", alpha=1.0)
    back = GovernorRolledBack(epoch=4, reason="inf", to_epoch=2, seeds=(seed,))
    assert standings([*course(), back])["blocks.1:0"] == SeedStanding("shadowing", 1.0)


def test_every_state_has_a_number_of_its_own():
    assert set(STATE_NUMBERS) == {state.value for state in SeedState}
    assert len(set(STATE_NUMBERS.values())) == len(SeedState)
