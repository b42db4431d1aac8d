"""A sweep's folder: ``results/sweeps/YYYYMMDD_HHMMSS/`` with ``plan.json``, a folder for each run, and what they compare to.

Two sweeps never share one, nor do two processes go on with the same one at once. Not for: what the files say.
"""

from __future__ import annotations

import csv
import json
import shutil
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from kaslite.errors import StorageError, UsageError
from kaslite.experiment.run_directory import RunDirectory, make_new
from kaslite.telemetry.file_lock import lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FORMAT = 1
"""Of ``plan.json``."""


class SweepDirectory:
    """The folder of one sweep."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def plan(self) -> Path:
        """What it will run."""
        return self.path / "plan.json"

    @property
    def summary(self) -> Path:
        """A row for each run: all its settings and results."""
        return self.path / "sweep_summary.csv"

    @property
    def comparison(self) -> Path:
        """The best runs, for people."""
        return self.path / "comparison.txt"

    @property
    def picture(self) -> Path:
        """The objective over each setting that was swept."""
        return self.path / "comparison.png"

    @property
    def journal(self) -> Path:
        """What a search knows of its trials."""
        return self.path / "search.journal"

    @classmethod
    def create(cls, results: Path, plan: Mapping[str, Any]) -> SweepDirectory:
        """Make a new folder, named by the time, with a plan in it.

        Raises:
            StorageError: if it cannot be written; then nothing is left behind.
        """
        sweeps = results / "sweeps"
        try:
            sweeps.mkdir(parents=True, exist_ok=True)
            directory = cls(make_new(sweeps, datetime.now().astimezone().strftime("%Y%m%d_%H%M%S")))
        except OSError as error:
            raise _cannot_write(sweeps, error) from error
        try:
            RunDirectory.write_text(directory.plan, json.dumps({"format": FORMAT, **plan}) + "\n")
        except OSError as error:
            shutil.rmtree(directory.path, ignore_errors=True)
            raise _cannot_write(sweeps, error) from error
        return directory

    @classmethod
    def find(cls, path: Path) -> SweepDirectory:
        """Find a sweep by its folder; the error names the newest beside it.

        Raises:
            UsageError: if there is none.
        """
        directory = cls(path)
        if directory.plan.is_file():
            return directory
        there = sorted((plan.parent for plan in path.parent.glob("*/plan.json")), reverse=True)
        newest = ", ".join(map(str, there[:3])) or "none"
        raise UsageError(f"{path} is not the folder of a sweep: it has no plan.json; the newest beside it: {newest}.")

    def read_plan(self) -> dict[str, Any]:
        """Read the plan back.

        Raises:
            StorageError: if it cannot be read, or is of another version.
        """
        try:
            plan = json.loads(self.plan.read_bytes())
        except OSError as error:
            raise StorageError(f"cannot read the plan {self.plan}: {error.strerror}.") from error
        except ValueError as error:
            raise StorageError(f"the plan {self.plan} is damaged: it is not JSON.") from error
        if not isinstance(plan, dict) or plan.get("format") != FORMAT:
            raise StorageError(f"the plan {self.plan} is damaged, or of another version of kaslite.")
        return plan

    def read_summary(self) -> list[dict[str, str]]:
        """Return the rows of the summary; none if there is none yet.

        Raises:
            StorageError: if it cannot be read.
        """
        try:
            return list(csv.DictReader(self.summary.read_text(encoding="utf-8").splitlines()))
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise StorageError(f"cannot read the summary {self.summary}: {error}.") from error

    def write(self, path: Path, text: str) -> None:
        """Write a file of it, whole or not at all.

        Raises:
            StorageError: if it cannot be written.
        """
        try:
            RunDirectory.write_text(path, text)
        except OSError as error:
            raise StorageError(
                f"cannot write {path}: {error.strerror}; what is finished stays, and when that is mended it goes on with: "
                f"kaslite sweep --resume {self.path}"
            ) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from going on with it.

        Raises:
            StillGoingError: if one is at it.
            StorageError: if the folder cannot be written to.
        """
        try:
            file = (self.path / ".lock").open("w")
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        with file:
            lock(file, f"the sweep {self.path} is still going: another process carries it out; wait until it ends.")
            yield


def _cannot_write(path: Path, error: OSError) -> StorageError:
    return StorageError(f"cannot write {path}: {error.strerror}; choose another folder with --results_dir.")
