import pytest
import torch

from kaslite.training.learning_rate import factor, follow_factor

STEPS = 20


def factors(**shape):
    return [factor(step, STEPS, **shape) for step in range(STEPS)]


def test_with_nothing_said_it_stays():
    assert factors() == [1.0] * STEPS


def test_it_rises_in_a_straight_line_to_the_last_step_of_the_warm_up():
    assert factors(warm_up=4) == [0.25, 0.5, 0.75] + [1.0] * 17


def test_it_falls_in_a_straight_line_over_the_last_part_of_the_run():
    assert factors(decay=0.2) == pytest.approx([1.0] * 17 + [0.75, 0.5, 0.25])
    assert factor(STEPS, STEPS, decay=0.2) == 0.0


def test_it_rises_anew_at_every_step_that_is_told():
    assert factors(warm_up=2, rewarm_at=(6, 12)) == [0.5, *[1.0] * 5] * 2 + [0.5, *[1.0] * 7]


def test_a_rise_during_the_fall_is_a_part_of_what_is_left():
    assert factor(16, STEPS, warm_up=4, decay=0.5, rewarm_at=(16,)) == pytest.approx(0.25 * 0.4)


@pytest.mark.parametrize("shape", [{"warm_up": 100}, {"decay": 1.0}, {"warm_up": 3, "decay": 0.7, "rewarm_at": (5,)}])
def test_it_is_never_above_1_and_never_0_within_the_run(shape):
    assert all(0 < value <= 1 for value in factors(**shape))


def trained(steps, *, loaded=None):
    """Return the learning rates of an optimizer, step by step, and what a checkpoint would hold."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.5)
    scheduler = follow_factor(optimizer, lambda step: factor(step, STEPS, warm_up=4, decay=0.5))
    if loaded is not None:
        scheduler.load_state_dict(loaded[0])
        optimizer.load_state_dict(loaded[1])
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
    return rates, (scheduler.state_dict(), optimizer.state_dict())


def test_an_optimizer_follows_it_step_by_step():
    assert trained(STEPS)[0] == [0.5 * value for value in factors(warm_up=4, decay=0.5)]


@pytest.mark.parametrize("cut", [0, 2, 13])
def test_it_goes_on_from_a_checkpoint_as_if_nothing_had_been(cut):
    before, state = trained(cut)
    assert before + trained(STEPS - cut, loaded=state)[0] == trained(STEPS)[0]
