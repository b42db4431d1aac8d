"""The conformance kit of blending strategies: what each owes, whatever it reads. It needs neither a model nor a test framework.

>>> import kaslite.testing
>>> class TestFixedRamp(kaslite.testing.BlendingStrategyConformance):  # pytest runs it
...     strategy = "FIXED_RAMP"
>>> kaslite.testing.check_blending_strategy("FIXED_RAMP")  # or anywhere, in one call

Not for: what a strategy is for; whether its ramp rises when it should is asked by tests of its own.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from kaslite.blending import BlendingConfig, BlendSignals, get_strategy
from kaslite.blending.base import COMPLETE, PATIENCE, Signal
from kaslite.testing.subject import require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kaslite.blending import BlendingStrategy

FIXED_STEPS = (1, 7, 30, 100)
"""Planned durations that are tried, in ticks."""
TINY, HUGE = 1e-300, 1e300
RAMPS = (0.0, 0.01, 0.5, COMPLETE, 1.0)
LOSSES = (None, -1.0, 0.0, TINY, 0.8, 1.2, HUGE)
DRIFTS = ((), (0.0,), (TINY,) * 5, (0.2, 0.06), (0.12,) * 9, (2.0,) * 5)
GRAD_NORMS = (None, 0.0, TINY, 0.1, 0.5, 1.0, HUGE)


@dataclass(frozen=True)
class BlendCase:
    """One strategy, and the settings that it is tried with."""

    name: str
    config: BlendingConfig

    def build(self) -> BlendingStrategy:
        """Return a new strategy."""
        return get_strategy(self.name, self.config)

    def __str__(self) -> str:
        """Name the case, as in the id of a test."""
        return f"{self.name}-{self.config.fixed_steps}"


@functools.cache
def every_signal() -> tuple[BlendSignals, ...]:
    """Return all signals that are tried: each ramp with each pair of losses, window of drifts, and gradient norm."""
    return tuple(BlendSignals(*values) for values in itertools.product(RAMPS, LOSSES, LOSSES, DRIFTS, GRAD_NORMS))


def check_rises_within_bounds(case: BlendCase) -> None:
    """Whatever it is shown, it returns a number from where the ramp stands to 1."""
    for signals, ramp in _answers(case):
        if not isinstance(ramp, int | float):
            raise AssertionError(f"{case}: at {signals} it returned {ramp!r}, which is no number")  # noqa: TRY004  what a check raises
        if not signals.ramp <= ramp <= 1:
            raise AssertionError(f"{case}: at {signals} it returned {ramp!r}; a ramp never falls, and ends at 1")


def check_remembers_nothing(case: BlendCase) -> None:
    """It answers alike to the same signals: all blends share it, and a checkpoint does not hold it."""
    forwards, backwards = list(_answers(case)), list(_answers(case, backwards=True))[::-1]
    for (signals, ramp), (_, other) in zip(forwards, backwards, strict=True):
        if ramp != other:
            raise AssertionError(f"{case}: at {signals} it returned {ramp!r}, and {other!r} after it had seen others")


def check_reads_what_it_says(case: BlendCase) -> None:
    """A signal that is not in ``reads`` changes nothing: it may not be measured."""
    reads = case.build().reads
    known = get_args(Signal)
    require(set(reads) <= set(known), f"{case}: it reads {sorted(reads)}; the signals are {', '.join(known)}")
    seen: dict[tuple[object, ...], tuple[BlendSignals, float]] = {}
    for signals, ramp in _answers(case):
        first, answer = seen.setdefault(_visible(signals, reads), (signals, ramp))
        if ramp != answer:
            said = sorted(reads) or "nothing"
            raise AssertionError(f"{case}: it reads {said}, and answers {answer!r} to {first}, but {ramp!r} to {signals}")


def check_completes_where_all_goes_well(case: BlendCase) -> None:
    """While the loss falls to 0, with no drift and a gradient in the middle of its bounds, the blend ends in time."""
    strategy, config = case.build(), case.config
    ramp, most = 0.0, PATIENCE * config.fixed_steps
    for tick in range(1, most + 1):
        ramp = strategy.update(
            BlendSignals(
                ramp,
                initial_loss=1.0,
                current_loss=max(0.0, 1.0 - tick / config.fixed_steps),
                drifts=(0.0,) * min(tick, 5),
                grad_norm=(config.grad_norm_lower + config.grad_norm_upper) / 2,
            )
        )
    require(
        ramp >= COMPLETE,
        f"{case}: all goes well, and after {most} ticks the ramp is at {ramp!r}; a blend not at {COMPLETE} by then is culled",
    )


CHECKS: tuple[Callable[[BlendCase], None], ...] = (
    check_rises_within_bounds,
    check_remembers_nothing,
    check_reads_what_it_says,
    check_completes_where_all_goes_well,
)


def blends_of(name: str, *, fixed_steps: Sequence[int] = FIXED_STEPS) -> list[BlendCase]:
    """Return the cases of one strategy."""
    return [BlendCase(name, BlendingConfig(fixed_steps=steps)) for steps in fixed_steps]


def check_blending_strategy(name: str, *, fixed_steps: Sequence[int] = FIXED_STEPS) -> None:
    """Run every check on a registered strategy; the first that fails raises `AssertionError`.

    Args:
        name: the strategy's.
        fixed_steps: planned durations, in ticks, to try it with.
    """
    for case in blends_of(name, fixed_steps=fixed_steps):
        for check in CHECKS:
            check(case)


class BlendingStrategyConformance:
    """Inherit it in a test module, with the name of your strategy: pytest finds the rest."""

    strategy: str
    fixed_steps: Sequence[int] = FIXED_STEPS

    @classmethod
    def cases(cls) -> list[BlendCase]:
        """Return the cases to test."""
        return blends_of(cls.strategy, fixed_steps=cls.fixed_steps)

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Make one test of each check on each case; called by pytest."""
        if metafunc.function.__name__ == "test_it_conforms":
            metafunc.parametrize("case", self.cases(), ids=str)
            metafunc.parametrize("check", CHECKS, ids=[check.__name__.removeprefix("check_") for check in CHECKS])

    def test_it_conforms(self, check: Callable[[BlendCase], None], case: BlendCase) -> None:
        """Run one check on one case."""
        check(case)


def _answers(case: BlendCase, *, backwards: bool = False) -> Iterator[tuple[BlendSignals, float]]:
    """Yield what one strategy answers to every signal, in turn."""
    strategy, every = case.build(), every_signal()
    for signals in reversed(every) if backwards else every:
        yield signals, strategy.update(signals)


def _visible(signals: BlendSignals, reads: frozenset[Signal]) -> tuple[object, ...]:
    """Return the part of the signals that a strategy says it looks at."""
    parts: dict[Signal, object] = {
        "loss": (signals.initial_loss, signals.current_loss),
        "drift": signals.drifts,
        "grad_norm": signals.grad_norm,
    }
    return signals.ramp, *(part for name, part in parts.items() if name in reads)
