from dataclasses import replace

import pytest

from kaslite.events import (
    BlendStrategyChosen,
    DecisionMade,
    DriftWarned,
    EpochCompleted,
    GovernorRolledBack,
    PhaseStarted,
    RunFinished,
    RunResumed,
    RunStarted,
    SeedCulled,
    SeedFossilized,
    SeedGerminated,
    SeedStateChanged,
)
from kaslite.telemetry.words import describe, number, signed
from tests.blends import completed

AT = {"epoch": 3, "layer": "blocks.0", "seed": 1, "blueprint_id": "mlp"}
CHOSEN = BlendStrategyChosen(
    **AT, seed_id=("blocks.0", 1), strategy_name="FIXED_RAMP", telemetry={"health_signal": 2e-3, "baseline_loss": None}
)


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            RunStarted(
                epoch=0, run_name="r", config={}, seeds=(("blocks.0", 0),), host_params=1234, num_threads=1, versions={}
            ),
            "r: a host of 1,234 parameters, 1 seeds",
        ),
        (PhaseStarted(epoch=0, phase="phase_2", epochs=9), "phase_2: Adaptation, 9 epochs"),
        (
            EpochCompleted(
                epoch=3,
                phase="phase_1",
                train_loss=0.25,
                val_loss=None,
                val_accuracy=0.5,
                best_accuracy=0.75,
                learning_rate=0.1,
                epoch_duration_s=1.0,
                seeds=(),
            ),
            "epoch 3: train loss 0.2500, val loss -, val accuracy 0.5000, best 0.7500",
        ),
        (SeedGerminated(**AT, params=1296), "blocks.0:1 germinated: mlp, 1,296 parameters"),
        (
            SeedStateChanged(**AT, from_state="training", to_state="blending", reason="ready"),
            "blocks.0:1 training -> blending: ready",
        ),
        (CHOSEN, "blocks.0:1 blends by FIXED_RAMP: health signal 0.002, baseline loss -"),
        (replace(CHOSEN, telemetry={}), "blocks.0:1 blends by FIXED_RAMP"),
        (completed(), "blocks.0:1 blended by FIXED_RAMP in 30 epochs: held-out loss 1.2000 -> 0.8000, drift 0.020 -> -"),
        (
            completed(duration_epochs=1, final_loss=None),
            "blocks.0:1 blended by FIXED_RAMP in 1 epoch: held-out loss 1.2000 -> -, drift 0.020 -> -",
        ),
        (DriftWarned(**AT, drift=0.2, threshold=0.12), "blocks.0:1 drifts: 0.200 > 0.12"),
        (DriftWarned(**AT, drift=0.7, threshold=0.5, measure="scale"), "blocks.0:1 drifts in scale: 0.700 > 0.5"),
        (
            GovernorRolledBack(epoch=5, reason="the loss is not finite", to_epoch=3, seeds=()),
            "rolled back to epoch 3: the loss is not finite",
        ),
        (RunResumed(epoch=3, last_sequence=40), "resumed after epoch 3"),
        (
            SeedFossilized(**AT, improvement=1.0, params_added=10, removal_cost=0.5),
            "blocks.0:1 fossilized: 10 parameters stay, removing it would cost +0.5000",
        ),
        (SeedCulled(**AT, reason="it does harm", improvement=None), "blocks.0:1 culled: it does harm"),
        (RunFinished(epoch=3, status="failed", metrics=None, error="ValueError()"), "run failed: ValueError()"),
        (
            DecisionMade(epoch=3, decision="germinate", layer="b", seed=0, blueprint_id="mlp", reason="stuck"),
            "decision: germinate b:0 as mlp, because stuck",
        ),
        (DecisionMade(epoch=3, decision="stop", reason="it is solved"), "training stops: it is solved"),
        (
            DecisionMade(epoch=3, decision="fossilize", layer="b", seed=0, reason="x", refusal="unmeasured"),
            "fossilize b:0 refused: unmeasured",
        ),
    ],
)
def test_every_kind_of_event_has_a_line(event, line):
    assert describe(event) == line


def test_waiting_is_not_worth_a_line():
    assert describe(DecisionMade(epoch=1, decision="wait", reason="falling")) is None


@pytest.mark.parametrize("state", ["germinated", "fossilized", "culled"])
def test_a_move_that_has_an_event_of_its_own_is_told_once(state):
    assert describe(SeedStateChanged(**AT, from_state="x", to_state=state, reason="y")) is None


def test_a_text_from_a_log_cannot_steer_the_terminal():
    hostile = SeedCulled(**{**AT, "layer": "\x1b[2J\x07evil"}, reason="line\nbreak", improvement=None)
    assert describe(hostile).isprintable()


def test_what_was_not_measured_is_a_dash_and_not_a_zero():
    assert number(None) == "-"
    assert number(0.0) == "0.0000"
    assert signed(None) == "-"
    assert (signed(0.0), signed(-0.25)) == ("+0.0000", "-0.2500")
