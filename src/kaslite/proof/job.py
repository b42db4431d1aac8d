"""One run of one arm, as a worker process carries it out: it is the same run that ``kaslite run`` would make.

Not for: the order of runs (`kaslite.proof.runner`).
"""

from __future__ import annotations

import hashlib
import json
import resource
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kaslite.blueprints import registered
from kaslite.errors import KasliteError
from kaslite.experiment.config import resolve
from kaslite.experiment.run import reopen, run_or_resume
from kaslite.experiment.run_directory import RunDirectory, run_name
from kaslite.proof.arm import Outcome
from kaslite.proof.provenance import code_digest

if TYPE_CHECKING:
    from pathlib import Path

    from kaslite.blueprints import Blueprint
    from kaslite.experiment.config import RunConfig
    from kaslite.experiment.run_directory import Metrics
    from kaslite.proof.arm import Arm, Lane, Measure, Row, Settings, Trial


_WHOLE: Settings = {"stop_when_solved": False}
"""Arms are compared over the epochs that are planned for them."""


@dataclass(frozen=True)
class Job:
    """What is to be run, and where; it can be sent to another process."""

    trial: str
    arm: str
    rng_seed: int
    config: RunConfig
    folder: Path  # under which the run gets its own
    blueprints: tuple[Blueprint, ...]  # known in it only
    code: str  # digest of the code that plans it; a worker may find other files by then
    measure: Measure | None
    lane: Lane  # for the measure

    @property
    def identity(self) -> Row:
        """The first columns of its row."""
        return {"trial": self.trial, "arm": self.arm, "rng_seed": self.rng_seed}

    @property
    def title(self) -> str:
        """What it is, for people."""
        return f"{self.trial}, {self.arm}, rng seed {self.rng_seed}"

    @property
    def provenance(self) -> Row:
        """What its numbers depend on."""
        return {"config": config_digest(self.config), "code": self.code}

    @property
    def directory(self) -> RunDirectory:
        """The folder of the run."""
        return RunDirectory(self.folder / self.trial / self.arm / self.code / run_name(self.config))


def plan(trial: Trial, arm: Arm, rng_seed: int, lane: Lane, folder: Path) -> Job:
    """Work out the settings of an arm from what came before it."""
    settings = {**_WHOLE, **trial.settings, **arm.settings, "rng_seed": rng_seed}
    if arm.derive is not None:
        settings |= arm.derive(settings, lane)
    return Job(trial.name, arm.name, rng_seed, resolve(settings), folder, trial.blueprints, code_digest(), arm.measure, lane)


def carry_out(job: Job) -> Outcome:
    """Run it, or go on with it if an earlier proof was interrupted there.

    Raises:
        KasliteError: which arm failed, with which rng seed, and how.
    """
    directory = job.directory
    try:
        with registered(*job.blueprints):
            metrics = run_or_resume(job.config, directory).metrics
            measured = {} if job.measure is None else job.measure(reopen(directory), job.lane)
    except KasliteError as error:
        raise KasliteError(f"the run of {job.title} failed: {error}") from error
    return Outcome(
        job.config, directory, {**job.identity, **_numbers(metrics), **measured, **job.provenance, **_spent(metrics)}
    )


def config_digest(config: RunConfig) -> str:
    """Return a digest of the settings; in place of the folder of a run that this one starts from, of that one's settings."""
    content = config.model_dump(mode="json", exclude={"host_from"})
    if config.host_from is not None:
        content["host_from"] = config_digest(RunDirectory(config.host_from).read_config())
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def _numbers(metrics: Metrics) -> Row:
    return {name: value for name, value in metrics.items() if name not in ("wall_s", "rng_seed")}


def _spent(metrics: Metrics) -> Row:
    """Return the seconds, and the most memory that this process has had."""
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"wall_s": round(metrics["wall_s"] or 0.0, 3), "peak_mib": round(peak_kib / 1024)}
