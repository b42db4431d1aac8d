"""`Background`: a sink around a slow sink, which it makes and feeds in a thread of its own.

What writes events never waits for it, and never fails because of it: when something goes wrong behind it, that is said once,
and the rest is left out. The event log has everything, so nothing is lost. What a sweep tells of its runs can be passed on in
the same way. Not for: the event log itself.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, final

from kaslite.errors import KasliteError
from kaslite.events import RunStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

E = TypeVar("E")
E_contra = TypeVar("E_contra", contravariant=True)

_log = logging.getLogger("kaslite")

_SHARE = 0.01  # of the time that may be spent on flushing
_LONGEST_PAUSE_S = 5.0
_GENTLE = 15  # of 19


class Batched(Protocol[E_contra]):
    """A sink that keeps what is written to it until it is told to pass it on."""

    def write(self, event: E_contra) -> None:
        """Take one event."""
        ...

    def close(self) -> None:
        """Pass on the rest; nothing is written afterwards."""
        ...

    def flush(self) -> None:
        """Pass on what was written so far."""
        ...


@final
class Background(Generic[E]):
    """Feeds a sink in a thread, in batches.

    Args:
        what: how a warning calls it.
        open: makes the sink; called in the thread, so it may take its time to import and to connect.
        every_s: shortest time between two batches; where they take long, it is longer, up to 5 seconds.
        patience_s: how long `close` waits for the thread.
        check: asked each second meanwhile; raises if there is nothing to wait for.
        remedy: from the name of the run, what a warning adds.
        whose: what goes on without it, as a warning calls it.
        gently: whether the thread gives way to other processes, such as those that train; on Linux.
    """

    def __init__(
        self,
        what: str,
        open: Callable[[], Batched[E]],
        *,
        every_s: float = 1.0,
        patience_s: float = 60.0,
        check: Callable[[], object] = lambda: None,
        remedy: Callable[[str], str] = lambda _: "",
        whose: str = "run",
        gently: bool = False,
    ) -> None:
        self._what, self._open, self._remedy, self._whose = what, open, remedy, whose
        self._every_s, self._patience_s, self._check, self._gently = every_s, patience_s, check, gently
        self._events: deque[E] = deque()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._failed = False
        self._run_name = ""

    def recall(self, history: Sequence[E]) -> None:
        """Take in the past: for this sink it is like the present."""
        for event in history:
            self.write(event)

    def write(self, event: E) -> None:
        """Take an event, and return at once."""
        if self._failed:
            return
        if isinstance(event, RunStarted):
            self._run_name = event.run_name
        self._events.append(event)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=f"kaslite: {self._what}", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Wait until all is passed on, and not longer than the patience goes."""
        self._closing.set()
        if self._thread is None:
            return
        deadline_s = time.monotonic() + self._patience_s
        while self._thread.is_alive() and not self._failed:
            self._thread.join(min(1.0, max(0.0, deadline_s - time.monotonic())))
            self._look(deadline_s)

    def _look(self, deadline_s: float) -> None:
        """Give up if waiting for the thread has become pointless."""
        if self._thread is None or not self._thread.is_alive():
            return
        try:
            self._check()
        except KasliteError as error:
            self._give_up(str(error))
        if time.monotonic() >= deadline_s:
            self._give_up(f"no answer for {self._patience_s:g} s")

    def _work(self) -> None:
        try:
            if self._gently and sys.platform == "linux":  # elsewhere a thread has no priority of its own
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _GENTLE)
            sink = self._open()
            pause_s = 0.0
            while not self._closing.wait(pause_s):
                pause_s = self._pass_on(sink)
            self._pass_on(sink)
            sink.close()
        except Exception as error:  # noqa: BLE001  whatever it is, training goes on, and it is said
            self._give_up(" ".join(str(error).split()) or repr(error))

    def _pass_on(self, sink: Batched[E]) -> float:
        """Pass on what there is; return for how many seconds to pause then."""
        started_s = time.perf_counter()
        for _ in range(len(self._events)):
            sink.write(self._events.popleft())
        sink.flush()
        taken_s = time.perf_counter() - started_s
        return min(max(self._every_s, taken_s / _SHARE), max(self._every_s, _LONGEST_PAUSE_S))

    def _give_up(self, why: str) -> None:
        if self._failed:
            return
        self._failed = True
        self._events.clear()
        remedy = self._remedy(self._run_name)
        then = f"The {self._whose} goes on without it{f'; {remedy}' if remedy else '.'}"
        _log.warning("%s: %s %s", self._what, why.rstrip(".") + ".", then)
