import pytest

from kaslite.blending import BlendingConfig, BlendSignals, PerformanceLinkedBlending

STRATEGY = PerformanceLinkedBlending(BlendingConfig())


def ramp_at(current, *, start=1.2, ramp=0.0):
    return STRATEGY.update(BlendSignals(ramp=ramp, initial_loss=start, current_loss=current))


@pytest.mark.parametrize(("current", "expected"), [(0.8, 1 / 3), (1.3, 0.0), (0.0, 1.0), (1.2, 0.0)])
def test_the_ramp_is_the_part_of_the_loss_that_has_gone(current, expected):
    assert ramp_at(current) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("current", [0.0, 0.5, 2.0])
def test_where_there_was_no_loss_none_can_go(current):
    assert ramp_at(current, start=0.0) == 0.0


def test_it_never_goes_backwards():
    ramps = [0.0]
    for current in (1.0, 0.8, 1.0, 5.0, 0.79, 0.0, 1.2):
        ramps.append(ramp_at(current, ramp=ramps[-1]))
    assert ramps == sorted(ramps)
    assert ramps[3] == ramps[2] == pytest.approx(1 / 3)
    assert ramps[-1] == ramps[-2] >= 0.99


@pytest.mark.parametrize(("start", "current"), [(None, 0.8), (1.2, None), (None, None), (-1.0, -2.0)])
def test_where_a_loss_is_missing_or_has_no_parts_it_holds(start, current):
    assert ramp_at(current, start=start, ramp=0.4) == 0.4


def test_it_is_complete_only_when_99_percent_of_the_loss_have_gone():
    assert ramp_at(0.0121) < 0.99 < ramp_at(0.0119)


def test_how_many_steps_are_planned_does_not_matter():
    signals = BlendSignals(ramp=0.0, initial_loss=1.2, current_loss=0.8)
    assert {PerformanceLinkedBlending(BlendingConfig(fixed_steps=n)).update(signals) for n in (1, 30, 200)} == {ramp_at(0.8)}
