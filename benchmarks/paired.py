"""Paired timing: two pieces of work, measured in turn inside one process, compared by the ratios of their pairs.

Absolute times on a shared machine are noise, but a neighbour who slows the machine down slows both of a pair. The order
turns from pair to pair (A B, B A, ...), so a drift within a pair cancels too. Not for: comparing figures of two runs.
"""

from __future__ import annotations

import gc
import math
import statistics
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Measure = Callable[[], float]


@dataclass(frozen=True)
class Paired:
    """A against B over many pairs."""

    ratio: float  # median of A / B
    lower: float  # of the 95 % interval of that median
    upper: float
    a_s: float  # median
    b_s: float
    difference_s: float  # median of A - B

    def report(self, name: str, bar: float) -> None:
        """Print one line and hold the ratio to its bar."""
        verdict = "ok" if self.ratio <= bar else "over"
        times = f"{1e3 * self.a_s:.3f} / {1e3 * self.b_s:.3f} ms"
        print(f"\n{name}: ratio {self.ratio:.4f} [{self.lower:.4f}, {self.upper:.4f}] ({times}), bar {bar}, {verdict}")  # noqa: T201
        assert self.ratio <= bar, f"{name}: {self.ratio:.4f} is over its bar of {bar}"


def timed(work: Callable[[], object], times: int = 1) -> Measure:
    """Return a measure of ``work``: the mean seconds of ``times`` calls in a row."""

    def measure() -> float:
        started = time.perf_counter()
        for _ in range(times):
            work()
        return (time.perf_counter() - started) / times

    return measure


def compare(a: Measure, b: Measure, *, rounds: int, warmup: int = 3) -> Paired:
    """Measure ``a`` and ``b`` in turn, ``rounds`` times each after a warm-up, with garbage collection off."""
    with no_garbage_collection():
        for _ in range(warmup):
            a(), b()
        pairs = [(a(), b()) if number % 2 else (b(), a())[::-1] for number in range(rounds)]
    ratios = sorted(first / second for first, second in pairs)
    # Order statistics that hold the median with 95 % probability, whatever the distribution.
    reach = math.ceil(0.98 * math.sqrt(rounds))
    low, high = max(0, rounds // 2 - reach), min(rounds - 1, (rounds - 1) // 2 + reach)
    firsts, seconds = zip(*pairs, strict=True)
    return Paired(
        ratio=statistics.median(ratios),
        lower=ratios[low],
        upper=ratios[high],
        a_s=statistics.median(firsts),
        b_s=statistics.median(seconds),
        difference_s=statistics.median(first - second for first, second in pairs),
    )


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Keep the collector from running inside a measurement."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
