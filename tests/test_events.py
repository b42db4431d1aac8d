import dataclasses
import json
import math
import subprocess
import sys
import time
from typing import get_args

import pytest

from kaslite.events import (
    BlendCompleted,
    BlendStrategyChosen,
    DecisionMade,
    DriftWarned,
    EpochCompleted,
    Event,
    GitState,
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
    from_line,
    to_line,
)

READING = SeedReading(
    layer="blocks.0",
    seed=1,
    state="blending",
    blueprint_id="mlp",
    alpha=0.1 + 0.2,
    ramp=0.3,
    drift=0.01,
    health=None,
    training_progress=0.7,
    removal_cost=-1e-17,
    scale_drift=-0.3,
    grad_norm=12.5,
    grad_ratio=0.25,
    twin_gain=None,
    blend_strategy="FIXED_RAMP",
)
EPOCH = EpochCompleted(
    epoch=3,
    phase="phase_2",
    train_loss=0.5,
    val_loss=0.6,
    val_accuracy=0.7,
    best_accuracy=None,
    learning_rate=3e-3,
    epoch_duration_s=0.25,
    seeds=(READING,),
    train_flops=123_456_789,
)
PLACE = {"epoch": 4, "layer": "blocks.0", "seed": 1, "blueprint_id": "mlp"}
EVENTS = [
    RunStarted(
        epoch=0,
        run_name="spirals",
        config={"lr": 1e-3, "at": ["blocks.*"], "none": None},
        seeds=(("blocks.0", 0), ("blocks.0", 1)),
        host_params=100,
        num_threads=1,
        versions={"torch": "2"},
        git=GitState(commit="1f0e", changes=1, changed=("setup.py",), diff_sha256="ab"),
        kaslite_git=None,
        data_sha256="cd",
        host_sha256=None,
    ),
    PhaseStarted(epoch=0, phase="phase_1", epochs=20),
    EPOCH,
    DecisionMade(epoch=4, decision="wait", reason='ends "here"\nand there, ü'),
    SeedGerminated(**PLACE, params=40),
    SeedStateChanged(**PLACE, from_state="dormant", to_state="germinated", reason="by hand"),
    BlendStrategyChosen(
        **PLACE, seed_id=("blocks.0", 1), strategy_name="FIXED_RAMP", telemetry={"drift": 0.02, "baseline_loss": None}
    ),
    BlendCompleted(
        **PLACE,
        seed_id=("blocks.0", 1),
        strategy_name="FIXED_RAMP",
        duration_epochs=30,
        initial_loss=0.6,
        final_loss=0.5,
        initial_drift=0.02,
        final_drift=None,
    ),
    DriftWarned(**PLACE, drift=0.2, threshold=0.12, measure="scale"),
    SeedFossilized(**PLACE, improvement=1.5, params_added=40, removal_cost=0.02),
    SeedCulled(**PLACE | {"blueprint_id": None}, reason="by hand", improvement=None),
    GovernorRolledBack(
        epoch=5,
        reason="the loss is not finite",
        to_epoch=4,
        seeds=(SeedRestored(layer="blocks.0", seed=1, state="blending", blueprint_id="mlp", alpha=0.5),),
    ),
    RunResumed(epoch=4, last_sequence=17),
    RunFinished(epoch=120, status="completed", metrics={"val_loss": 0.6, "epochs": 120, "test_r2": None}),
]


def parse_strictly(line):
    def refuse(constant):
        pytest.fail(f"{constant} is not JSON")

    return json.loads(line, parse_constant=refuse)


def type_of(event):
    return event.type


def test_there_is_an_example_of_every_event():
    assert {type(event) for event in EVENTS} == set(get_args(Event))


@pytest.mark.parametrize("event", EVENTS, ids=type_of)
def test_an_event_is_read_back_as_it_was_written(event):
    assert from_line(to_line(event)) == event


@pytest.mark.parametrize("event", EVENTS, ids=type_of)
def test_an_event_is_one_line_of_strict_json_with_its_fields(event):
    line = to_line(event)
    assert len(line.split("\n")) == 1
    assert set(parse_strictly(line)) == {field.name for field in dataclasses.fields(event)}


@pytest.mark.parametrize("event", EVENTS, ids=type_of)
def test_an_event_cannot_be_changed(event):
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.epoch = 7


def test_no_two_events_share_a_type():
    assert len({event.type for event in EVENTS}) == len(EVENTS)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_null_and_read_back_as_unmeasured(value):
    event = dataclasses.replace(EPOCH, val_loss=value, seeds=(dataclasses.replace(READING, health=value),))
    line = to_line(event)
    assert parse_strictly(line)["val_loss"] is None
    read = from_line(line)
    assert read.val_loss is None
    assert read.seeds[0].health is None


def test_a_number_that_is_not_finite_inside_a_config_is_null():
    event = dataclasses.replace(EVENTS[0], config={"outer": {"inner": [1.0, math.nan]}})
    assert parse_strictly(to_line(event))["config"] == {"outer": {"inner": [1.0, None]}}


def test_a_log_from_before_some_measurements_were_made_still_reads():
    line = json.loads(to_line(EPOCH))
    later = ("scale_drift", "grad_norm", "grad_ratio", "twin_gain", "blend_strategy")
    for name in later:
        del line["seeds"][0][name]
    (reading,) = from_line(json.dumps(line)).seeds
    assert [getattr(reading, name) for name in later] == [None] * 5
    del line["train_flops"]
    assert from_line(json.dumps(line)).train_flops is None
    warning = json.loads(to_line(DriftWarned(**PLACE, drift=0.2, threshold=0.12)))
    del warning["measure"]
    assert from_line(json.dumps(warning)).measure == "cosine"


@pytest.mark.parametrize("line", ["", "{}", "[]", "nonsense", '{"type": "nonsense"}', '{"type": "phase_started", "epoch": 1}'])
def test_what_is_not_an_event_is_refused(line):
    with pytest.raises(ValueError, match="validation error"):
        from_line(line)


def test_an_event_knows_when_it_happened():
    before = time.time()
    event = PhaseStarted(epoch=0, phase="phase_1", epochs=1)
    assert before <= event.timestamp <= time.time()


def test_events_are_read_and_written_without_torch():
    program = (
        "import sys; from kaslite.events import PhaseStarted, from_line, to_line;"
        "from_line(to_line(PhaseStarted(epoch=0, phase='phase_1', epochs=1)));"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_log_from_before_runs_recorded_where_they_come_from_still_reads():
    line = json.loads(to_line(EVENTS[0]))
    later = ("git", "kaslite_git", "data_sha256", "host_sha256")
    for name in later:
        del line[name]
    started = from_line(json.dumps(line))
    assert [getattr(started, name) for name in later] == [None] * 4
