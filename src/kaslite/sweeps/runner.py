"""Carries a sweep out: runs side by side in worker processes, one that fails is recorded and the others go on.

What is over is found again by its folder, so a sweep that was killed goes on where it was. Not for: which runs there are;
sources tell: a grid (`Grid`), or a search (`kaslite.sweeps.search`).
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Protocol, final

from kaslite.errors import KasliteError, StoppedError
from kaslite.experiment.run_directory import RunDirectory
from kaslite.sweeps.job import Job
from kaslite.sweeps.summary import Comparison, RunOutcome, as_csv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from kaslite.experiment.run_directory import Metrics
    from kaslite.experiment.workers import Workers
    from kaslite.sweeps.directory import SweepDirectory
    from kaslite.sweeps.following import Fact
    from kaslite.sweeps.plan import PlannedRun

    Tell = Callable[[str, int, int, float], None]

SUMMARY_SHARE = 0.02
"""Part of the time that writing the summary again and again may take."""


class Source(Protocol):
    """Where runs come from."""

    @property
    def left(self) -> int:
        """How many will still be begun."""
        ...

    def earlier(self) -> Iterable[RunOutcome]:
        """Return the runs of an earlier, interrupted sweep in this folder that are over."""
        ...

    def next(self) -> Job | None:
        """Return the next run, or ``None`` if there is none any more."""
        ...

    def take(self, job: Job, outcome: RunOutcome) -> None:
        """Take how a run ended."""
        ...


@final
class Grid:
    """Runs that are planned beforehand; those that are finished already are not run again, and those that failed are.

    Args:
        planned: the runs.
        directory: of the sweep.
    """

    def __init__(self, planned: Iterable[PlannedRun], directory: SweepDirectory) -> None:
        self._earlier = []
        self._waiting: deque[Job] = deque()
        for run in planned:
            metrics = RunDirectory(directory.path / run.name).read_metrics()
            if metrics is None:
                self._waiting.append(Job(run, directory.path))
            else:
                self._earlier.append(RunOutcome(run, "completed", metrics))

    @property
    def left(self) -> int:
        """How many will still be begun."""
        return len(self._waiting)

    def earlier(self) -> Iterable[RunOutcome]:
        """Return those that were finished before."""
        return self._earlier

    def next(self) -> Job | None:
        """Return the next run in order."""
        return self._waiting.popleft() if self._waiting else None

    def take(self, job: Job, outcome: RunOutcome) -> None:
        """Need nothing of it."""


def sweep(
    directory: SweepDirectory,
    sources: Sequence[Source],
    crew: Workers[Job, Metrics],
    *,
    at_once: int,
    tell: Tell,
    objectives: tuple[str, ...] = (),
    follow: Callable[[Fact], None] = lambda _: None,
) -> Comparison:
    """Carry out all runs, and keep the summary up to date.

    Args:
        directory: of the sweep.
        sources: of its runs, one after the other.
        crew: who carries them out.
        at_once: how many at a time.
        tell: called after each run, with what it was, the number of runs that are over, that of all, and about how many
            seconds the rest will take.
        objectives: what the runs are compared by.
        follow: called with each run that begins, and how each one ended, those of an earlier sweep here first.

    Raises:
        StorageError: if the summary cannot be written; finished runs stay as they are.
        KeyboardInterrupt: with what is kept; the summary is written.
    """
    course = _Course(directory, sources, at_once=at_once, tell=tell, objectives=objectives, follow=follow)
    try:
        with crew:
            course.run(crew)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"{course.done} of {course.total} runs are over; to go on: kaslite sweep --resume {directory.path}"
        ) from None
    finally:
        course.write_summary()
    return course.comparison


class _Course:
    """A sweep on its way."""

    def __init__(
        self,
        directory: SweepDirectory,
        sources: Sequence[Source],
        *,
        at_once: int,
        tell: Tell,
        objectives: tuple[str, ...],
        follow: Callable[[Fact], None],
    ) -> None:
        self._directory = directory
        self._sources = sources
        self._at_once = at_once
        self._tell = tell
        self._objectives = objectives
        self._follow = follow
        self._outcomes = {run.planned.name: run for source in sources for run in source.earlier()}
        self._running: dict[str, tuple[Source, float]] = {}
        self._took_s: list[float] = []  # of each new run
        self._write_again_at = 0.0

    @property
    def done(self) -> int:
        """How many runs are over."""
        return len(self._outcomes)

    @property
    def total(self) -> int:
        """How many there are."""
        return self.done + len(self._running) + sum(source.left for source in self._sources)

    @property
    def comparison(self) -> Comparison:
        """What is over, by number."""
        names = sorted(self._outcomes, key=lambda name: (len(name), name))
        return Comparison([self._outcomes[name] for name in names], self._objectives)

    def run(self, crew: Workers[Job, Metrics]) -> None:
        """Keep the crew busy until nothing is left."""
        for outcome in self._outcomes.values():
            self._follow(outcome)
        while True:
            while len(self._running) < self._at_once and self._begin(crew):
                pass
            if not self._running:
                return
            job, result = crew.next_done()
            self._take(job, result)

    def write_summary(self) -> None:
        """Write a row for each run that is over."""
        started = time.monotonic()
        self._directory.write(self._directory.summary, as_csv(self.comparison.rows()))
        now = time.monotonic()
        self._write_again_at = now + (now - started) / SUMMARY_SHARE

    def _begin(self, crew: Workers[Job, Metrics]) -> bool:
        for source in self._sources:
            job = source.next()
            if job is not None:
                self._running[job.planned.name] = source, time.monotonic()
                crew.start(job)
                self._follow(job.planned)
                return True
        return False

    def _take(self, job: Job, result: Metrics | KasliteError) -> None:
        outcome = _outcome(job.planned, result)
        source, started = self._running.pop(job.planned.name)
        source.take(job, outcome)
        self._outcomes[job.planned.name] = outcome
        self._follow(outcome)
        self._took_s.append(time.monotonic() - started)
        if time.monotonic() >= self._write_again_at:
            self.write_summary()
        note = "" if outcome.status == "completed" else f" {outcome.status}"
        self._tell(f"{job.title}{note}", self.done, self.total, self._left_s())

    def _left_s(self) -> float:
        """Return how long the rest will take, if it is as what was: what runs now is half done."""
        left = self.total - self.done - len(self._running) / 2
        return left * sum(self._took_s) / len(self._took_s) / min(self._at_once, max(1, self.total - self.done))


def _outcome(planned: PlannedRun, result: Metrics | KasliteError) -> RunOutcome:
    if isinstance(result, StoppedError):
        return RunOutcome(planned, "pruned", error=str(result))
    if isinstance(result, KasliteError):
        return RunOutcome(planned, "failed", error=str(result))
    return RunOutcome(planned, "completed", result)
