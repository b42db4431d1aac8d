"""`Listing`: the runs under a folder, each by the first line of its log and the last ones. Not for: what lies in between."""

from __future__ import annotations

import os
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from kaslite.dashboard.web.liveness import status_now
from kaslite.errors import StorageError, UsageError
from kaslite.events import EpochCompleted, Event, RunFinished, RunResumed, RunStarted, from_line
from kaslite.telemetry.analytics import RunTotals, fold_totals
from kaslite.telemetry.log_tail import LONGEST_LINE, without_readings

if TYPE_CHECKING:
    from collections.abc import Iterator

LOG = "events.jsonl"
DEEPEST = 5
"""Folders from the results folder down to a run."""

_NOT_OF_RUNS = frozenset({"checkpoints", "model"})  # folders inside of runs
_IN_BETWEEN = ("final_params", "germinated", "fossilized", "culled", "wall_s")  # totals that only the whole log tells
_BLOCK = 1 << 16  # bytes that are read first from the end of a log

_Row = dict[str, Any]


@final
class Listing:
    """The runs of a results folder.

    Args:
        results: the folder; it need not exist yet.
    """

    def __init__(self, results: Path) -> None:
        self._results = results
        self._known: dict[str, tuple[tuple[int, int], _Row]] = {}  # by id: size and time of the log, and what it tells

    def log_of(self, run: str) -> Path:
        """Return the event log of a run.

        Args:
            run: its id: the path of its folder in the results folder.

        Raises:
            UsageError: if there is none, or if it lies elsewhere.
        """
        results = self._results.resolve()
        try:
            log = (results / run / LOG).resolve()
            found = not Path(run).is_absolute() and log.is_relative_to(results) and log.is_file()
        except (OSError, ValueError):  # no name that a file can have
            found = False
        if not found:
            raise UsageError(
                f"there is no run {run!r} in the folder {self._results}; links that lead out of it are not followed."
            )
        return log

    def rows(self, group: str | None = None) -> dict[str, Any]:
        """Return what is known of each run, and of which nothing can be known, and why; newest runs first.

        Args:
            group: only the runs right in this folder, with their configs.
        """
        runs: list[_Row] = []
        unreadable: list[_Row] = []
        for run in self._ids():
            if group is not None and _group(run) != group:
                continue
            try:
                runs.append(self._row(run, with_config=group is not None))
            except (StorageError, UsageError) as error:
                unreadable.append({"id": _legible(run), "why": _legible(str(error))})
        runs.sort(key=lambda row: (-row["started_s"], row["id"]))
        return {"results": _legible(self._results.resolve().name), "runs": runs, "unreadable": unreadable}

    def _ids(self) -> Iterator[str]:
        for folder in _folders_with_logs(self._results, DEEPEST):
            yield folder.relative_to(self._results).as_posix()

    def _row(self, run: str, *, with_config: bool) -> _Row:
        if _legible(run) != run:
            raise UsageError("the name of this folder is no text in UTF-8, so no address leads to it; rename the folder.")
        log = self.log_of(run)
        try:
            stamp = log.stat().st_size, log.stat().st_mtime_ns
            known = self._known.get(run)
            if known is None or known[0] != stamp:
                known = self._known[run] = stamp, _summary(log)
            config = {"config": _config(log)} if with_config else {}
        except OSError as error:
            raise StorageError(f"cannot read the event log {log}: {error.strerror}.") from error
        row = known[1]
        return {**row, "id": run, "group": _group(run), "status": status_now(row["status"], log), **config}


def _legible(name: str) -> str:
    r"""Return a name as text: bytes that are none, which names of files may hold and JSON may not, as they are written in code.

    >>> _legible("caf\udce9")
    'caf\\udce9'
    """
    return name.encode(errors="backslashreplace").decode()


def _group(run: str) -> str:
    """Return the folder that a run lies in.

    >>> _group("sweeps/20250616_143022/run_0001"), _group("a_run")
    ('sweeps/20250616_143022', '')
    """
    return run.rpartition("/")[0]


def _folders_with_logs(folder: Path, deeper: int) -> Iterator[Path]:
    """Yield folders that hold an event log; links to folders are not followed, nor is what cannot be read."""
    try:
        with os.scandir(folder) as scanned:
            entries = sorted(scanned, key=lambda entry: entry.name)
    except OSError:
        return
    if any(entry.name == LOG for entry in entries):
        yield folder
    for entry in entries:
        if deeper and entry.name not in _NOT_OF_RUNS and entry.name[0] != "." and entry.is_dir(follow_symlinks=False):
            yield from _folders_with_logs(folder / entry.name, deeper - 1)


def _summary(log: Path) -> _Row:
    started = _first(log)
    totals = reduce(fold_totals, [*([started] if started else []), *_last(log)], RunTotals())
    unknown = {} if totals.metrics is not None else dict.fromkeys(_IN_BETWEEN)
    return {
        **totals.as_dict(),
        **unknown,
        "name": totals.run_name or log.parent.name,
        "status": totals.status,
        "error": totals.error,
        "problem": totals.problem,
        "started_s": totals.started_s,
        "last_s": totals.last_s,
    }


def _config(log: Path) -> dict[str, Any]:
    started = _first(log)
    return {} if started is None else started.config


def _first(log: Path) -> RunStarted | None:
    """Return the first event; ``None`` if it is of another kind."""
    with log.open("rb") as file:
        line = file.readline(LONGEST_LINE)
    if not line.endswith(b"\n"):
        raise StorageError(f"no event was written to {log} yet.")
    event = _parse(line, log)
    return event if isinstance(event, RunStarted) else None


def _last(log: Path) -> list[Event]:
    """Return the last epoch of a log, and the end of its run, if it has ended, of what no resumption has made void."""
    size = log.stat().st_size
    block = _BLOCK
    while True:
        with log.open("rb") as file:
            start = max(0, size - block)
            file.seek(start)
            lines = file.read(size - start).split(b"\n")[:-1]
        found = _last_of(lines[1:] if start else lines, log)
        if start == 0 or block > LONGEST_LINE or (found and isinstance(found[0], EpochCompleted)):
            return found
        block *= 8


def _last_of(lines: list[bytes], log: Path) -> list[Event]:
    ended: list[Event] = []
    valid = float("inf")
    for line in reversed(lines):
        event = _parse(line, log)
        if isinstance(event, RunResumed):
            valid = min(valid, event.last_sequence)
        if event.sequence > valid:
            continue
        if isinstance(event, RunFinished):
            ended = [event]
        if isinstance(event, EpochCompleted):
            return [event, *ended]
    return ended


def _parse(line: bytes, log: Path) -> Event:
    try:
        return from_line(without_readings(line))
    except ValueError as error:
        raise StorageError(
            f"{log} holds a line that is not an event of this version of kaslite; the log is damaged, or newer."
        ) from error
