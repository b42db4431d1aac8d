"""How the learning rate goes over a run: it rises from 0, may rise anew, and falls to 0 at the end; all in straight lines.

Not for: seeds in the shadow; they keep a learning rate of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.optim.lr_scheduler import LambdaLR

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from torch.optim import Optimizer


def factor(step: int, total_steps: int, *, warm_up: int = 0, decay: float = 0.0, rewarm_at: Collection[int] = ()) -> float:
    """Return the factor of the learning rate at one optimizer step.

    Args:
        step: from 0.
        total_steps: of the run.
        warm_up: steps over which it rises from 0; the last of them has the full learning rate.
        decay: last part of the run, in [0, 1], over which it falls to 0; the step after the run would have 0.
        rewarm_at: steps at which the warm-up begins anew.

    >>> [round(factor(step, 8, warm_up=2, decay=0.5), 2) for step in range(8)]
    [0.5, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25]
    """
    since = step - max((start for start in rewarm_at if start <= step), default=0)
    rise = min(1.0, (since + 1) / warm_up) if warm_up else 1.0
    falling = decay * total_steps
    fall = min(1.0, max(0.0, (total_steps - step) / falling)) if falling else 1.0
    return rise * fall


def follow_factor(optimizer: Optimizer, factor_at: Callable[[int], float]) -> LambdaLR:
    """Let the learning rates of an optimizer be what they are now, times a factor of the step; every step moves it on.

    Returns:
        The scheduler; hand it to the Grower, so that checkpoints hold it.
    """
    scheduler = LambdaLR(optimizer, factor_at)
    optimizer.register_step_post_hook(lambda *_: scheduler.step())
    return scheduler
