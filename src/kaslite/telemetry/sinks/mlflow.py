"""A run in MLflow: its settings, curves, phases, files, and the network that it has grown.

The same sink serves a run on its way, in a `kaslite.telemetry.background.Background`, and a log that is read later. Values
that stay the same over many epochs, as those of seeds at rest do, are logged where they begin and where they end.
Not for: how the store is spoken to; that is `kaslite.telemetry.mlflow_store`.
"""

from __future__ import annotations

import json
import logging
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from kaslite.errors import KasliteError, UsageError
from kaslite.events import BlendStrategyChosen, DecisionMade, EpochCompleted, PhaseStarted, RunFinished, RunStarted
from kaslite.telemetry.analytics import STATE_NUMBERS, SeedStanding, fold_seed_states, seed_id
from kaslite.telemetry.mlflow_store import PARENT_TAG, MlflowAddress, MlflowStore, Point

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kaslite.events import Event

_log = logging.getLogger("kaslite")

MODEL_NAME = "model"

_FILES = ("config.yaml", "metrics.json", "events.jsonl", "results_*.log")  # of the run's folder
_STATUSES = {"completed": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}


@final
class MlflowSink:
    """Tracks one run; what it has logged before, it does not log again.

    Args:
        address: of the store.
        folder: of the run, from its name; ``None`` if it has none: then there are no files and no model.
        more_files: further files to keep, under a folder's name, from the first event.
        save_model: writes what is in the run's folder as an MLflow model into a new folder, given both.
        parent_run_id: the MLflow run under which this one is nested, such as a sweep.
        tags: further tags.
        key: by which the run is found again; by default what its first event says.

    Raises:
        StorageError: if the store does not answer or does not take what is logged.
        UsageError: if the first event is not `RunStarted`.
    """

    def __init__(
        self,
        address: MlflowAddress,
        folder: Callable[[str], Path] | None = None,
        *,
        more_files: Mapping[str, Callable[[RunStarted], Sequence[Path]]] | None = None,
        save_model: Callable[[Path, Path], None] | None = None,
        parent_run_id: str | None = None,
        tags: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> None:
        self._address, self._key = address, key
        self._folder, self._more_files, self._save_model = folder, more_files or {}, save_model
        self._own_tags = dict(tags or {}) | ({PARENT_TAG: parent_run_id} if parent_run_id else {})
        self._started: RunStarted | None = None
        self._store: MlflowStore | None = None
        self._seeds: Mapping[str, SeedStanding] = {}
        self._points: list[Point] = []
        self._tags: dict[str, str] = {}
        self._plateaus = Plateaus()
        self._finished: RunFinished | None = None

    @property
    def run_id(self) -> str:
        """The id that MLflow has given the run."""
        return self._opened.run_id

    @property
    def experiment_id(self) -> str:
        """The id of the experiment in which it is."""
        return self._opened.experiment_id

    def recall(self, history: Sequence[Event]) -> None:
        """Log of the past what is not there yet."""
        for event in history:
            self.write(event)

    def write(self, event: Event) -> None:
        """Take an event; nothing is sent before `flush`, but that the run began."""
        self._seeds = fold_seed_states(self._seeds, event)
        match event:
            case RunStarted():
                self._begin(event)
            case PhaseStarted():
                self._tags |= {"phase": event.phase, event.phase: f"from epoch {event.epoch + 1}"}
            case BlendStrategyChosen():
                self._tags[f"blending/{_safe(seed_id(event.layer, event.seed))}"] = event.strategy_name
            case DecisionMade(decision="stop"):
                self._tags["stopped"] = event.reason
            case EpochCompleted():
                self._take_epoch(event)
            case RunFinished():
                self._finished = event
                self._take_end(event)
            case _:
                self._finished = None  # it goes on

    def flush(self) -> None:
        """Send what was written so far."""
        self._opened.log(self._points, self._tags)
        self._points, self._tags = [], {}

    def close(self) -> None:
        """Send the rest; of a run that has ended, its files and its network, too."""
        self._points += self._plateaus.ends()
        self.flush()
        if self._finished is None:
            return
        status = "KILLED"  # says MLflow of a run of which it has not all
        try:
            self._log_folder(self._finished)
            status = _STATUSES[self._finished.status]
        finally:
            self._opened.end(status, self._finished.timestamp)

    @property
    def _opened(self) -> MlflowStore:
        if self._store is None:
            raise UsageError("the events begin without run_started, so there is no name for them in MLflow.")
        return self._store

    def _begin(self, event: RunStarted) -> None:
        about = {"mlflow.source.name": "kaslite", "mlflow.source.type": "LOCAL", **_origins(event), **self._own_tags}
        self._started = event
        key = self._key or event.key
        self._store = MlflowStore(self._address, key=key, name=event.run_name, started_s=event.timestamp, tags=about)
        self._store.log_params(flat(event.config))

    def _take_epoch(self, event: EpochCompleted) -> None:
        measured = {
            "train_loss": event.train_loss,
            "val_loss": event.val_loss,
            "val_acc": event.val_accuracy,
            "best_acc": event.best_accuracy,
        }
        self._points += _points(event, measured)
        slow = {"learning_rate": event.learning_rate}
        for place, seed in self._seeds.items():
            slow |= {f"seed/{_safe(place)}/alpha": seed.alpha, f"seed/{_safe(place)}/state": STATE_NUMBERS[seed.state]}
        self._points += self._plateaus.take(_points(event, slow))

    def _take_end(self, event: RunFinished) -> None:
        self._points += _points(event, event.metrics or {})
        self._tags["status"] = event.status
        if event.error:
            self._tags["error"] = event.error

    def _log_folder(self, finished: RunFinished) -> None:
        assert self._started is not None
        if self._folder is None:
            return
        folder = self._folder(self._started.run_name)
        for pattern in _FILES:
            for path in sorted(folder.glob(pattern)):
                self._opened.log_file(path)
        for name, find in self._more_files.items():
            for path in find(self._started):
                self._opened.log_file(path, name)
        if self._save_model is not None and finished.status == "completed":
            self._log_model(self._save_model, folder, finished.epoch)

    def _log_model(self, save: Callable[[Path, Path], None], folder: Path, step: int) -> None:
        with tempfile.TemporaryDirectory() as place:
            saved = Path(place) / MODEL_NAME
            try:
                save(folder, saved)
            except KasliteError as error:
                _log.warning("MLflow: %s The run is there without its network.", error)
                return
            model_id = self._opened.new_model(MODEL_NAME)
            if model_id is not None:
                self._opened.fill_model(model_id, saved, step)


@final
class Plateaus:
    """Leaves out the inner points of stretches in which a metric does not change: a line through the rest is the same."""

    def __init__(self) -> None:
        self._logged: dict[str, Point] = {}
        self._held: dict[str, Point] = {}  # the newest of a stretch, if it is not logged

    def take(self, points: Sequence[Point]) -> list[Point]:
        """Return those points that have to be logged now."""
        due = []
        for point in points:
            last = self._logged.get(point.key)
            if last is not None and last.value == point.value:
                self._held[point.key] = point
                continue
            end = self._held.pop(point.key, None)
            due += [point] if end is None else [end, point]
            self._logged[point.key] = point
        return due

    def ends(self) -> list[Point]:
        """Return the ends of the stretches that are still going."""
        held, self._held = list(self._held.values()), {}
        return held


def _origins(event: RunStarted) -> dict[str, str]:
    """Return as tags where the numbers come from: versions, checkouts, data."""
    tags = {f"version.{name}": version for name, version in event.versions.items()}
    for name, git in (("git", event.git), ("kaslite_git", event.kaslite_git)):
        if git is not None:
            facts = {"commit": git.commit, "changes": git.changes, "diff_sha256": git.diff_sha256}
            tags |= {f"{name}.{fact}": str(value) for fact, value in facts.items() if value is not None}
    if event.git is not None and event.git.commit is not None:
        tags["mlflow.source.git.commit"] = event.git.commit
    checksums = {"data.sha256": event.data_sha256, "host.sha256": event.host_sha256}
    return tags | {name: value for name, value in checksums.items() if value is not None}


def _points(event: Event, values: Mapping[str, float | int | None]) -> list[Point]:
    """Return what was measured; what was not is left out."""
    at_ms = round(1000 * event.timestamp)
    return [Point(key, value, event.epoch, at_ms) for key, value in values.items() if value is not None]


def flat(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return settings as MLflow's parameters: those of a section by dotted names, what is no text as JSON.

    >>> flat({"lr": 0.1, "blending": {"tick": "step"}})
    {'lr': '0.1', 'blending.tick': 'step'}
    """
    named: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            named |= {f"{name}.{inner}": said for inner, said in flat(value).items()}
        else:
            named[name] = value if isinstance(value, str) else json.dumps(value)
    return named


def _safe(place: str) -> str:
    """Return a seed's id without what MLflow refuses in names; what a path would lose is written as its code.

    >>> _safe("blocks.0:1"), _safe("a/b@c:0")
    ('blocks.0:1', 'a_2f_b_40_c:0')
    """
    return re.sub(r"[^\w.\- :]", lambda found: f"_{ord(found[0]):x}_", place)
