"""Blends in real runs: no jump at any change of state, whatever strategy they take, and small ones at the ticks of small tasks.

How far PERFORMANCE_LINKED can leap at a tick of a larger one is told in docs/log.md.
"""

import pytest

from benchmarks.soft_landing import run_watched
from kaslite.blending import STRATEGIES

EARLY = {
    "warm_up_epochs": 0,
    "adaptation_epochs": 12,
    "controller": "schedule",
    "schedule": ["1 blocks.1:0 mlp"],
    "blend_steps": 40,
    "shadow_epochs": 2,
}
TASKS = {
    "digits": {"problem_type": "digits", "train_frac": 0.3},
    "spirals": {"problem_type": "spirals", "n_samples": 200, "rotations": 2},
}


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_loss_jumps_at_no_change_of_state_and_little_at_any_tick(task, strategy):
    jumps, events, _ = run_watched({**TASKS[task], **EARLY, "blending": {"strategy": strategy}})
    assert "blend_strategy_chosen" in {event.type for event in events}
    moves = [jump for jump in jumps if jump.what == "state"]
    assert "training -> blending" in {jump.move for jump in moves}
    assert all(abs(jump.size) <= 1e-6 for jump in moves)
    ticks = [jump for jump in jumps if jump.what == "tick"]
    assert ticks
    assert all(abs(jump.size) <= 0.1 * max(jump.loss_before, 0.1) for jump in ticks)
