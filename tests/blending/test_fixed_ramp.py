import pytest

from kaslite.blending import BlendingConfig, BlendSignals, FixedRampBlending
from kaslite.blending.base import COMPLETE


def ramps(fixed_steps, updates):
    strategy = FixedRampBlending(BlendingConfig(fixed_steps=fixed_steps))
    ramp, values = 0.0, []
    for _ in range(updates):
        ramp = strategy.update(BlendSignals(ramp=ramp))
        values.append(ramp)
    return values


@pytest.mark.parametrize("fixed_steps", [1, 3, 10, 30, 100, 200])
def test_after_k_ticks_the_ramp_is_k_over_the_number_of_steps(fixed_steps):
    expected = [k / fixed_steps for k in range(1, fixed_steps + 1)]
    assert ramps(fixed_steps, fixed_steps) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("fixed_steps", "updates"), [(1, 1), (10, 10), (30, 30), (100, 99), (200, 198)])
def test_the_blend_is_complete_at_the_documented_update(fixed_steps, updates):
    *before, last = ramps(fixed_steps, updates)
    assert last >= COMPLETE
    assert all(ramp < COMPLETE for ramp in before)


@pytest.mark.parametrize("fixed_steps", [1, 3, 10, 30, 100, 200])
def test_the_ramp_ends_at_one_and_stays_there(fixed_steps):
    assert ramps(fixed_steps, fixed_steps + 3)[-2:] == [1.0, 1.0]


def test_two_seeds_may_share_a_strategy():
    strategy = FixedRampBlending(BlendingConfig(fixed_steps=4))
    assert [strategy.update(BlendSignals(ramp=ramp)) for ramp in (0.0, 0.5, 0.0)] == [0.25, 0.75, 0.25]
