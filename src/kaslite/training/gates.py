"""The gates: they can refuse a decision, with the reason, and never move a seed by themselves.

Deltas since germination never let anything pass: the host improves by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaslite.errors import RefusedError
from kaslite.lifecycle import SeedState

if TYPE_CHECKING:
    from kaslite.seeds import Seed

PROBATION_EPOCHS = 3
"""Epochs in a row that the evidence has to hold before a seed may be fossilized."""


def check_may_advance(seed: Seed) -> None:
    """Refuse to move a seed on that is neither training nor proven."""
    if seed.state is SeedState.SHADOWING:
        _check_surely_missed(seed)
    elif seed.state is not SeedState.TRAINING:
        raise RefusedError(f"a {seed.state} seed moves on by itself or by another decision; TRAINING and SHADOWING advance.")


def check_may_fossilize(seed: Seed, val_loss: float | None) -> None:
    """Refuse to commit a seed that is not on probation, that is not surely missed, or with which the run got worse."""
    if seed.state is not SeedState.PROBATIONARY:
        raise RefusedError(f"a {seed.state} seed cannot be fossilized; it has to be probationary.")
    _check_surely_missed(seed)
    record = seed.record
    if record.held_epochs < PROBATION_EPOCHS:
        raise RefusedError(f"its evidence held for {record.held_epochs} epochs in a row; {PROBATION_EPOCHS} are needed.")
    if val_loss is None or record.baseline_loss is None:
        raise RefusedError("the validation loss, now or at germination, is unmeasured.")
    if not val_loss <= record.baseline_loss:  # so that a loss that is not a number does not pass
        raise RefusedError(f"validation loss {val_loss:.4f} is above the {record.baseline_loss:.4f} at germination.")


def _check_surely_missed(seed: Seed) -> None:
    cost = seed.record.removal_cost
    if cost is None:
        raise RefusedError("its removal cost is unmeasured: give the Grower evaluate=, which returns per-sample losses.")
    if not cost.lower > 0:
        raise RefusedError(f"it is not surely missed: removing it costs {cost.lower:+.4f} to {cost.upper:+.4f}.")
