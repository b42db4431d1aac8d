"""Processes that carry jobs out: one for each job, so that the memory it took is its own too, and none can hold up another.

They share nothing but a pipe each: a pool's queues have locks, which stay locked for good if a process dies with one.
`Workers` is the place where another executor plugs in. Not for: the order of jobs, or what a job is.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections import deque
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar, final

from kaslite.errors import KasliteError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess


class Titled(Protocol):
    """What has to be done; it can be sent to another process."""

    @property
    def title(self) -> str:
        """What it is, for people."""
        ...


J = TypeVar("J", bound=Titled)
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Workers(Protocol[J, R_co]):
    """Carry out jobs; inside ``with``, at whose end none goes on."""

    def start(self, job: J) -> None:
        """Begin with a job."""
        ...

    def next_done(self) -> tuple[J, R_co | KasliteError]:
        """Wait until one is done, and return it, with what came out of it or how it failed."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


@final
class InThisProcess(Generic[J, R]):
    """Carries jobs out when they are asked for.

    Args:
        carry_out: does one, and raises a `KasliteError` if it fails.
    """

    def __init__(self, carry_out: Callable[[J], R]) -> None:
        self._carry_out = carry_out
        self._jobs: deque[J] = deque()

    def start(self, job: J) -> None:
        """Begin with a job."""
        self._jobs.append(job)

    def next_done(self) -> tuple[J, R | KasliteError]:
        """Carry the oldest out."""
        job = self._jobs.popleft()
        return job, outcome_of(self._carry_out, job)

    def __enter__(self) -> Self:
        """Need nothing."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing."""


@final
class Processes(Generic[J, R]):
    """Carries each job out in a process of its own.

    Args:
        carry_out: as for `InThisProcess`; a function of a module, which each process finds imported.
        imports: further modules that each process finds imported.
    """

    def __init__(self, carry_out: Callable[[J], R], imports: Sequence[str] = ()) -> None:
        self._carry_out = carry_out
        self._context = multiprocessing.get_context("forkserver")
        # No process has to import torch, or what the main program imported, for itself.
        ours = [name for name in list(sys.modules) if name.partition(".")[0] == __name__.partition(".")[0]]
        self._context.set_forkserver_preload([*ours, carry_out.__module__, *imports])
        self._running: dict[Connection, tuple[J, BaseProcess]] = {}

    def start(self, job: J) -> None:
        """Begin with a job."""
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_work, args=(self._carry_out, job, theirs))
        try:
            process.start()
        finally:  # an interrupt may come while it starts
            theirs.close()
            if process.pid is not None:
                self._running[ours] = job, process

    def next_done(self) -> tuple[J, R | KasliteError]:
        """Wait until one is done."""
        ready = wait(self._running)
        pipe = next(pipe for pipe in self._running if pipe in ready)
        job, process = self._running.pop(pipe)
        try:
            return job, pipe.recv()
        except EOFError:
            return job, KasliteError(
                f"the process of {job.title} died, perhaps for want of memory; try again with fewer --workers."
            )
        finally:
            pipe.close()
            process.join()

    def __enter__(self) -> Self:
        """Need nothing yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """End what still runs; it can be gone on with."""
        processes = [process for _, process in self._running.values()]
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()


def _work(carry_out: Callable[[Any], Any], job: Titled, pipe: Connection) -> None:
    # An interrupt from the keyboard is for the one that waits for all, and that one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    pipe.send(outcome_of(carry_out, job))


def outcome_of(carry_out: Callable[[J], R], job: J) -> R | KasliteError:
    """Carry a job out, and return what came out of it, or how it failed."""
    try:
        return carry_out(job)
    except KasliteError as error:
        return error
    except Exception as error:  # noqa: BLE001  told where all is told, and not lost with this process
        traceback.print_exc()
        return KasliteError(f"the run of {job.title} failed: {error!r}.")


def _end_with_parent() -> None:
    """End this process when the one that waits for it is gone: its run would be in the way of who goes on."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "it was started by another"
    parent.join()
    os._exit(1)
