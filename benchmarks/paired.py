"""Paired timing: two pieces of work, measured in turn inside one process, compared by the ratios of their pairs.

Absolute times on a shared machine are noise, but a neighbour who slows the machine down slows both of a pair. The order
turns from pair to pair (A B, B A, ...), so a drift within a pair cancels too. Not for: comparing figures of two runs.
"""

import gc
import math
import time
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Paired:
    """A against B over many pairs."""

    ratio: float  # median of A / B
    lower: float  # of the 95 % interval of that median
    upper: float
    a_s: float  # median
    b_s: float
    difference_s: float  # median of A - B

    @classmethod
    def of(cls, pairs):
        """Sum up pairs of seconds; the interval is of order statistics, so it asks for no distribution."""
        ratios = sorted(a / b for a, b in pairs)
        reach = math.ceil(0.98 * math.sqrt(len(pairs)))
        return cls(
            ratio=median(ratios),
            lower=ratios[max(0, len(pairs) // 2 - reach)],
            upper=ratios[min(len(pairs) - 1, (len(pairs) - 1) // 2 + reach)],
            a_s=median(a for a, _ in pairs),
            b_s=median(b for _, b in pairs),
            difference_s=median(a - b for a, b in pairs),
        )

    def report(self, name, bar):
        """Print one line and hold the ratio to its bar."""
        verdict = "ok" if self.ratio <= bar else "over"
        times = f"{1e3 * self.a_s:.3f} / {1e3 * self.b_s:.3f} ms"
        print(f"\n{name}: ratio {self.ratio:.4f} [{self.lower:.4f}, {self.upper:.4f}] ({times}), bar {bar}, {verdict}")  # noqa: T201
        assert self.ratio <= bar, f"{name}: {self.ratio:.4f} is over its bar of {bar}"


def timed(work, times=1):
    """Return a measure of ``work``: the mean seconds of ``times`` calls in a row."""

    def measure():
        started = time.perf_counter()
        for _ in range(times):
            work()
        return (time.perf_counter() - started) / times

    return measure


def compare(a, b, *, rounds, warmup=3):
    """Call the measures ``a`` and ``b``, which return seconds, in turn: ``rounds`` pairs after a warm-up."""
    with no_garbage_collection():
        for _ in range(warmup):
            a(), b()
        return Paired.of([(a(), b()) if number % 2 else (b(), a())[::-1] for number in range(rounds)])


@contextmanager
def no_garbage_collection():
    """Keep the collector from running inside a measurement."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
