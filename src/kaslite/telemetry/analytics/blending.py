"""`BlendingStats`: how the blends of a run went, strategy by strategy, and the fold that takes in one more event.

A blend begins with `BlendStrategyChosen` and has one end: `BlendCompleted`, or else it failed: its seed was culled, by a
rollback too. What happens to a seed afterwards is no affair of its blend. Strategies are known by the names that the log has
for them, so those of users count like ours. Not for: how it looks; that is `kaslite.dashboard.blending`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kaslite.events import BlendCompleted, BlendStrategyChosen, Event, SeedCulled, finite_or_none

if TYPE_CHECKING:
    from collections.abc import Mapping

Place = tuple[str, int]


@dataclass(frozen=True)
class StrategyStats:
    """The blends by one strategy."""

    count: int = 0  # blends that began
    completed: int = 0
    failed: int = 0  # seeds culled before their blend was complete
    epochs: int = 0  # that all completed ones took
    measured: int = 0  # completed ones whose loss was measured at both ends
    loss_improvement: float = 0.0  # of all those together

    @property
    def open(self) -> int:
        """Number of blends that have not ended."""
        return self.count - self.completed - self.failed

    @property
    def mean_duration_epochs(self) -> float | None:
        """Mean of the completed blends, in epochs; ``None`` if there are none."""
        return self.epochs / self.completed if self.completed else None

    @property
    def mean_loss_improvement(self) -> float | None:
        """Mean fall of the held-out loss over the completed blends of which it was measured; ``None`` if there are none."""
        return finite_or_none(self.loss_improvement / self.measured) if self.measured else None

    def as_dict(self) -> dict[str, int | float | None]:
        """Return counts and means as plain data; ``None`` = not measured.

        >>> StrategyStats(count=2, completed=1, epochs=30).as_dict()  # doctest: +NORMALIZE_WHITESPACE
        {'count': 2, 'completed': 1, 'failed': 0, 'open': 1,
         'mean_duration_epochs': 30.0, 'mean_loss_improvement': None}
        """
        return {
            "count": self.count,
            "completed": self.completed,
            "failed": self.failed,
            "open": self.open,
            "mean_duration_epochs": self.mean_duration_epochs,
            "mean_loss_improvement": self.mean_loss_improvement,
        }


@dataclass(frozen=True)
class BlendingStats:
    """The blends of a run, as the events so far tell of them."""

    strategies: Mapping[str, StrategyStats] = field(default_factory=dict)  # in the order in which they were first chosen
    open: Mapping[Place, str] = field(default_factory=dict)  # by which strategy a seed blends now

    def as_dict(self) -> dict[str, dict[str, int | float | None]]:
        """Return what is known of each strategy, by its name, as plain data."""
        return {name: stats.as_dict() for name, stats in self.strategies.items()}


def fold_blending(stats: BlendingStats, event: Event) -> BlendingStats:
    """Return the stats after one more event; the same object if it says nothing of blends."""
    match event:
        case BlendStrategyChosen():
            return _begun(stats, (event.layer, event.seed), event.strategy_name)
        case BlendCompleted():
            return _completed(stats, event)
        case SeedCulled():
            return _failed(stats, (event.layer, event.seed))
        case _:
            return stats


def _begun(stats: BlendingStats, place: Place, name: str) -> BlendingStats:
    stats = _failed(stats, place)  # a seed blends once at a time: whatever it did before is over
    known = stats.strategies.get(name, StrategyStats())
    strategies = {**stats.strategies, name: replace(known, count=known.count + 1)}
    return BlendingStats(strategies, {**stats.open, place: name})


def _completed(stats: BlendingStats, event: BlendCompleted) -> BlendingStats:
    place = event.layer, event.seed
    if place not in stats.open:
        return stats
    name, known = stats.open[place], stats.strategies[stats.open[place]]
    improvement = _improvement(event)
    ended = replace(
        known,
        completed=known.completed + 1,
        epochs=known.epochs + event.duration_epochs,
        measured=known.measured + (improvement is not None),
        loss_improvement=known.loss_improvement + (improvement or 0.0),
    )
    return _ended(stats, place, name, ended)


def _failed(stats: BlendingStats, place: Place) -> BlendingStats:
    if place not in stats.open:
        return stats
    name = stats.open[place]
    known = stats.strategies[name]
    return _ended(stats, place, name, replace(known, failed=known.failed + 1))


def _ended(stats: BlendingStats, place: Place, name: str, ended: StrategyStats) -> BlendingStats:
    still_open = {other: strategy for other, strategy in stats.open.items() if other != place}
    return BlendingStats({**stats.strategies, name: ended}, still_open)


def _improvement(event: BlendCompleted) -> float | None:
    if event.initial_loss is None or event.final_loss is None:
        return None
    return finite_or_none(event.initial_loss - event.final_loss)
