import pytest

from kaslite.blending import BlendingConfig, BlendTelemetry, choose_strategy

BASELINE = 1.5


def chosen(settings=None, **telemetry):
    return choose_strategy(BlendTelemetry(**telemetry), BlendingConfig(**settings or {})).strategy


def losses(factor):
    return {"baseline_loss": BASELINE, "current_loss": factor * BASELINE}


TABLE = [
    ({"drift": 0.121, "health_signal": 0.0}, "DRIFT_CONTROLLED"),
    ({"drift": 0.12, "health_signal": 9e-4}, "PERFORMANCE_LINKED"),
    ({"drift": 0.12, "health_signal": 1e-3, **losses(0.79)}, "GRAD_NORM_GATED"),
    ({"drift": 0.12, "health_signal": 1e-3, **losses(0.8)}, "FIXED_RAMP"),
    ({"drift": 0.12, "health_signal": 1e-3}, "FIXED_RAMP"),
]


@pytest.mark.parametrize(("telemetry", "expected"), TABLE)
def test_the_documented_order_and_thresholds(telemetry, expected):
    assert chosen(**telemetry) == expected


@pytest.mark.parametrize(
    ("row", "settings", "expected"),
    [
        (0, {"high_drift_threshold": 0.121}, "PERFORMANCE_LINKED"),
        (1, {"low_health_threshold": 9e-4}, "FIXED_RAMP"),
        (1, {"high_drift_threshold": 0.11}, "DRIFT_CONTROLLED"),
        (2, {"performance_loss_factor": 0.79}, "FIXED_RAMP"),
        (3, {"performance_loss_factor": 0.81}, "GRAD_NORM_GATED"),
        (4, {"low_health_threshold": 2e-3}, "PERFORMANCE_LINKED"),
    ],
)
def test_each_branch_flips_by_its_threshold(row, settings, expected):
    telemetry, before = TABLE[row]
    assert chosen(settings, **telemetry) == expected != before


@pytest.mark.parametrize(
    "telemetry", [{}, {"baseline_loss": 1.0}, {"current_loss": 0.0}, {"health_signal": 1.0}, {"drift": 0.0}], ids=str
)
def test_what_was_not_measured_asks_for_nothing(telemetry):
    assert chosen(**telemetry) == "FIXED_RAMP"


@pytest.mark.parametrize("telemetry", [telemetry for telemetry, _ in TABLE])
def test_a_strategy_that_is_named_is_taken_whatever_was_measured(telemetry):
    assert chosen({"strategy": "GRAD_NORM_GATED"}, **telemetry) == "GRAD_NORM_GATED"


def test_a_choice_tells_the_numbers_that_it_was_made_by():
    choice = choose_strategy(BlendTelemetry(health_signal=0.5, drift=0.2, **losses(1.0)), BlendingConfig())
    assert choice.telemetry == {"health_signal": 0.5, "drift": 0.2, "baseline_loss": BASELINE, "current_loss": BASELINE}
