import json
import math
import random
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from functools import reduce

import pytest

from kaslite import Germinate, SeedState
from kaslite.events import PhaseStarted, RunFinished, RunResumed, SeedFossilized, from_line, to_line
from kaslite.telemetry import read_log
from kaslite.telemetry.analytics import BlendingStats, StrategyStats, fold_blending
from tests.blends import at, blending_run, chosen, completed, culled, rolled_back
from tests.growing import Growth


def stats_of(*events):
    return reduce(fold_blending, events, BlendingStats())


def fixed(*events):
    """Return what is known of the fixed ramp: (begun, completed, failed, open)."""
    stats = stats_of(*events).strategies["FIXED_RAMP"]
    return stats.count, stats.completed, stats.failed, stats.open


def test_of_a_run_without_blends_there_is_nothing():
    assert stats_of(PhaseStarted(epoch=0, phase="phase_1", epochs=1)) == BlendingStats()
    assert BlendingStats().as_dict() == {}


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], (1, 0, 0, 1)),
        ([completed()], (1, 1, 0, 0)),
        ([culled()], (1, 0, 1, 0)),
        ([completed(), culled()], (1, 1, 0, 0)),
        ([culled(), culled()], (1, 0, 1, 0)),
        ([culled(place=1)], (1, 0, 0, 1)),
        ([RunFinished(epoch=9, status="interrupted", metrics=None)], (1, 0, 0, 1)),
        ([completed(), SeedFossilized(**at(), improvement=None, params_added=1, removal_cost=None)], (1, 1, 0, 0)),
        ([culled(), chosen(), completed()], (2, 1, 1, 0)),
        ([chosen()], (2, 0, 1, 1)),
    ],
    ids=[
        "open at first",
        "completed",
        "culled while it blends",
        "culled later: its blend was complete all the same",
        "culled twice, as after a rollback",
        "another seed is culled",
        "open when the run ends",
        "fossilized later",
        "the same place blends again",
        "begun over without an end",
    ],
)
def test_every_blend_has_one_end(events, expected):
    assert fixed(chosen(), *events) == expected


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([rolled_back(blocks_0="blending")], (1, 0, 0, 1)),
        ([rolled_back(blocks_0="blending"), culled()], (1, 0, 1, 0)),
        ([rolled_back(blocks_0="training"), culled()], (1, 0, 1, 0)),
        ([rolled_back(blocks_0="dormant"), culled()], (1, 0, 1, 0)),
        ([completed(), rolled_back(blocks_0="blending"), culled()], (1, 1, 0, 0)),
        ([culled(), rolled_back(blocks_0="blending"), culled()], (1, 0, 1, 0)),
        ([rolled_back(blocks_0="training"), chosen(), completed()], (2, 1, 1, 0)),
    ],
    ids=[
        "it still blends, and what becomes of it is told next",
        "it still blends, and is culled",
        "it is back before its blend, and is culled",
        "it has not even germinated",
        "it was complete before",
        "it had been culled before",
        "it blends anew",
    ],
)
def test_a_rollback_ends_no_blend_twice_and_leaves_none_open_that_is_over(events, expected):
    assert fixed(chosen(), *events) == expected


def test_each_strategy_counts_for_itself_and_those_of_users_too():
    stats = stats_of(chosen(0, "MINE"), chosen(1), completed(0, strategy_name="MINE"), culled(1))
    assert list(stats.strategies) == ["MINE", "FIXED_RAMP"]
    assert (stats.strategies["MINE"].completed, stats.strategies["FIXED_RAMP"].failed) == (1, 1)


def test_means_are_of_completed_blends_and_losses_of_measured_ones():
    stats = stats_of(
        *(chosen(0), completed(0, duration_epochs=30)),
        *(chosen(1), completed(1, duration_epochs=1, initial_loss=None)),
        *(chosen(2), completed(2, duration_epochs=2, initial_loss=0.5, final_loss=0.7)),
        *(chosen(3), completed(3, duration_epochs=3, final_loss=None)),
        *(chosen(4), culled(4)),
    ).strategies["FIXED_RAMP"]
    assert stats.mean_duration_epochs == 9.0
    assert stats.mean_loss_improvement == pytest.approx(0.1)


def test_what_was_not_measured_is_none():
    assert stats_of(chosen()).strategies["FIXED_RAMP"].mean_duration_epochs is None
    unmeasured = stats_of(chosen(), completed(initial_loss=None))
    assert unmeasured.strategies["FIXED_RAMP"].mean_loss_improvement is None


