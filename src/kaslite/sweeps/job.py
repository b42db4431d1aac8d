"""One run of a sweep, as a worker process carries it out: it is the same run that ``kaslite run`` would make.

Not for: the order of runs (`kaslite.sweeps.runner`).
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kaslite.errors import StorageError
from kaslite.experiment.config import resolve
from kaslite.experiment.run_directory import RunDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from kaslite.experiment.run_directory import Metrics
    from kaslite.sweeps.plan import PlannedRun
    from kaslite.telemetry import Sink

    Watch = Callable[[str], Sequence[Sink]]
    """Gives the sinks that a run has beside its log, by its name; it is sent to the process of the run, and called there."""


@dataclass(frozen=True)
class Job:
    """What is to be run, and where; it can be sent to another process."""

    planned: PlannedRun
    folder: Path  # of the sweep
    watches: tuple[Watch, ...] = ()

    @property
    def title(self) -> str:
        """What it is, for people."""
        return self.planned.title

    @property
    def gpus(self) -> int:
        """How many it asks for."""
        return int(self.planned.settings.get("device") == "cuda")

    @property
    def directory(self) -> RunDirectory:
        """The folder of the run."""
        return RunDirectory(self.folder / self.planned.name)


def carry_out(job: Job) -> Metrics:
    """Run it, or go on with it if an earlier sweep was interrupted there.

    Raises:
        StoppedError: if one of those who watch it has stopped it.
        StorageError: if the folder of the sweep cannot be seen from here.
        KasliteError: if it fails.
    """
    if not job.folder.is_dir():
        raise StorageError(f"{job.folder} is not there on {platform.node()}; every machine has to see the folder of the sweep.")
    from kaslite.experiment.run import run_or_resume  # imports torch, which only the process of a run needs

    config = resolve(job.planned.settings)
    sinks = [sink for watch in job.watches for sink in watch(job.planned.name)]
    return run_or_resume(config, job.directory, sinks).metrics
