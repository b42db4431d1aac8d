import dataclasses

import pytest

from kaslite.blending import BlendingConfig, BlendingStrategy, BlendSignals
from kaslite.errors import UsageError

PLANNED = 30
BOUNDS = "the lower bound has to be below the upper one"


def test_a_strategy_has_to_say_how_the_ramp_rises():
    with pytest.raises(TypeError, match="update"):
        BlendingStrategy(BlendingConfig())


def test_a_strategy_that_does_not_say_what_it_reads_is_given_everything():
    assert BlendingStrategy.reads == {"loss", "drift", "grad_norm"}


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"fixed_steps": 0}, "fixed_steps is 0; a blend needs at least 1 tick"),
        ({"fixed_steps": -1}, "fixed_steps is -1; a blend needs at least 1 tick"),
        ({"max_blend_epochs": 0}, "max_blend_epochs is 0; a blend needs at least 1 epoch"),
        ({"tick": "steps"}, "tick is 'steps'; a tick is a 'step' or an 'epoch'"),
        ({"high_drift_threshold": -0.1}, r"high_drift_threshold is -0\.1; it has to be a number, 0 or more"),
        ({"low_health_threshold": float("nan")}, "low_health_threshold is nan"),
        ({"performance_loss_factor": float("inf")}, "performance_loss_factor is inf"),
        ({"grad_norm_upper": -1.0}, r"grad_norm_upper is -1\.0"),
        ({"grad_norm_lower": 1.0}, BOUNDS),
        ({"grad_norm_lower": 3.0, "grad_norm_upper": 2.0}, BOUNDS),
    ],
)
def test_a_setting_that_could_never_work_is_refused(settings, complaint):
    with pytest.raises(UsageError, match=complaint):
        BlendingConfig(**settings)


def test_the_defaults_are_the_documented_ones():
    assert dataclasses.asdict(BlendingConfig()) == {
        "fixed_steps": 30,
        "high_drift_threshold": 0.12,
        "low_health_threshold": 1e-3,
        "performance_loss_factor": 0.8,
        "grad_norm_lower": 0.1,
        "grad_norm_upper": 1.0,
        "max_blend_epochs": None,
        "tick": "epoch",
        "strategy": "ADAPTIVE",
    }


@pytest.mark.parametrize(("record", "name"), [(BlendingConfig(), "fixed_steps"), (BlendSignals(ramp=0.0), "ramp")])
def test_settings_and_signals_cannot_be_changed(record, name):
    with pytest.raises(AttributeError):
        setattr(record, name, 5)


def test_signals_that_nobody_gives_are_not_measured():
    assert BlendSignals(ramp=0.5)._asdict() == {
        "ramp": 0.5,
        "initial_loss": None,
        "current_loss": None,
        "drifts": (),
        "grad_norm": None,
    }


@pytest.mark.parametrize("epochs", [0, 1, 1000])
def test_a_blend_may_take_three_times_the_ticks_that_are_planned(epochs):
    config = BlendingConfig(fixed_steps=PLANNED)
    assert config.overdue(ticks=3 * PLANNED - 1, epochs=epochs) is None
    assert config.overdue(ticks=3 * PLANNED, epochs=epochs) == "90 ticks, 3 times the 30 planned"


@pytest.mark.parametrize("ticks", [0, 1, 1000])
def test_or_as_many_epochs_as_were_said(ticks):
    config = BlendingConfig(fixed_steps=PLANNED, max_blend_epochs=4)
    assert config.overdue(ticks=ticks, epochs=3) is None
    assert config.overdue(ticks=ticks, epochs=4) == "4 epochs (max_blend_epochs)"