def test_the_plain_form_is_strict_json_even_if_a_loss_was_not_finite():
    stats = stats_of(chosen(), completed(initial_loss=math.inf), chosen(), completed())
    assert json.loads(json.dumps(stats.as_dict(), allow_nan=False)) == {
        "FIXED_RAMP": {
            "count": 2,
            "completed": 2,
            "failed": 0,
            "open": 0,
            "mean_duration_epochs": 30.0,
            "mean_loss_improvement": pytest.approx(0.4),
        }
    }


def test_an_event_that_tells_of_no_blend_changes_nothing_not_even_the_object():
    stats = stats_of(chosen())
    assert fold_blending(stats, RunResumed(epoch=1, last_sequence=1)) is stats
    assert fold_blending(stats, culled(place=1)) is stats


@pytest.mark.parametrize("rng_seed", range(20))
def test_whatever_lives_are_mixed_the_counts_are_those_of_each_life(rng_seed):
    lives = {
        "completed": lambda place, name: [chosen(place, name), completed(place, strategy_name=name), culled(place)],
        "failed": lambda place, name: [chosen(place, name), culled(place)],
        "open": lambda place, name: [chosen(place, name)],
        "never begun": lambda place, _: [culled(place)],
    }
    draw = random.Random(rng_seed)
    queues, expected = [], Counter()
    for place in range(6):
        queue = []
        for end in draw.choices(["completed", "failed", "never begun"], k=draw.randrange(4)) + draw.choices(["open", "failed"]):
            name = draw.choice(["FIXED_RAMP", "MINE"])
            queue += lives[end](place, name)
            expected[name, end] += 1
        queues.append(queue)
    events = []
    while any(queues):
        events.append(draw.choice([queue for queue in queues if queue]).pop(0))
    stats = stats_of(*events)
    for name in ("FIXED_RAMP", "MINE"):
        found = stats.strategies.get(name, StrategyStats())
        assert (found.completed, found.failed, found.open) == tuple(
            expected[name, end] for end in ("completed", "failed", "open")
        )
    assert len(stats.open) == sum(found.open for found in stats.strategies.values())


@pytest.mark.parametrize("ticks", [1, 5], ids=["in the middle of its blend", "after its blend"])
def test_a_real_rollback_counts_the_blend_once(ticks):
    events = []
    growth = Growth(emit=events.append).reach(SeedState.TRAINING)
    for _ in range(4):
        growth.epoch(val_loss=1.0)
    growth.move_on()
    for _ in range(ticks):
        growth.step()
    growth.grower.after_epoch(val_loss=math.nan)
    assert growth.seed.state is SeedState.EMBARGOED
    assert fixed(*events) == (1, int(ticks == 5), int(ticks == 1), 0)


def test_a_real_rollback_to_before_the_germination_leaves_no_blend_open():
    events = []
    growth = Growth(emit=events.append, progress_thresh=0.0)
    for _ in range(4):
        growth.epoch(val_loss=1.0)
    growth.step()
    growth.grower.apply(Germinate(*growth.place, "mlp"))
    growth.step()
    assert fixed(*events) == (1, 0, 0, 1)
    growth.grower.after_epoch(val_loss=math.nan)
    assert growth.seed.state is SeedState.DORMANT
    assert fixed(*events) == (1, 0, 1, 0)


def test_a_log_that_was_gone_on_with_counts_as_it_effectively_went(tmp_path):
    log = blending_run(tmp_path)
    events = list(read_log(log))
    (end,) = [event for event in events if event.type == "blend_completed"]
    cut = end.sequence - 1  # the checkpoint was before that; what is written between there and the crash is void
    resumed = RunResumed(epoch=end.epoch - 1, sequence=cut, last_sequence=cut)
    void = [end, replace(end, sequence=end.sequence + 1), replace(chosen(), sequence=end.sequence + 2)]
    written = [*events[:cut], *void, resumed, *events[cut:]]
    log.write_text("".join(to_line(event) + "\n" for event in written))
    assert stats_of(*read_log(log)) == stats_of(*events)


def test_stats_of_a_live_run_and_of_its_log_are_the_same(tmp_path):
    class Live:
        stats = BlendingStats()

        def write(self, event):
            self.stats = fold_blending(self.stats, event)

        def close(self):
            pass

    live = Live()
    log = blending_run(tmp_path, [live])
    assert live.stats == stats_of(*map(from_line, log.read_text().splitlines()))
    counts = {name: (each.count, each.completed, each.failed, each.open) for name, each in live.stats.strategies.items()}
    assert counts == {"FIXED_RAMP": (1, 1, 0, 0), "DRIFT_CONTROLLED": (2, 0, 1, 1)}


def test_counting_needs_no_torch():
    program = "import sys, kaslite.telemetry.analytics; sys.exit(not {'torch', 'rich', 'numpy'}.isdisjoint(sys.modules))"
    subprocess.run([sys.executable, "-c", program], check=True)
