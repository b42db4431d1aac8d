"""A run carried out anew, from its recorded config, and what differs: nothing, if it can be relied on.

Not for: going on with a run that was cut off; that is `kaslite.experiment.run.resume`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch

from kaslite.errors import DataError, StorageError, UsageError
from kaslite.events import RunStarted
from kaslite.experiment.provenance import checkouts, data_sha256, versions
from kaslite.experiment.run import run
from kaslite.telemetry import read_log

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from kaslite.events import GitState
    from kaslite.experiment.assembly import Experiment
    from kaslite.experiment.run import RunResult
    from kaslite.experiment.run_directory import Metrics, RunDirectory
    from kaslite.telemetry import Sink

    Value = float | int | None

_log = logging.getLogger("kaslite")

_UNSTABLE = {"wall_s"}
_COMMIT_DIGITS = 10


@dataclass(frozen=True)
class Rerun:
    """What came out of a run the second time, against the first."""

    result: RunResult
    differences: Mapping[str, tuple[Value, Value]]  # metrics that differ: the first time, and now
    changes: tuple[str, ...]  # what has changed around it: versions, checkouts


def rerun(directory: RunDirectory, results: Path, views: Sequence[Sink] = ()) -> Rerun:
    """Carry a finished run out anew, in a folder of its own, and compare the metrics.

    What has changed around it is warned of beforehand.

    Args:
        directory: of the finished run; it is only read.
        results: the folder under which the new one gets its own; not that of a sweep, whose runs are what it holds.
        views: sinks that show the run; closed at its end.

    Raises:
        UsageError: if the run is not finished, or if its config.yaml has been changed.
        DataError: if the data, or the trained host that it began with, is not what it was; before anything is written.
        KasliteError: as from `run`.
    """
    before = directory.read_metrics()
    if before is None:
        raise UsageError(
            f"the run {directory.path} has no metrics.json, so there is nothing to compare with; finish it with "
            f"`kaslite resume {directory.path}`."
        )
    recorded, config = _read_started(directory), directory.read_config()
    _check_same_config(recorded, config.model_dump(mode="json"), directory)
    changes = tuple(_changes(recorded))
    for change in changes:
        _log.warning("this is not as it was when %s ran: %s.", directory.path.name, change)
    name = f"{directory.path.resolve().name}_rerun"
    result = run(config, results, views, name=name, check=partial(_check_same_start, recorded))
    return Rerun(result, dict(_differences(before, result.metrics)), changes)


def _read_started(directory: RunDirectory) -> RunStarted:
    first = next(read_log(directory.events), None)
    if not isinstance(first, RunStarted):
        raise StorageError(f"the event log {directory.events} does not begin with run_started; it is not that of a whole run.")
    return first


def _check_same_config(recorded: RunStarted, config: Mapping[str, object], directory: RunDirectory) -> None:
    """Refuse a config.yaml that somebody has changed since the run began."""
    for name, value in recorded.config.items():
        if config.get(name) != value:
            raise UsageError(
                f"{directory.config} is not what the run began with: {name} was {value}, and is {config.get(name)}; put it "
                "back, or start a new run with `kaslite run --config`."
            )


def _changes(recorded: RunStarted) -> Iterator[str]:
    """Yield what is not as it was, of what was recorded."""
    now = versions()
    for name, version in recorded.versions.items():
        if now.get(name) != version:
            yield f"{name} was {version}, and is {now.get(name, 'not installed')}"
    if recorded.config.get("device") == "cuda" and not torch.cuda.is_available():
        yield "the device was cuda, and is cpu"
    there = checkouts()
    if recorded.git is not None and recorded.git != recorded.kaslite_git:
        yield from _checkout_changes("the checkout", recorded.git, there.git)
    if recorded.kaslite_git is not None:
        yield from _checkout_changes("kaslite's checkout", recorded.kaslite_git, there.kaslite_git)


def _checkout_changes(name: str, before: GitState, now: GitState | None) -> Iterator[str]:
    if now != before:
        yield f"{name} was at {_described(before)}, and is {'not told by git now' if now is None else 'at ' + _described(now)}"


def _described(state: GitState) -> str:
    commit = "no commit" if state.commit is None else f"commit {state.commit[:_COMMIT_DIGITS]}"
    if not state.changes:
        return commit
    files = ", ".join(state.changed[:3]) + (", ..." if state.changes > 3 else "")
    return f"{commit} with changes in {state.changes} files ({files})"


def _check_same_start(recorded: RunStarted, experiment: Experiment) -> None:
    """Refuse to train on other data, or on another trained host, than the first time."""
    if recorded.data_sha256 not in (None, data_sha256(experiment.task)):
        raise DataError(
            f"the data has changed since {recorded.run_name} ran: {experiment.task.name} now gives other samples, by their "
            "checksum; put the old data or the old versions back, or start a new run with `kaslite run`."
        )
    if recorded.host_sha256 not in (None, experiment.host_sha256):
        raise DataError(
            f"the trained host has changed since {recorded.run_name} ran: {experiment.config.host_from} now holds another one; "
            "put the old run back, or start a new one with `kaslite run`."
        )


def _differences(before: Metrics, now: Metrics) -> Iterator[tuple[str, tuple[Value, Value]]]:
    """Yield each metric of the first time that is another one now; it may lack some that there are now."""
    for name, value in before.items():
        if name not in _UNSTABLE and (name not in now or now[name] != value):
            yield name, (value, now.get(name))
