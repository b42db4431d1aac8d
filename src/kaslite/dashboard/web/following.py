"""`FollowedRun`: the story of one run, kept up to date for all pages that show it. Not for: HTTP."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from kaslite.dashboard.web.liveness import status_now
from kaslite.dashboard.web.story import Cursor, Story
from kaslite.errors import StorageError
from kaslite.telemetry.log_tail import LogTail, Rewound

if TYPE_CHECKING:
    from pathlib import Path


@final
@dataclass(frozen=True)
class Told:
    """How much of a run a page knows."""

    version: int
    story: int  # which one: a log that was rewound begins another
    cursor: Cursor


@final
class FollowedRun:
    """A run that at least one page shows; it reads its log when it is asked for news, and never by itself.

    Args:
        log: its event log, which need not exist yet.
    """

    def __init__(self, log: Path) -> None:
        self._log, self._tail = log, LogTail(log)
        self._story, self._stories, self._version = Story(), 1, 0
        self._shown: tuple[str, str | None] | None = None  # status and trouble, as they were told last
        self._lock = threading.Lock()

    def news(self, told: Told | None = None) -> tuple[str, bytes, Told] | None:
        """Return what is new: ``whole`` or ``more``, its content as JSON, and how much is known with it; ``None``: nothing.

        May take seconds the first time. Threads wait for each other.

        Args:
            told: how much is known; nothing by default.
        """
        from pydantic_core import to_json

        with self._lock:
            status, trouble = self._catch_up()
            if told is not None and told.version == self._version:
                return None
            if told is None or told.story != self._stories:
                news = {"whole": self._story.whole()}
            else:
                news = self._story.since(told.cursor)
            ((kind, content),) = news.items()
            content["run"] |= {"status": status, "trouble": trouble}
            now = Told(self._version, self._stories, self._story.cursor())
            return kind, to_json(content, inf_nan_mode="null"), now

    def _catch_up(self) -> tuple[str, str | None]:
        """Read what is new, and return the status of the run and why its log cannot be read any further."""
        trouble = None
        try:
            for event in self._tail.new(lambda epoch: self._story.wants_readings(epoch)):  # noqa: PLW0108  it may become another
                self._version += 1
                if isinstance(event, Rewound):
                    self._story, self._stories = Story(), self._stories + 1
                else:
                    self._story.take(event)
        except StorageError as error:
            trouble = str(error)
        shown = status_now(self._story.status, self._log), trouble
        if shown != self._shown:
            self._shown = shown
            self._version += 1
        return shown
