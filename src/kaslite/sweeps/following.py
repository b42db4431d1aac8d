"""Follows the runs of a sweep by their event logs, and writes the events of each one to a sink of its own.

So the process that waits for the runs can have them tracked: those that train spend nothing on it, wherever they are. Not for:
what the sinks make of the events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from kaslite.events import RunFinished, RunStarted
from kaslite.experiment.run_directory import RunDirectory
from kaslite.sweeps.plan import PlannedRun
from kaslite.sweeps.summary import Comparison, RunOutcome
from kaslite.telemetry.log_tail import LogTail, Rewound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import Literal

    from kaslite.events import Event
    from kaslite.telemetry.background import Batched

    Open = Callable[[str], Batched[Event]]

Fact = PlannedRun | RunOutcome | Comparison
"""What a sweep tells: a run has begun, a run is over, the whole sweep is."""


@final
class FollowedRuns:
    """The runs of a sweep; those that still go when it is closed count as interrupted.

    Args:
        folder: of the sweep.
        open_sink: makes the sink of a run, from its name.
        unbegun: whether a run that failed before its first event is written, too.
    """

    def __init__(self, folder: Path, open_sink: Open, *, unbegun: bool = False) -> None:
        self._folder, self._open_sink, self._unbegun = folder, open_sink, unbegun
        self._going: dict[str, _Feed] = {}

    def write(self, event: Fact) -> None:
        """Take that a run has begun or is over."""
        match event:
            case PlannedRun():
                self._going[event.name] = self._feed(event.name)
            case RunOutcome(planned=planned):
                feed = self._going.pop(planned.name, None) or self._feed(planned.name)
                if event.error is not None and self._unbegun:
                    feed.begin(planned)
                feed.end("failed" if event.status == "failed" else "interrupted", event.error)
            case Comparison():
                pass

    def flush(self) -> None:
        """Write what the runs that go have logged meanwhile."""
        for feed in self._going.values():
            feed.catch_up()

    def close(self) -> None:
        """Write the last of all."""
        for feed in self._going.values():
            feed.end("interrupted")
        self._going = {}

    def _feed(self, name: str) -> _Feed:
        return _Feed(RunDirectory(self._folder / name).events, lambda: self._open_sink(name))


@final
class _Feed:
    """The log of one run on its way into a sink, which is made with the first event."""

    def __init__(self, log: Path, open_sink: Callable[[], Batched[Event]]) -> None:
        self._log, self._open_sink = log, open_sink
        self._tail = LogTail(log)
        self._sink: Batched[Event] | None = None
        self._last: Event | None = None
        self._end: RunFinished | None = None  # which may be that of an attempt before this one

    def catch_up(self) -> None:
        """Write what is new but the end."""
        self._pass_on(self._new())

    def begin(self, planned: PlannedRun) -> None:
        """Write that the run began, if it did not come so far itself."""
        if self._last is None and not self._log.exists():
            threads = planned.settings.get("num_threads", 1)
            about = {"config": planned.settings, "num_threads": threads, "seeds": (), "host_params": 0, "versions": {}}
            self._pass_on([RunStarted(epoch=0, run_name=planned.name, **about)])

    def end(self, status: Literal["interrupted", "failed"], error: str | None = None) -> None:
        """Write the rest; a run that did not come to log its end gets one.

        Args:
            status: of such a run.
            error: why it failed.
        """
        new = self._new()
        self._pass_on([*new, *([self._end] if self._end else [])])
        if self._sink is None or self._last is None:
            return
        if not isinstance(self._last, RunFinished):
            self._sink.write(RunFinished(epoch=self._last.epoch, status=status, metrics=None, error=error))
        self._sink.close()

    def _new(self) -> list[Event]:
        """Return the events since those that were passed on, but the end; a resumed run repeats some, which are left out."""
        last = 0 if self._last is None else self._last.sequence
        new: list[Event] = []
        for event in self._tail.new():
            if isinstance(event, Rewound):
                self._end = None
            elif isinstance(event, RunFinished):
                self._end = event
            elif event.sequence > last:
                new.append(event)
        return new

    def _pass_on(self, events: Sequence[Event]) -> None:
        if not events:
            return
        if self._sink is None:
            self._sink = self._open_sink()
        for event in events:
            self._sink.write(event)
        self._sink.flush()
        self._last = events[-1]
