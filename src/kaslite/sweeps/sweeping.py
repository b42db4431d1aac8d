"""A sweep from its files to its comparison: planned, kept in a folder, carried out, gone on with.

Not for: the command line (`kaslite.cli.sweep`).
"""

from __future__ import annotations

import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kaslite.errors import UsageError
from kaslite.sweeps.plan import MOST_RUNS, PlannedRun, count_runs, plan_grid
from kaslite.sweeps.ranges import Search, search_of
from kaslite.sweeps.sweep_file import SweepFile, read_sweep_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kaslite.experiment.run_directory import Metrics
    from kaslite.experiment.workers import Workers
    from kaslite.sweeps.directory import SweepDirectory
    from kaslite.sweeps.following import Fact
    from kaslite.sweeps.job import Job
    from kaslite.sweeps.runner import Source, Tell
    from kaslite.sweeps.summary import Comparison
    from kaslite.telemetry.background import Background

Executor = Literal["processes", "ray"]
"""Who carries the runs out: processes of this machine, or a Ray cluster."""


@dataclass(frozen=True)
class PlannedSearch:
    """A search of a sweep."""

    file: SweepFile
    search: Search
    first: int  # number of its first run


@dataclass(frozen=True)
class SweepPlan:
    """Everything that a sweep will run."""

    runs: tuple[PlannedRun, ...]
    searches: tuple[PlannedSearch, ...]
    base: Mapping[str, Any]  # settings that hold where a file says nothing else
    width: int  # digits of the number of a run
    storage: Path | None = None  # what several machines share the trials of a search in
    owner: str = ""  # mark of this sweep among others in that storage

    @property
    def total(self) -> int:
        """How many runs there will be."""
        return len(self.runs) + sum(planned.search.n_trials for planned in self.searches)

    @property
    def objectives(self) -> tuple[str, ...]:
        """What its runs are compared by, if its searches say so."""
        return self.searches[0].search.objectives if self.searches else ()

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        searches = [
            {
                "file": str(planned.file.path),
                "grid": {name: list(values) for name, values in planned.file.grid.items()},
                "search": planned.search.model_dump(mode="json"),
                "first": planned.first,
            }
            for planned in self.searches
        ]
        storage = None if self.storage is None else str(self.storage.absolute())
        return {
            "owner": self.owner,
            "storage": storage,
            "width": self.width,
            "base": dict(self.base),
            "searches": searches,
            "runs": [asdict(run) for run in self.runs],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> SweepPlan:
        """Read it back."""
        searches = tuple(
            PlannedSearch(
                SweepFile(
                    Path(planned["file"]),
                    {name: tuple(values) for name, values in planned["grid"].items()},
                    planned["search"],
                ),
                Search.model_validate(planned["search"]),
                planned["first"],
            )
            for planned in content["searches"]
        )
        runs = tuple(PlannedRun(**{**run, "varied": tuple(run["varied"])}) for run in content["runs"])
        storage = None if content["storage"] is None else Path(content["storage"])
        return cls(runs, searches, content["base"], content["width"], storage, content["owner"])


def plan_sweep(source: Path, base: Mapping[str, Any], *, sure: bool = False, storage: Path | None = None) -> SweepPlan:
    """Plan what a sweep file, or every one in a folder, asks for.

    Args:
        source: file or folder.
        base: settings that hold where a file says nothing else, as plain data.
        sure: whether more than 10,000 runs are meant.
        storage: a journal file that the trials of a search stand in, where several machines share them.

    Raises:
        StorageError: if a file cannot be read.
        UsageError: with the first thing that is wrong.
    """
    files = read_sweep_files(source)
    searches = [(file, search_of(file, base)) for file in files if file.search is not None]
    if storage is not None and not searches:
        raise UsageError(f"--storage is for searches, and {source} has no search section; leave it out.")
    grids = count_runs(files)
    total = grids + sum(search.n_trials for _, search in searches)
    if total > MOST_RUNS and not sure:
        raise UsageError(
            f"{source} makes {total:,} runs, more than {MOST_RUNS:,}; give fewer values, or --yes if that is meant."
        )
    width = max(3, len(str(total)))
    runs: list[PlannedRun] = []
    for file in files:
        if file.search is None:
            runs += plan_grid(file, base, first=len(runs) + 1, width=width)
    planned, first = [], grids + 1
    for file, search in searches:
        planned.append(PlannedSearch(file, search, first))
        first += search.n_trials
    return SweepPlan(tuple(runs), tuple(planned), base, width, storage, secrets.token_hex(8))


def carry_out_sweep(
    directory: SweepDirectory,
    *,
    workers: int | None,
    tell: Tell,
    executor: Executor = "processes",
    followers: Sequence[Background[Fact]] = (),
) -> Comparison:
    """Run what has not been run yet of the plan in a folder, and write what it compares to.

    Args:
        directory: of the sweep.
        workers: runs at a time; 0: everything in this process; ``None``: as many as there are cores, here or in the cluster.
        tell: called after each run, with what it was, the number of runs that are over, that of all, and about how many
            seconds the rest will take.
        executor: who carries the runs out.
        followers: who is told of every run that begins and that is over; closed at the end.

    Raises:
        KasliteError: if the folder cannot be read or written, or if another process is at it.
    """
    from kaslite.sweeps.picture import draw
    from kaslite.sweeps.runner import sweep
    from kaslite.sweeps.summary import as_table

    plan = SweepPlan.from_json(directory.read_plan())
    held: list[Fact] = []

    def pass_on(fact: Fact) -> None:
        for follower in followers:
            follower.write(fact)

    # Followers build networks, which must not be beside a run in this very process.
    follow = held.append if workers == 0 else pass_on
    with directory.locked():
        try:
            sources = _sources(plan, directory)
            crew, at_once = _crew(executor, workers)
            comparison = sweep(directory, sources, crew, at_once=at_once, tell=tell, objectives=plan.objectives, follow=follow)
            directory.write(directory.comparison, as_table(comparison) + "\n")
            draw(comparison, directory.picture)
            follow(comparison)
        finally:
            for fact in held:
                pass_on(fact)
            for follower in followers:
                follower.close()
    return comparison


def _crew(executor: Executor, workers: int | None) -> tuple[Workers[Job, Metrics], int]:
    """Return who carries the runs out, and how many at a time."""
    from kaslite.experiment.workers import InThisProcess, Processes
    from kaslite.sweeps.job import carry_out

    if workers == 0:
        return InThisProcess(carry_out), 1
    if executor == "processes":
        return Processes(carry_out, imports=["kaslite.experiment.run"]), workers or cores()
    from kaslite.experiment.ray_tasks import RayTasks

    tasks: RayTasks[Job, Metrics] = RayTasks(carry_out, cores=workers or cores(), gpus=lambda job: job.gpus)
    return tasks, workers or tasks.cores


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _sources(plan: SweepPlan, directory: SweepDirectory) -> list[Source]:
    from kaslite.sweeps.runner import Grid

    sources: list[Source] = [Grid(plan.runs, directory)]
    if plan.searches:
        from kaslite.sweeps.search import SearchSource

        journal = plan.storage or directory.journal
        sources += [
            SearchSource(
                planned.file,
                planned.search,
                plan.base,
                directory,
                owner=plan.owner,
                journal=journal,
                first=planned.first,
                width=plan.width,
            )
            for planned in plan.searches
        ]
    return sources
