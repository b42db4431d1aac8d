import pytest

from kaslite.blending import BlendingConfig, BlendSignals, GradNormGatedBlending

STEPS = 30
STRATEGY = GradNormGatedBlending(BlendingConfig(fixed_steps=STEPS, grad_norm_lower=0.1, grad_norm_upper=1.0))


def steps(norm, ramp=0.3):
    return (STRATEGY.update(BlendSignals(ramp=ramp, grad_norm=norm)) - ramp) * STEPS


@pytest.mark.parametrize("norm", [0.1001, 0.5, 0.999])
def test_strictly_between_its_bounds_it_takes_a_step(norm):
    assert steps(norm) == pytest.approx(1)


@pytest.mark.parametrize("norm", [0.0, 0.1, 1.0, 1e9, None])
def test_at_a_bound_beyond_one_and_where_nothing_was_measured_it_holds(norm):
    assert steps(norm) == 0


def test_it_ends_at_one():
    assert STRATEGY.update(BlendSignals(ramp=0.999, grad_norm=0.5)) == 1.0
