"""What a proof is made of: arms that differ in declared settings only, in lockstep on the same data, order and rng seeds.

Not for: running them (`kaslite.proof.runner`), or saying which there are (`kaslite.proof.claims`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kaslite.experiment.run import reopen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kaslite.blueprints import Blueprint
    from kaslite.experiment.assembly import Experiment
    from kaslite.experiment.config import RunConfig
    from kaslite.experiment.run_directory import RunDirectory
    from kaslite.proof.finding import Finding

    Settings = Mapping[str, Any]
    Row = dict[str, Any]
    Lane = Mapping[str, "Outcome"]
    """What has come out of the arms of one trial so far, with one rng seed; by name of the arm."""
    Derivation = Callable[[Settings, Lane], Settings]
    Measure = Callable[[Experiment, Lane], Mapping[str, float]]


@dataclass(frozen=True)
class Outcome:
    """What has come out of one run."""

    config: RunConfig
    run_dir: RunDirectory
    row: Row

    def reopen(self) -> Experiment:
        """Return the experiment as it ended."""
        return reopen(self.run_dir)


@dataclass(frozen=True)
class Arm:
    """One way to train; everything that it does not set is the trial's."""

    name: str
    says: str  # for the report, one line
    settings: Settings = field(default_factory=dict)
    derive: Derivation | None = None  # more settings, from those above and the arms before it in the same lane
    measure: Measure | None = None  # more numbers, of the trained experiment; the test split has been read by then


@dataclass(frozen=True)
class Trial:
    """Arms on one task."""

    name: str
    settings: Settings
    arms: tuple[Arm, ...]  # in the order in which they run: one that is derived from another comes after it
    blueprints: tuple[Blueprint, ...] = ()  # known in its runs only


@dataclass(frozen=True)
class Scale:
    """How much is spent on a proof."""

    name: str
    rng_seeds: Sequence[int]
    effort: float = 1.0  # part of the epochs

    def epochs(self, full: int) -> int:
        """Return how many epochs stand for ``full`` ones.

        >>> Scale("quick", range(5), effort=0.1).epochs(120)
        12
        """
        return max(1, round(full * self.effort))


@dataclass(frozen=True)
class Claim:
    """A claim, and how it is judged."""

    name: str  # as it is called on the command line
    says: str
    bar: str  # as it was set before anything ran
    trials: Callable[[Scale], tuple[Trial, ...]] | None = None  # None: not built yet
    judge: Callable[[Table], list[Finding]] | None = None  # the first finding is the claim's own; likewise


class Table:
    """The rows of a claim."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows

    @property
    def trials(self) -> list[str]:
        """Names of the trials, in the order in which they stand."""
        return list(dict.fromkeys(row["trial"] for row in self.rows))

    def column(self, trial: str, arm: str, name: str) -> dict[int, float]:
        """Return one number of each run of an arm, by rng seed; what was not finite is not a number."""
        ours = (row for row in self.rows if row["trial"] == trial and row["arm"] == arm)
        return {row["rng_seed"]: math.nan if row[name] is None else row[name] for row in ours}

    def differences(self, trial: str, arm: str, other: str, name: str) -> list[float]:
        """Return a number of ``arm`` minus that of ``other``, for each rng seed that both ran with."""
        ours, theirs = self.column(trial, arm, name), self.column(trial, other, name)
        return [ours[rng_seed] - theirs[rng_seed] for rng_seed in sorted(ours.keys() & theirs.keys())]
