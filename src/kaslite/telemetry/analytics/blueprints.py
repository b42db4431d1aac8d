"""`BlueprintStats`: what became of the seeds of each blueprint, and the fold that takes in one more event.

Not for: how it looks; that is `kaslite.dashboard`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kaslite.events import Event, SeedCulled, SeedFossilized, SeedGerminated

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class BlueprintStats:
    """The seeds of one blueprint."""

    germinated: int = 0
    fossilized: int = 0
    culled: int = 0
    acc_deltas: tuple[float, ...] = ()  # points of validation accuracy since germination, of those fossilized
    churns: tuple[float, ...] = ()  # likewise, of those culled

    @property
    def mean_acc_delta(self) -> float | None:
        """Mean improvement of the fossilized ones, in percentage points; ``None``: not measured."""
        return _mean(self.acc_deltas)

    @property
    def mean_churn(self) -> float | None:
        """Mean improvement of the culled ones, in percentage points; ``None``: not measured."""
        return _mean(self.churns)

    @property
    def fossilization_rate(self) -> float | None:
        """Percentage of those that came to an end that fossilized; ``None`` if none did.

        >>> BlueprintStats(germinated=9, fossilized=1, culled=7).fossilization_rate
        12.5
        """
        ended = self.fossilized + self.culled
        return 100 * self.fossilized / ended if ended else None

    def as_dict(self) -> dict[str, int | float | None]:
        """Return counts, rate and means as plain data."""
        return {
            "germinated": self.germinated,
            "fossilized": self.fossilized,
            "culled": self.culled,
            "fossilization_rate": self.fossilization_rate,
            "mean_acc_delta": self.mean_acc_delta,
            "mean_churn": self.mean_churn,
        }


def fold_blueprints(stats: Mapping[str, BlueprintStats], event: Event) -> Mapping[str, BlueprintStats]:
    """Return the stats by blueprint after one more event; the same object if it says nothing of them."""
    if not isinstance(event, SeedGerminated | SeedFossilized | SeedCulled) or event.blueprint_id is None:
        return stats
    known = stats.get(event.blueprint_id, BlueprintStats())
    match event:
        case SeedGerminated():
            known = replace(known, germinated=known.germinated + 1)
        case SeedFossilized():
            known = replace(known, fossilized=known.fossilized + 1, acc_deltas=known.acc_deltas + _measured(event.improvement))
        case SeedCulled():
            known = replace(known, culled=known.culled + 1, churns=known.churns + _measured(event.improvement))
    return {**stats, event.blueprint_id: known}


def _measured(improvement: float | None) -> tuple[float, ...]:
    return () if improvement is None else (improvement,)


def _mean(values: tuple[float, ...]) -> float | None:
    return sum(values) / len(values) if values else None
