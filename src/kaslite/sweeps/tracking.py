"""A sweep in MLflow: a run with its settings, best result and comparison, under which all its runs are nested.

All of them are found again by the mark of the sweep, so one that goes on, or is uploaded later, goes on in the same MLflow
runs. Not for: what is logged of a run; that is `kaslite.telemetry.sinks.mlflow`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol, final

from kaslite.sweeps.following import FollowedRuns
from kaslite.sweeps.objective import badness
from kaslite.sweeps.plan import PlannedRun, flattened
from kaslite.sweeps.summary import Comparison, RunOutcome, outcomes_in
from kaslite.sweeps.sweeping import SweepPlan
from kaslite.telemetry.mlflow_store import MlflowAddress, MlflowStore, Point
from kaslite.telemetry.sinks.mlflow import MlflowSink, flat

if TYPE_CHECKING:
    from kaslite.sweeps.directory import SweepDirectory
    from kaslite.sweeps.following import Fact


class OpenNested(Protocol):
    """Makes the sink of a run under a sweep."""

    def __call__(self, *, parent_run_id: str, key: str) -> MlflowSink:
        """Make it; the key is what the run is found again by."""
        ...


@final
class MlflowSweep:
    """Tracks one sweep.

    Args:
        address: of the store.
        directory: of the sweep.
        open_sink: makes the sink of each run.

    Raises:
        StorageError: here and in every method, if the store does not answer or does not take what is logged.
    """

    def __init__(self, address: MlflowAddress, directory: SweepDirectory, open_sink: OpenNested) -> None:
        plan = SweepPlan.from_json(directory.read_plan())
        about = {"mlflow.source.name": "kaslite sweep", "mlflow.source.type": "LOCAL"}
        began_s = directory.plan.stat().st_mtime
        self._directory, self._objectives = directory, plan.objectives
        self._is_whole = False
        self._parent = MlflowStore(address, key=plan.owner, name=directory.path.name, started_s=began_s, tags=about)
        self._parent.log_params(flat(_settings(plan)))
        self._complete = self._parent.finished_children()
        self._runs = FollowedRuns(
            directory.path,
            lambda name: open_sink(parent_run_id=self._parent.run_id, key=f"{plan.owner}/{name}"),
            unbegun=True,
        )
        self._outcomes: dict[str, RunOutcome] = {}
        self._compared = 0  # how many of them
        self._logged = dict(self._parent.metrics)
        self._step = self._parent.last_step

    @property
    def run_id(self) -> str:
        """The id that MLflow has given the sweep."""
        return self._parent.run_id

    @property
    def experiment_id(self) -> str:
        """The id of the experiment in which it is."""
        return self._parent.experiment_id

    def write(self, event: Fact) -> None:
        """Take that a run has begun or is over, or all of them; one that is there whole is left as it is."""
        self._is_whole |= isinstance(event, Comparison)
        if isinstance(event, RunOutcome):
            self._outcomes[event.planned.name] = event
            if event.status == "completed" and event.planned.name in self._complete:
                return
        self._runs.write(event)

    def flush(self) -> None:
        """Send what the runs have logged, and what they compare to so far."""
        self._runs.flush()
        if len(self._outcomes) == self._compared:
            return
        self._compared = len(self._outcomes)
        news = {name: value for name, value in _numbers(self._comparison).items() if self._logged.get(name) != value}
        self._step = max(self._step + 1, self._compared)
        now_ms = round(1000 * time.time())
        self._parent.log([Point(name, value, self._step, now_ms) for name, value in news.items()], {})
        self._logged |= news

    def close(self) -> None:
        """Send the rest, and the files of the comparison."""
        self._runs.close()
        self.flush()
        ranked = self._comparison.ranked
        if ranked:
            self._parent.log([], {"best_run": ranked[0].planned.name})
        directory = self._directory
        for path in (directory.plan, directory.summary, directory.comparison, directory.picture):
            if path.exists():
                self._parent.log_file(path)
        self._parent.end(self._status(), time.time())

    @property
    def _comparison(self) -> Comparison:
        return Comparison([self._outcomes[name] for name in sorted(self._outcomes)], self._objectives)

    def _status(self) -> str:
        if not self._is_whole:
            return "KILLED"
        return "FAILED" if any(outcome.status == "failed" for outcome in self._outcomes.values()) else "FINISHED"


def upload(sweep: MlflowSweep, directory: SweepDirectory) -> None:
    """Track a sweep that went without, from its folder.

    Raises:
        KasliteError: if the folder cannot be read, or the store does not take it.
    """
    plan = SweepPlan.from_json(directory.read_plan())
    known = {run.name: run for run in plan.runs}
    over = {outcome.planned.name: outcome for outcome in outcomes_in(directory, known)}
    cut_off = [log.parent.name for log in sorted(directory.path.glob("run_*/events.jsonl")) if log.parent.name not in over]
    begun = [known.get(name) or PlannedRun(name, "", {}, {}) for name in cut_off]
    facts: list[Fact] = [*over.values(), *begun]
    for fact in facts:
        sweep.write(fact)
    if directory.comparison.exists():  # it is written when all runs of this machine are over
        sweep.write(Comparison(list(over.values()), plan.objectives))
    sweep.flush()
    sweep.close()


def _numbers(comparison: Comparison) -> dict[str, float]:
    """Return what a sweep has come to."""
    counts = {status: float(comparison.count(status)) for status in ("completed", "pruned", "failed")}
    if not comparison.completed:
        return counts
    best = {}
    for name in comparison.objectives:
        values = [(run.metrics or {}).get(name) for run in comparison.completed]
        least = min(values, key=lambda value: badness(name, value))
        if least is not None:
            best[f"best_{name}" if not name.startswith("best_") else name] = float(least)
    return counts | best


def _settings(plan: SweepPlan) -> dict[str, Any]:
    """Return what a sweep was asked for: what holds for all of its runs, and the values or ranges of the rest."""
    swept: dict[str, list[Any]] = {}
    for run in plan.runs:
        for name, value in run.parameters.items():
            there = swept.setdefault(name, [])
            if value not in there:
                there.append(value)
    chosen = {name: values if len(values) > 1 else values[0] for name, values in swept.items()}
    said = {"runs": plan.total, **flattened(plan.base), **chosen}
    for planned in plan.searches:
        asked = planned.search.model_dump(mode="json", exclude_none=True)
        fixed = {name: values[0] for name, values in planned.file.grid.items()}
        said |= {**fixed, **asked.pop("ranges"), "search": {planned.file.path.stem: asked}}
    return said
