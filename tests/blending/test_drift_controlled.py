import pytest

from kaslite.blending import BlendingConfig, BlendSignals, DriftControlledBlending

STEPS = 30
STRATEGY = DriftControlledBlending(BlendingConfig(fixed_steps=STEPS, high_drift_threshold=0.12))


def steps(*drifts, ramp=0.3):
    return (STRATEGY.update(BlendSignals(ramp=ramp, drifts=drifts)) - ramp) * STEPS


@pytest.mark.parametrize(
    ("mean", "expected"),
    [(0.0, 2), (0.059, 2), (0.06, 1), (0.119, 1), (0.12, 0), (0.121, 0), (2.0, 0)],
)
@pytest.mark.parametrize("measured", [1, 4, 5])
def test_it_takes_two_steps_one_or_none_by_the_mean_of_the_drifts(mean, expected, measured):
    assert steps(*[mean] * measured) == pytest.approx(expected)


def test_what_counts_is_their_mean():
    assert steps(0.0, 0.118) == pytest.approx(2)
    assert steps(0.0, 0.122) == pytest.approx(1)
    assert steps(0.0, 0.4) == 0


def test_only_the_last_five_count():
    assert steps(2.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0) == pytest.approx(2)
    assert steps(0.0, 0.0, 0.5, 0.5, 0.5, 0.5, 0.5) == 0


def test_where_nothing_was_measured_it_holds():
    assert steps() == 0


def test_without_drift_it_comes_in_at_twice_the_pace():
    ramp, ticks = 0.0, 0
    while ramp < 0.99:
        ramp, ticks = STRATEGY.update(BlendSignals(ramp=ramp, drifts=(0.0,))), ticks + 1
    assert ticks == STEPS / 2
