"""Runs the arms of claims: lanes side by side in worker processes, each lane in order, every row kept as soon as it is there.

    lane = one trial with one rng seed:   arm a -> arm b -> arm c (derived from a) -> ...

Not for: settings (`kaslite.proof.claims`), or one run (`kaslite.proof.job`).
"""

from __future__ import annotations

import time
from collections import deque
from statistics import fmean
from typing import TYPE_CHECKING

from kaslite.errors import KasliteError
from kaslite.experiment.workers import InThisProcess, Processes
from kaslite.proof.arm import Outcome, Table
from kaslite.proof.job import carry_out, plan
from kaslite.proof.rows import IDENTITY, UNSTABLE, read_rows, write_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from kaslite.experiment.workers import Workers
    from kaslite.proof.arm import Claim, Row, Scale, Trial
    from kaslite.proof.job import Job

    Tell = Callable[[str, int, int, float], None]


def prove(claim: Claim, scale: Scale, folder: Path, *, workers: int, tell: Tell) -> Table:
    """Run what has not been run yet of a claim, and return all of its rows.

    Args:
        claim: one that is built.
        scale: how much is spent on it.
        folder: gets ``<claim>.csv``, and the folders of the runs under ``<claim>/``.
        workers: processes; 0: everything in this one.
        tell: called after each run, with what it was, the number of runs that are over, that of all, and about how many
            seconds the rest will take.

    Raises:
        KasliteError: if a run fails; rows so far are kept, and the same call goes on from there.
    """
    assert claim.trials is not None, "the caller knows which claims are built"
    trials = claim.trials(scale)
    book = _Book(folder / f"{claim.name}.csv", trials, scale.rng_seeds)
    lanes = [_Course(trial, rng_seed, folder / claim.name, book) for rng_seed in scale.rng_seeds for trial in trials]
    at_once = max(1, workers)
    try:
        with Processes(carry_out) if workers else InThisProcess(carry_out) as crew:
            _run(lanes, crew, at_once, lambda job: tell(job.title, book.done, book.total, book.left_s(at_once)))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{book.done} of {book.total} runs are kept; the same command goes on from here.") from None
    return Table(book.rows())


class _Book:
    """The rows of a claim: those of an earlier proof, and those that come in."""

    def __init__(self, path: Path, trials: Sequence[Trial], rng_seeds: Sequence[int]) -> None:
        self._path = path
        self._wanted = [(trial.name, arm.name, seed) for trial in trials for arm in trial.arms for seed in rng_seeds]
        self._earlier = {_key(row): row for row in read_rows(path)}
        self._rows: dict[tuple[str, str, int], Row] = {}
        self.total = len(self._wanted)
        self._started_s = time.monotonic()
        self._new_s = 0.0  # what the new runs took by themselves

    @property
    def done(self) -> int:
        """How many runs are over."""
        return len(self._rows)

    def left_s(self, at_once: int) -> float:
        """Return how long the rest will take: by what runs of the same arms took, or all, and by what it takes to start one."""
        known: dict[tuple[str, str], list[float]] = {}
        for (trial, arm, _), row in self._rows.items():
            known.setdefault((trial, arm), []).append(row["wall_s"] or 0.0)
        overall = fmean(second for seconds in known.values() for second in seconds)
        starting = max(1.0, (time.monotonic() - self._started_s) * at_once / self._new_s) if self._new_s else 1.0
        left = (key for key in self._wanted if key not in self._rows and key not in self._earlier)
        return starting * sum(fmean(known.get(key[:2], [overall])) for key in left) / at_once

    def find(self, job: Job) -> Row | None:
        """Return the row of an earlier proof, if it had the same settings and the same code, and its run says the same."""
        row = self._earlier.get(_key(job.identity))
        if row is None or any(row.get(name) != value for name, value in job.provenance.items()):
            return None
        result = job.directory.read_metrics() or {}  # without the run nothing can be derived from it
        stable = result.keys() - set(UNSTABLE)
        return row if stable and all(row.get(name) == result[name] for name in stable) else None

    def keep(self, row: Row, *, new: bool) -> None:
        """Take a row, and write all if it is new: the earlier ones too that were not asked for again yet."""
        self._rows[_key(row)] = row
        if new:
            self._new_s += row["wall_s"]
            known = {**self._earlier, **self._rows}
            order = [*self._wanted, *sorted(known.keys() - set(self._wanted))]
            write_rows(self._path, [known[key] for key in order if key in known])

    def rows(self) -> list[Row]:
        """Return those that were asked for, in order."""
        return [self._rows[key] for key in self._wanted]


class _Course:
    """One lane on its way."""

    def __init__(self, trial: Trial, rng_seed: int, folder: Path, book: _Book) -> None:
        self._trial = trial
        self._rng_seed = rng_seed
        self._folder = folder
        self._book = book
        self._outcomes: dict[str, Outcome] = {}

    def next_job(self) -> Job | None:
        """Return the next run that has to be made, or ``None`` at the end of the lane."""
        for arm in self._trial.arms[len(self._outcomes) :]:
            job = plan(self._trial, arm, self._rng_seed, dict(self._outcomes), self._folder)
            row = self._book.find(job)
            if row is None:
                return job
            self._take(Outcome(job.config, job.directory, row), new=False)
        return None

    def take(self, outcome: Outcome) -> None:
        """Take what a run has brought."""
        self._take(outcome, new=True)

    def _take(self, outcome: Outcome, *, new: bool) -> None:
        self._outcomes[outcome.row["arm"]] = outcome
        self._book.keep(outcome.row, new=new)


def _run(lanes: Sequence[_Course], workers: Workers[Job, Outcome], at_once: int, after: Callable[[Job], None]) -> None:
    waiting = deque(lanes)
    running: dict[tuple[str, int], _Course] = {}

    def go_on(lane: _Course) -> None:
        job = lane.next_job()
        if job is not None:
            running[job.trial, job.rng_seed] = lane
            workers.start(job)

    while waiting or running:
        while waiting and len(running) < at_once:
            go_on(waiting.popleft())
        if running:
            job, outcome = workers.next_done()
            if isinstance(outcome, KasliteError):
                raise outcome
            lane = running.pop((job.trial, job.rng_seed))
            lane.take(outcome)
            after(job)
            go_on(lane)


def _key(row: Row) -> tuple[str, str, int]:
    trial, arm, rng_seed = (row[name] for name in IDENTITY)
    return trial, arm, rng_seed
