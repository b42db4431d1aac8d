from __future__ import annotations

import math

import numpy as np
import pytest

from kaslite.errors import DivergedError, UsageError
from kaslite.training.governor import Governor, GovernorConfig

NAN, INF = float("nan"), float("inf")
RUNS, EPOCHS = 20, 200  # 4,000 epochs of every kind
T = np.arange(EPOCHS)


def governor(**config) -> Governor:
    return Governor(GovernorConfig(**config))


def judge(governor: Governor, *losses: float, health: float = 1.0) -> list[str | None]:
    return [governor.judge(train_loss=None, val_loss=loss, health={"a": health}) for loss in losses]


def seasoned(**config) -> Governor:
    """Return a governor that has seen twenty healthy epochs."""
    it = governor(**config)
    assert not any(judge(it, *[1.0] * 20))
    return it


def epoch_of_rollback(losses) -> int | None:
    it = governor()
    return next((epoch for epoch, loss in enumerate(losses) if judge(it, float(loss)) != [None]), None)


# --- what it says of single epochs


@pytest.mark.parametrize("known", [3, 10, 50])
def test_a_loss_of_1_and_then_of_13_goes_back_in_the_third_epoch(known: int) -> None:
    verdicts = judge(governor(), *[1.0] * known, 13.0, 13.0, 13.0)
    assert not any(verdicts[:-1])
    bound = 9 if known == 3 else 4
    assert verdicts[-1] == f"the validation loss 13 is above {bound}, where training has diverged, in 3 epochs in a row"


@pytest.mark.parametrize("patience", [1, 2, 5])
def test_so_many_bad_epochs_in_a_row_are_needed(patience: int) -> None:
    verdicts = judge(seasoned(patience=patience), *[13.0] * patience)
    assert [verdict is None for verdict in verdicts] == [True] * (patience - 1) + [False]


def test_a_healthy_epoch_between_bad_ones_starts_the_count_anew() -> None:
    assert not any(judge(seasoned(), *[13.0, 13.0, 1.0] * 10))


def test_bad_epochs_do_not_become_the_usual() -> None:
    it = seasoned()
    for _ in range(3):
        assert judge(it, 13.0, 13.0, 13.0)[-1] is not None
        it.note_rollback("")


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize(
    ("vitals", "name"),
    [
        (lambda value: {"train_loss": value, "val_loss": 1.0, "health": {}}, "the training loss"),
        (lambda value: {"train_loss": 1.0, "val_loss": value, "health": {}}, "the validation loss"),
        (lambda value: {"train_loss": 1.0, "val_loss": 1.0, "health": {"a.b": value}}, "the variance of the feature of a.b"),
    ],
)
def test_what_is_not_finite_goes_back_at_once_and_is_named(value, vitals, name) -> None:
    assert governor().judge(**vitals(value)) == f"{name} is {value}"
    assert seasoned().judge(**vitals(value)) == f"{name} is {value}"


def test_a_collapsed_feature_goes_back_in_the_third_epoch_and_is_named() -> None:
    verdicts = judge(seasoned(), 1.0, 1.0, 1.0, health=1e-9)
    assert verdicts[:2] == [None, None]
    assert verdicts[2] == "the feature of a has collapsed: its variance is 1e-09, in 3 epochs in a row"


def test_what_is_not_measured_is_not_judged() -> None:
    it = governor()
    assert not any(it.judge(train_loss=None, val_loss=None, health={}) for _ in range(20))
    assert it.is_calm


def test_without_a_validation_loss_the_training_loss_is_judged() -> None:
    it = governor()
    verdicts = [it.judge(train_loss=loss, val_loss=None, health={}) for loss in [*[1.0] * 20, 13.0, 13.0, 13.0]]
    assert [verdict is None for verdict in verdicts[-3:]] == [True, True, False]


def test_the_training_loss_does_not_tell_what_is_usual_of_the_validation_loss() -> None:
    it = governor()
    memorized = [it.judge(train_loss=0.01, val_loss=None, health={}) for _ in range(30)]
    measured = [it.judge(train_loss=0.01, val_loss=1.0, health={}) for _ in range(30)]
    assert not any(memorized + measured)


