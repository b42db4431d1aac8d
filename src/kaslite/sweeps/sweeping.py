"""A sweep from its files to its comparison: planned, kept in a folder, carried out, gone on with.

Not for: the command line (`kaslite.cli.sweep`).
"""

from __future__ import annotations

import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaslite.errors import UsageError
from kaslite.sweeps.plan import MOST_RUNS, PlannedRun, count_runs, plan_grid
from kaslite.sweeps.ranges import Search, search_of
from kaslite.sweeps.sweep_file import SweepFile, read_sweep_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kaslite.sweeps.directory import SweepDirectory
    from kaslite.sweeps.job import Watch
    from kaslite.sweeps.runner import Source, Tell
    from kaslite.sweeps.summary import Comparison


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
    directory: SweepDirectory, *, workers: int | None, tell: Tell, watches: tuple[Watch, ...] = ()
) -> Comparison:
    """Run what has not been run yet of the plan in a folder, and write what it compares to.

    Args:
        directory: of the sweep.
        workers: processes; 0: everything in this one; ``None``: as many as there are cores.
        tell: called after each run, with what it was, the number of runs that are over, that of all, and about how many
            seconds the rest will take.
        watches: what gives each run further sinks, in its own process.

    Raises:
        KasliteError: if the folder cannot be read or written, or if another process is at it.
    """
    from kaslite.experiment.workers import InThisProcess, Processes
    from kaslite.sweeps.job import carry_out
    from kaslite.sweeps.picture import draw
    from kaslite.sweeps.runner import sweep
    from kaslite.sweeps.summary import as_table

    plan = SweepPlan.from_json(directory.read_plan())
    at_once = cores() if workers is None else workers
    objectives = plan.searches[0].search.objectives if plan.searches else ()
    with directory.locked():
        sources = _sources(plan, directory, watches)
        crew = Processes(carry_out, imports=["kaslite.experiment.run"]) if at_once else InThisProcess(carry_out)
        comparison = sweep(directory, sources, crew, at_once=max(1, at_once), tell=tell, objectives=objectives)
        directory.write(directory.comparison, as_table(comparison) + "\n")
        draw(comparison, directory.picture)
    return comparison


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _sources(plan: SweepPlan, directory: SweepDirectory, watches: tuple[Watch, ...]) -> list[Source]:
    from kaslite.sweeps.runner import Grid

    sources: list[Source] = [Grid(plan.runs, directory, watches)]
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
                watches=watches,
            )
            for planned in plan.searches
        ]
    return sources
