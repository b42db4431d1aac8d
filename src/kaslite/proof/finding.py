"""What was found: a value with its interval, beside the bar that was set before.

A claim may need several findings; it is shown if all of them are. Not for: measuring.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kaslite.signals.interval import Interval

Verdict = Literal["shown", "not shown", "shown against", "not yet run"]


@dataclass(frozen=True)
class Finding:
    """One comparison: the larger the value, the better for the claim."""

    says: str  # what the value is, with its unit
    interval: Interval
    bar: float = 0.0  # the interval has to lie above it
    decides: bool = True  # whether the claim rests on it; the others say where it ends

    @property
    def value(self) -> float:
        """The mean that was found."""
        return self.interval.mean

    @property
    def verdict(self) -> Verdict:
        """Shown if the whole interval is above the bar, shown against if it is below.

        >>> from kaslite.signals.interval import Interval
        >>> Finding("accuracy gained, points", Interval(mean=0.4, lower=-0.1, upper=0.9)).verdict
        'not shown'
        """
        if self.interval.lower > self.bar:
            return "shown"
        return "shown against" if self.interval.upper < self.bar else "not shown"

    def as_json(self) -> dict[str, object]:
        """Return it as plain data; an unknown bound is null."""
        return {
            "says": self.says,
            "verdict": self.verdict,
            "value": _or_null(self.value),
            "interval": [_or_null(self.interval.lower), _or_null(self.interval.upper)],
            "bar": self.bar,
            "decides": self.decides,
        }


def overall(findings: Sequence[Finding]) -> Verdict:
    """Return the verdict on a claim: shown if all findings that it rests on are, shown against if any is.

    >>> overall([])
    'not yet run'
    """
    verdicts = {finding.verdict for finding in findings if finding.decides}
    if not verdicts:
        return "not yet run"
    if "shown against" in verdicts:
        return "shown against"
    return "shown" if verdicts == {"shown"} else "not shown"


def _or_null(value: float) -> float | None:
    return value if math.isfinite(value) else None
