from __future__ import annotations

import pytest

from kaslite.errors import RefusedError
from kaslite.lifecycle import SeedState
from kaslite.seeds import Seed
from kaslite.signals.evidence import Evidence
from kaslite.signals.interval import Interval
from kaslite.training.gates import check_may_advance
from kaslite.training.gates import check_may_fossilize as check_may_fossilize_after
from tests.growing import PATH

MISSED = Interval(mean=0.2, lower=0.1, upper=0.3)
UNSURE = Interval(mean=0.2, lower=-0.1, upper=0.5)
TOUCHES_ZERO = Interval(mean=0.2, lower=0.0, upper=0.4)
HARMFUL = Interval(mean=-0.2, lower=-0.3, upper=-0.1)
UNKNOWN = Interval(mean=float("nan"), lower=float("-inf"), upper=float("inf"))


PROBATION_EPOCHS = 3


def check_may_fossilize(seed: Seed, val_loss: float | None) -> None:
    check_may_fossilize_after(seed, val_loss, PROBATION_EPOCHS)


def seed_in(
    state: SeedState, cost: Interval | None = MISSED, held: int = PROBATION_EPOCHS, baseline: float | None = 1.0
) -> Seed:
    seed = Seed("stem", 0)
    for step in PATH[: PATH.index(state) + 1]:
        seed.move(step, epoch=0, reason="on the way")
    seed.record.evidence = None if cost is None else Evidence("removal", cost)
    seed.record.held_epochs, seed.record.baseline_loss = held, baseline
    return seed


def test_a_training_seed_may_advance_without_evidence() -> None:
    check_may_advance(seed_in(SeedState.TRAINING, cost=None))


def test_a_shadowing_seed_that_is_surely_missed_may_advance() -> None:
    check_may_advance(seed_in(SeedState.SHADOWING))


def test_a_proven_seed_may_be_fossilized_at_an_unchanged_loss() -> None:
    check_may_fossilize(seed_in(SeedState.PROBATIONARY), val_loss=1.0)


NOT_PROVEN = [
    (None, "unmeasured"),
    (UNSURE, r"removing it costs -0.1000 to \+0.5000"),
    (TOUCHES_ZERO, "not surely missed"),
    (HARMFUL, "not surely missed"),
    (UNKNOWN, "not surely missed"),
]


@pytest.mark.parametrize(("cost", "reason"), NOT_PROVEN)
def test_a_seed_that_is_not_surely_missed_may_neither_advance_nor_be_fossilized(cost, reason) -> None:
    with pytest.raises(RefusedError, match=reason):
        check_may_advance(seed_in(SeedState.SHADOWING, cost))
    with pytest.raises(RefusedError, match=reason):
        check_may_fossilize(seed_in(SeedState.PROBATIONARY, cost), val_loss=0.5)


def test_evidence_has_to_hold_for_the_epochs_of_probation() -> None:
    with pytest.raises(RefusedError, match="held for 2 epochs in a row; 3 are needed"):
        check_may_fossilize(seed_in(SeedState.PROBATIONARY, held=2), val_loss=0.5)


@pytest.mark.parametrize(("baseline", "val_loss"), [(None, 0.5), (1.0, None), (None, None)])
def test_an_unmeasured_loss_refuses(baseline: float | None, val_loss: float | None) -> None:
    with pytest.raises(RefusedError, match="unmeasured"):
        check_may_fossilize(seed_in(SeedState.PROBATIONARY, baseline=baseline), val_loss)


@pytest.mark.parametrize("val_loss", [1.001, float("inf"), float("nan")])
def test_a_loss_that_is_not_at_most_that_at_germination_refuses(val_loss: float) -> None:
    with pytest.raises(RefusedError, match="validation loss"):
        check_may_fossilize(seed_in(SeedState.PROBATIONARY), val_loss)


@pytest.mark.parametrize("state", [state for state in PATH if state not in (SeedState.TRAINING, SeedState.SHADOWING)])
def test_only_training_and_shadowing_seeds_advance(state: SeedState) -> None:
    with pytest.raises(RefusedError, match=f"a {state} seed moves on"):
        check_may_advance(seed_in(state))


@pytest.mark.parametrize("state", [state for state in PATH if state is not SeedState.PROBATIONARY])
def test_only_probationary_seeds_are_fossilized(state: SeedState) -> None:
    with pytest.raises(RefusedError, match=f"a {state} seed cannot be fossilized"):
        check_may_fossilize(seed_in(state), val_loss=0.5)