# --- when the state is worth keeping, and when to give up


def test_it_is_calm_unless_the_last_epoch_was_bad() -> None:
    it = seasoned()
    calm = []
    for loss in (1.0, 13.0, 1.0, NAN):
        judge(it, loss)
        calm.append(it.is_calm)
    assert calm == [True, False, True, False]


def test_after_a_rollback_it_is_calm_and_counts_anew() -> None:
    it = seasoned()
    judge(it, 13.0, 13.0, 13.0)
    it.note_rollback("")
    assert it.is_calm
    assert [verdict is None for verdict in judge(it, 13.0, 13.0, 13.0)] == [True, True, False]


def test_it_gives_up_where_going_back_does_not_help() -> None:
    it = seasoned(max_rollbacks=2)
    for _ in range(2):
        it.note_rollback("the loss is nan")
        it.raise_if_hopeless()
    it.note_rollback("the loss is nan")
    with pytest.raises(DivergedError, match=r"after 2 rollbacks in a row \(the loss is nan\)"):
        it.raise_if_hopeless()


def test_a_healthy_epoch_forgives_the_rollbacks() -> None:
    it = seasoned(max_rollbacks=1)
    for _ in range(5):
        it.note_rollback("")
        judge(it, 1.0)


def test_another_one_goes_on_with_what_it_remembers() -> None:
    one, other = seasoned(), governor()
    judge(one, 13.0, 13.0)
    other.load_state_dict(one.state_dict())
    assert not other.is_calm
    assert judge(other, 13.0) == judge(one, 13.0)
    assert other.state_dict() == one.state_dict()


@pytest.mark.parametrize("name", ["window", "sensitivity", "patience", "max_rollbacks"])
@pytest.mark.parametrize("value", [0, -1, NAN])
def test_settings_that_would_never_step_in_or_never_stop_are_refused(name, value) -> None:
    with pytest.raises(UsageError, match=f"{name} is {value}"):
        GovernorConfig(**{name: value})


def test_a_window_in_which_nothing_usual_can_show_is_refused() -> None:
    with pytest.raises(UsageError, match="window is 2; what is usual shows in 3 epochs or more"):
        GovernorConfig(window=2)


# --- false alarms: none in thousands of epochs of healthy runs


def wandering(rng: np.random.Generator, memory: float) -> np.ndarray:
    """Return noise of deviation 1 in which each epoch resembles the last."""
    noise = rng.normal(size=EPOCHS)
    for epoch in range(1, EPOCHS):
        noise[epoch] = memory * noise[epoch - 1] + math.sqrt(1 - memory**2) * noise[epoch]
    return noise


def fall(epochs: float, end: float) -> np.ndarray:
    return end + 2.3 * np.exp(-T / epochs)


def spiked(rng: np.random.Generator) -> np.ndarray:
    losses = np.maximum(fall(10, 0), 1e-4) * rng.lognormal(0, 0.2, EPOCHS)
    for start in rng.integers(100, EPOCHS - 10, 5):
        losses[start : start + rng.integers(1, 8)] = 1e-2
    return losses


def restarted(rng: np.random.Generator, share: float) -> np.ndarray:
    """Return a loss that rises with the learning rate of warm restarts."""
    rate = (1 + np.cos(np.pi * (T % 50) / 50)) / 2
    return (fall(8, 0.1) + share * rate) * rng.lognormal(0, 0.1, EPOCHS)


