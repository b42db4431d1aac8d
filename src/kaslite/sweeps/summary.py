"""What the runs of a sweep compare to: ``sweep_summary.csv`` with all settings and results of each, and a table of the best.

Not for: the picture (`kaslite.sweeps.picture`).
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kaslite.experiment.run_directory import RunDirectory
from kaslite.sweeps.objective import badness, natural_objective, on_front
from kaslite.sweeps.plan import PlannedRun, brief, flattened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kaslite.experiment.run_directory import Metrics
    from kaslite.sweeps.directory import SweepDirectory

SHOWN = 20
"""Runs in the table; the rest is in the CSV file."""

Row = dict[str, Any]


@dataclass(frozen=True)
class RunOutcome:
    """How one run ended."""

    planned: PlannedRun
    status: str  # completed, pruned or failed
    metrics: Metrics | None = None  # of a completed one
    error: str | None = None  # why it is not completed


@dataclass(frozen=True)
class Comparison:
    """All runs of a sweep that are over, in the order of their numbers.

    Args:
        outcomes: of those runs.
        objectives: what they are compared by, the first one first; by default what suits their problem.
    """

    outcomes: Sequence[RunOutcome]
    given_objectives: tuple[str, ...] = ()

    @property
    def completed(self) -> list[RunOutcome]:
        """Those with results."""
        return [outcome for outcome in self.outcomes if outcome.metrics is not None]

    @property
    def objectives(self) -> tuple[str, ...]:
        """What they are compared by."""
        return self.given_objectives or (natural_objective(_results(self.completed)),)

    @property
    def ranked(self) -> list[RunOutcome]:
        """The completed ones, best first; where there are several objectives, those first that no other beats."""
        completed, objective = self.completed, self.objectives[0]
        by_first = sorted(completed, key=lambda run: badness(objective, (run.metrics or {}).get(objective)))
        if len(self.objectives) == 1:
            return by_first
        front = on_front(self.objectives, _results(by_first))
        return [run for first in (True, False) for run, is_on in zip(by_first, front, strict=True) if is_on is first]

    @property
    def varied(self) -> list[str]:
        """The parameters that differ between runs."""
        seen: dict[str, set[str]] = {}
        for outcome in self.outcomes:
            for name, value in outcome.planned.parameters.items():
                seen.setdefault(name, set()).add(cell(value))
        return [name for name, values in seen.items() if len(values) > 1]

    def count(self, status: str) -> int:
        """Return how many ended like that."""
        return sum(outcome.status == status for outcome in self.outcomes)

    def rows(self) -> list[Row]:
        """Return a row for each run, all with the same columns."""
        rows = [_row(outcome, self.objectives) for outcome in self.outcomes]
        columns = dict.fromkeys(name for part in range(3) for row in rows for name in row[part])
        merged = [{name: value for part in row for name, value in part.items()} for row in rows]
        return [{name: row.get(name) for name in columns} for row in merged]


def outcomes_in(directory: SweepDirectory, known: Mapping[str, PlannedRun]) -> list[RunOutcome]:
    """Return the runs that are over as the folder of a sweep tells of them, also of one that was killed.

    Args:
        directory: of the sweep.
        known: the runs that were planned beforehand, by name.

    Raises:
        StorageError: if a file cannot be read.
    """
    finished = {path.parent.name: {"status": "completed"} for path in sorted(directory.path.glob("run_*/metrics.json"))}
    rows = {row["run"]: row for row in directory.read_summary() if row.get("run")} | finished
    outcomes = []
    for name, row in sorted(rows.items()):
        metrics = RunDirectory(directory.path / name).read_metrics()
        planned = known.get(name) or PlannedRun(name, row.get("source", ""), {}, {})
        outcomes.append(RunOutcome(planned, row["status"], metrics, row.get("error") or None))
    return outcomes


def as_csv(rows: Sequence[Row]) -> str:
    """Return rows as the text of a CSV file; what was not measured is empty."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: cell(value) for name, value in row.items()} for row in rows)
    return stream.getvalue()


def as_table(comparison: Comparison) -> str:
    """Return the best runs as a table, and what became of the others."""
    results = [
        *comparison.objectives,
        *(name for name in ("test_accuracy", "final_params") if name not in comparison.objectives),
    ]
    shown = comparison.ranked[:SHOWN]
    lines = [["run", *comparison.varied, *results]]
    for outcome in shown:
        flat = outcome.planned.parameters
        numbers = [_figure((outcome.metrics or {}).get(name)) for name in results]
        lines.append([outcome.planned.name, *(brief(flat.get(name)) for name in comparison.varied), *numbers])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = "\n".join("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in lines)
    return f"{table}\n\n{_verdict(comparison, len(shown))}"


def cell(value: Any) -> str:
    """Return a value as it stands in a table: a list as JSON, nothing for what is not there."""
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, list | dict | bool) else str(value)


def _verdict(comparison: Comparison, shown: int) -> str:
    counts = [
        f"{comparison.count(status)} {status}" for status in ("completed", "pruned", "failed") if comparison.count(status)
    ]
    order = f"{shown} shown, best {comparison.objectives[0]} first"
    if len(comparison.objectives) > 1:
        names = " and ".join(comparison.objectives)
        front = sum(on_front(comparison.objectives, _results(comparison.completed)))
        order = f"{shown} shown; the first {front} are beaten by none in {names} together"
    return f"{len(comparison.outcomes)} runs: {', '.join(counts) or 'none over'}; {order}"


def _row(outcome: RunOutcome, objectives: Sequence[str]) -> tuple[Row, Row, Row]:
    """Return the columns of a run in three parts: what was asked, what came out, all settings."""
    metrics = outcome.metrics or {}
    asked = {"run": outcome.planned.name, "status": outcome.status, **outcome.planned.parameters}
    chosen = {"objective": objectives[0], "objective_value": metrics.get(objectives[0])}
    rest = {**flattened(outcome.planned.settings), "source": outcome.planned.source, "error": outcome.error}
    return asked, {**chosen, **metrics}, {name: value for name, value in rest.items() if name not in asked}


def _results(outcomes: Sequence[RunOutcome]) -> list[Metrics]:
    return [outcome.metrics for outcome in outcomes if outcome.metrics is not None]


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def best_of(comparison: Comparison) -> Mapping[str, Any] | None:
    """Return the best run, for programs."""
    ranked = comparison.ranked
    if not ranked:
        return None
    return {"run": ranked[0].planned.name, "parameters": ranked[0].planned.parameters, "metrics": ranked[0].metrics}
