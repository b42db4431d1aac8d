"""A run's folder, ``results/<run name>/``: its config, its logs, ``checkpoints/``, ``model/`` and ``metrics.json``.

Two runs never share one, and no file in it is ever half-written. Not for: what the files say.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from kaslite.errors import StorageError, UsageError
from kaslite.experiment.config import read_settings, resolve
from kaslite.whole_file import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kaslite.experiment.config import RunConfig

MOST_TWINS = 10_000

_BEFORE: Mapping[str, Any] = {"stop_when_solved": False}
"""What runs did before there was such a setting, where that is not its default: they go on, and are run anew, as they began."""

Metrics = dict[str, float | int | None]
"""The content of ``metrics.json``."""


def slug(config: RunConfig) -> str:
    """Return the documented short description of a run.

    >>> from kaslite.experiment.config import RunConfig
    >>> slug(RunConfig(input_dim=3, hidden_dim=128, blend_steps=30))
    'spirals_dim3_cpu_h128_bs30_lr0.001_pt0.6_dw0.12'
    """
    return (
        f"{config.problem_type}_dim{config.input_dim}_{config.device}_h{config.hidden_dim}_bs{config.blend_steps}"
        f"_lr{config.shadow_lr:g}_pt{config.progress_thresh:g}_dw{config.drift_warn:g}"
    )


def run_name(config: RunConfig) -> str:
    """Return the slug with the rng seed and a short hash of the whole config."""
    return f"{slug(config)}_s{config.rng_seed}_{config_hash(config)}"


def config_hash(config: RunConfig) -> str:
    """Return eight hexadecimal digits of the whole config."""
    content = json.dumps(config.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:8]


class RunDirectory:
    """The folder of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def config(self) -> Path:
        """The resolved config."""
        return self.path / "config.yaml"

    @property
    def events(self) -> Path:
        """The event log."""
        return self.path / "events.jsonl"

    def text_log(self, config: RunConfig) -> Path:
        """Return the log for people."""
        return self.path / f"results_{slug(config)}.log"

    @property
    def checkpoints(self) -> Path:
        """The folder of its checkpoints."""
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        """The folder of the network that it has grown."""
        return self.path / "model"

    @property
    def metrics(self) -> Path:
        """The result."""
        return self.path / "metrics.json"

    @classmethod
    def create(cls, results: Path, config: RunConfig, name: str | None = None) -> RunDirectory:
        """Make a new folder for a run of ``config``; a second run of the same name gets ``_2``, and so on.

        Args:
            results: where it is made.
            config: what is written into it.
            name: of the run; by default one that tells what it is.

        Raises:
            StorageError: if the folder cannot be written to; then nothing is left behind.
        """
        try:
            results.mkdir(parents=True, exist_ok=True)
            path = make_new(results, name or run_name(config))
        except OSError as error:
            raise _cannot_write(results, error) from error
        directory = cls(path)
        try:
            directory.write_text(directory.config, yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
        except OSError as error:
            shutil.rmtree(path, ignore_errors=True)
            raise _cannot_write(results, error) from error
        return directory

    @classmethod
    def find(cls, run: str, results: Path) -> RunDirectory:
        """Find a run by its folder, or by its name under ``results``; the error names the newest runs there are."""
        for path in (Path(run), results / run):
            if (path / "events.jsonl").is_file():
                return cls(path)
        there = sorted(results.glob("*/events.jsonl"), key=lambda log: log.stat().st_mtime, reverse=True)
        newest = ", ".join(log.parent.name for log in there[:3]) or "none yet"
        raise UsageError(f"there is no run {run!r}, neither as a folder nor under {results}; the newest there: {newest}.")

    def read_config(self) -> RunConfig:
        """Read the resolved config back.

        Raises:
            StorageError: if the file cannot be read.
            UsageError: if it is no config of this version of kaslite, with the first thing that is wrong.
        """
        try:
            return resolve({**_BEFORE, **read_settings(self.config)})
        except UsageError as error:
            raise UsageError(f"the config of the run {self.path} does not do: {error}") from error

    def read_metrics(self) -> Metrics | None:
        """Read the result back; ``None`` if there is none yet.

        Raises:
            StorageError: if the file cannot be read, or is no JSON object.
        """
        try:
            metrics = json.loads(self.metrics.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"cannot read the result {self.metrics}: {error.strerror}.") from error
        except ValueError as error:
            raise StorageError(f"the result {self.metrics} is damaged: it is not JSON.") from error
        if not isinstance(metrics, dict):
            raise StorageError(f"the result {self.metrics} is damaged: it holds a {type(metrics).__name__}.")
        return metrics

    def write_metrics(self, metrics: Mapping[str, float | int | None]) -> None:
        """Write the result."""
        self.write_text(self.metrics, json.dumps(metrics, indent=2, allow_nan=False) + "\n")

    @staticmethod
    def write_text(path: Path, text: str) -> None:
        """Write a file whole or not at all."""
        write_whole(path, text)


def _cannot_write(results: Path, error: OSError) -> StorageError:
    return StorageError(
        f"cannot write to the results folder {results}: {error.strerror}; choose another one with --results_dir."
    )


def make_new(results: Path, name: str) -> Path:
    """Make a folder that nobody else has made: ``name``, or else ``name_2``, and so on."""
    for number in range(1, MOST_TWINS):
        path = results / (name if number == 1 else f"{name}_{number}")
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return path
    raise UsageError(f"there are {MOST_TWINS} runs called {name} already; choose another folder with --results_dir.")