HEALTHY = {
    "flat, normal noise of 1 %": lambda rng: 1 + 0.01 * rng.normal(size=EPOCHS),
    "flat, normal noise of 30 %": lambda rng: 1 + 0.3 * rng.normal(size=EPOCHS),
    "flat, lognormal noise of 10 %": lambda rng: rng.lognormal(0, 0.1, EPOCHS),
    "flat, lognormal noise of 50 %": lambda rng: rng.lognormal(0, 0.5, EPOCHS),
    "flat, Student's noise of 1 %": lambda rng: 1 + 0.01 * rng.standard_t(3, EPOCHS),
    "flat, Student's noise of 30 %": lambda rng: 1 + 0.3 * rng.standard_t(3, EPOCHS),
    "flat, noise that wanders": lambda rng: 1 + 0.3 * wandering(rng, 0.8),
    "falling, noise of 10 %": lambda rng: fall(20, 0) * (1 + 0.1 * rng.normal(size=EPOCHS)),
    "falling fast, noise of 30 %": lambda rng: fall(5, 0.1) * rng.lognormal(0, 0.3, EPOCHS),
    "falling slowly, noise of 50 %": lambda rng: fall(40, 0) * rng.lognormal(0, 0.5, EPOCHS),
    "down to 1e-4, spikes of up to 7 epochs to 1e-2": spiked,
    "overfitting to 4 times the minimum": lambda rng: (
        (fall(5, 0.1) + 0.3 * np.clip((T - 30) / 100, 0, 1)) * rng.lognormal(0, 0.1, EPOCHS)
    ),
    "from 50 to 1 in the first epochs": lambda rng: (1 + 49 * np.exp(-T / 1.5)) * rng.lognormal(0, 0.2, EPOCHS),
    "warm restarts to three times the loss": lambda rng: restarted(rng, 0.2),
    "from 3 to -5": lambda rng: -5 + 8 * np.exp(-T / 20) + 0.3 * rng.normal(size=EPOCHS),
    "around 0": lambda rng: rng.standard_t(3, EPOCHS),
    "always 0": lambda _: np.zeros(EPOCHS),
    "never learning": lambda rng: 2.303 + 0.002 * rng.normal(size=EPOCHS),
}


@pytest.mark.parametrize("kind", HEALTHY)
def test_a_healthy_run_never_goes_back(kind: str) -> None:
    rng = np.random.default_rng(0)
    assert [epoch_of_rollback(HEALTHY[kind](rng)) for _ in range(RUNS)] == [None] * RUNS


# --- and the others are caught

SICK = 120  # the epoch in which it begins


def turned(rng: np.random.Generator, after) -> np.ndarray:
    """Return a run that is trained from 2.3 to .1, and then does what ``after`` says of it."""
    losses = fall(15, 0.1) * rng.lognormal(0, 0.1, EPOCHS)
    return np.concatenate([losses[:SICK], after(losses[SICK:], T[SICK:] - SICK)])


SICKNESSES = {
    "flat, then ten times as high": (lambda rng: np.where(T < SICK, 1, 10) * rng.lognormal(0, 0.2, EPOCHS), 3),
    "trained, then twenty times as high": (lambda rng: turned(rng, lambda losses, _: 25 * losses), 6),
    "trained, then untrained": (lambda rng: turned(rng, lambda losses, _: 0 * losses + 2.3), 3),
    "at first untrained for long, trained, then untrained": (
        lambda rng: np.concatenate([np.full(30, 2.3), turned(rng, lambda losses, _: 0 * losses + 2.3)[: EPOCHS - 30]]),
        30 + 3,
    ),
    "twice as high every epoch": (lambda rng: turned(rng, lambda losses, epochs: losses * 2.0**epochs), 10),
    "a fifth higher every epoch": (lambda rng: turned(rng, lambda losses, epochs: losses * 1.2**epochs), 50),
    "from -5 to 20": (lambda rng: np.where(T < SICK, -5, 20) + 0.3 * rng.normal(size=EPOCHS), 3),
}


@pytest.mark.parametrize("kind", SICKNESSES)
def test_a_run_that_comes_apart_is_caught_in_time(kind: str) -> None:
    rng = np.random.default_rng(0)
    losses, within = SICKNESSES[kind]
    caught = [epoch_of_rollback(losses(rng)) for _ in range(RUNS)]
    assert all(epoch is not None and SICK <= epoch < SICK + within for epoch in caught), caught
