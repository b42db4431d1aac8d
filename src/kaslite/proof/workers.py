"""Processes that carry jobs out: one for each job, so that the memory it took is its own too, and none can hold up another.

They share nothing but a pipe each: a pool's queues have locks, which stay locked for good if a process dies with one.
Not for: the order of jobs (`kaslite.proof.runner`).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Protocol, Self, final

from kaslite.errors import KasliteError
from kaslite.proof.job import carry_out

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from kaslite.proof.arm import Outcome
    from kaslite.proof.job import Job


class Workers(Protocol):
    """Carry out jobs; inside ``with``, at whose end none goes on."""

    def start(self, job: Job) -> None:
        """Begin with a job."""
        ...

    def next_done(self) -> tuple[Job, Outcome]:
        """Wait until one is done, and return it.

        Raises:
            KasliteError: if it failed.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


@final
class InThisProcess:
    """Carries jobs out when they are asked for."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()

    def start(self, job: Job) -> None:
        """Begin with a job."""
        self._jobs.append(job)

    def next_done(self) -> tuple[Job, Outcome]:
        """Carry the oldest out."""
        job = self._jobs.popleft()
        return job, carry_out(job)

    def __enter__(self) -> Self:
        """Need nothing."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing."""


@final
class Processes:
    """Carries each job out in a process of its own."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__])  # so that no process has to import torch
        self._running: dict[Connection, tuple[Job, BaseProcess]] = {}

    def start(self, job: Job) -> None:
        """Begin with a job."""
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_carry_out, args=(job, theirs))
        try:
            process.start()
        finally:  # an interrupt may come while it starts
            theirs.close()
            if process.pid is not None:
                self._running[ours] = job, process

    def next_done(self) -> tuple[Job, Outcome]:
        """Wait until one is done."""
        ready = wait(self._running)
        pipe = next(pipe for pipe in self._running if pipe in ready)
        job, process = self._running.pop(pipe)
        try:
            answer: Outcome | Exception = pipe.recv()
        except EOFError:
            raise KasliteError(
                f"the process of {job.title} died, perhaps for want of memory; try again with fewer --workers."
            ) from None
        finally:
            process.join()
        if isinstance(answer, Exception):
            raise answer
        return job, answer

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


def _carry_out(job: Job, pipe: Connection) -> None:
    # An interrupt from the keyboard is for the one that waits for all, and that one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        pipe.send(carry_out(job))
    except KasliteError as error:
        pipe.send(error)
    except Exception as error:  # noqa: BLE001  told where all is told, and not lost with this process
        traceback.print_exc()
        pipe.send(KasliteError(f"the run of {job.title} failed: {error!r}."))


def _end_with_parent() -> None:
    """End this process when the one that waits for it is gone: its run would be in the way of the next proof."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "it was started by another"
    parent.join()
    os._exit(1)
