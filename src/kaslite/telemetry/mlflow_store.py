"""A run in an MLflow store, found again by its key, to which nothing is logged twice.

It speaks to the store through a client with an explicit address: MLflow's global state is not changed, so runs of one process
do not meet, and the environment only for the moments in which MLflow is imported and a run is ended: it can be told to be
quiet in no other way. Importing MLflow takes seconds: `MlflowStore` is made where that does not matter.
Not for: what is logged of a run; that is `kaslite.telemetry.sinks.mlflow`.
"""

from __future__ import annotations

import http.client
import os
import ssl
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final
from urllib.parse import urlsplit

from kaslite.errors import StorageError
from kaslite.telemetry.mlflow_file import MOVE_AWAY, SQLITE, check_usable, make_store, sqlite_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

KEY_TAG = "kaslite.run"
"""The tag by which a run is found again."""
PARENT_TAG = "mlflow.parentRunId"
"""The tag by which MLflow knows under which run another is nested."""

_LONGEST_BATCH = 900  # points; MLflow takes 1,000
_LONGEST_PAGE = 1000  # runs
_MOST_PARAMS = 100
_LONGEST_PARAM = 6000
_LONGEST_TAG = 5000
_SERVERS = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
_ANSWERS_WITHIN_S = 3.0


@dataclass(frozen=True)
class MlflowAddress:
    """Where runs are tracked."""

    uri: str = "sqlite:///mlflow.db"
    experiment: str = "kaslite"

    @classmethod
    def from_environment(cls) -> MlflowAddress:
        """Return what ``MLFLOW_TRACKING_URI`` and ``MLFLOW_EXPERIMENT_NAME`` say, and the defaults where they say nothing.

        A file is taken relative to the present folder, now: MLflow keeps open what it was first given in a process.
        """
        return cls(
            _absolute(os.environ.get("MLFLOW_TRACKING_URI") or cls.uri),
            os.environ.get("MLFLOW_EXPERIMENT_NAME") or cls.experiment,
        )


@dataclass(frozen=True)
class Point:
    """One value of a metric."""

    key: str
    value: float
    step: int
    timestamp_ms: int


@final
class MlflowStore:
    """The store, as seen by one run.

    Args:
        address: of the store; the experiment is made if it is not there.
        key: of the run.
        name: that a new run gets.
        started_s: when it began, in seconds since 1970.
        tags: of a new run.

    Raises:
        StorageError: here and in every method, if the store does not answer or does not take it.
    """

    def __init__(self, address: MlflowAddress, *, key: str, name: str, started_s: float, tags: Mapping[str, str]) -> None:
        self._address = address
        with self._told_clearly():
            check_answers(address.uri)
            self._client = _new_client(address.uri)
            self.experiment_id = self._find_experiment()
            there = self._client.search_runs([self.experiment_id], f"tags.`{KEY_TAG}` = '{key}'", max_results=1)
            run = there[0] if there else self._create_run(key, name, started_s, tags)
            self.run_id: str = run.info.run_id
            self._params = set(run.data.params)
            self.metrics: Mapping[str, float] = dict(run.data.metrics)  # the last value of each, as it was found
            self._points = {(p.key, p.step) for name in run.data.metrics for p in self._history(name)}
            self.last_step: int = max((step for _, step in self._points), default=0)
            if run.info.status != "RUNNING":
                self._client.update_run(self.run_id, status="RUNNING")

    def log(self, points: Sequence[Point], tags: Mapping[str, str]) -> None:
        """Log points, but those that are there, and tags."""
        if not points and not tags:
            return
        from mlflow.entities import Metric, RunTag

        metrics = {(p.key, p.step): Metric(p.key, p.value, p.timestamp_ms, p.step) for p in points}
        new = [metric for at, metric in metrics.items() if at not in self._points]
        batches = [new[start : start + _LONGEST_BATCH] for start in range(0, len(new), _LONGEST_BATCH)]
        named = [RunTag(tag, value[:_LONGEST_TAG]) for tag, value in tags.items()]
        with self._told_clearly():
            check_answers(self._address.uri)
            for batch in batches or ([[]] if named else []):
                self._client.log_batch(self.run_id, metrics=batch, tags=named)
                self._points |= {(metric.key, metric.step) for metric in batch}
                named = []

    def log_params(self, params: Mapping[str, str]) -> None:
        """Log parameters, but those that are there; what is longer than MLflow takes ends with dots."""
        from mlflow.entities import Param

        new = [Param(name, _shortened(value, _LONGEST_PARAM)) for name, value in params.items() if name not in self._params]
        with self._told_clearly():
            for start in range(0, len(new), _MOST_PARAMS):
                self._client.log_batch(self.run_id, params=new[start : start + _MOST_PARAMS])

    def finished_children(self) -> set[str]:
        """Return the names of the runs nested under this one that are finished, and so complete."""
        asked = f"tags.`{PARENT_TAG}` = '{self.run_id}' AND attributes.status = 'FINISHED'"
        names, token = set[str](), None
        with self._told_clearly():
            while True:
                page = self._client.search_runs([self.experiment_id], asked, max_results=_LONGEST_PAGE, page_token=token)
                names |= {str(run.info.run_name) for run in page}
                token = page.token
                if not token:
                    return names

    def log_file(self, path: Path, folder: str | None = None) -> None:
        """Upload a file, in place of one of this name."""
        with self._told_clearly():
            self._client.log_artifact(self.run_id, str(path), folder)

    def new_model(self, name: str) -> str | None:
        """Return the id of a model of this run that is to be filled; ``None`` if it has one of this name that is."""
        with self._told_clearly():
            there = self._client.search_logged_models(
                [self.experiment_id], f"source_run_id = '{self.run_id}' AND name = '{name}'"
            )
            if any(str(model.status) == "READY" for model in there):
                return None
            half = next(iter(there), None) or self._client.create_logged_model(
                self.experiment_id, name, source_run_id=self.run_id
            )
            return str(half.model_id)

    def fill_model(self, model_id: str, folder: Path, step: int) -> None:
        """Upload the files of a model, and declare it ready: an output of this run at that step."""
        from mlflow.entities import LoggedModelOutput

        with self._told_clearly():
            self._client.log_model_artifacts(model_id, str(folder))
            self._client.finalize_logged_model(model_id, "READY")
            self._client.log_outputs(self.run_id, [LoggedModelOutput(model_id, step)])

    def end(self, status: str, ended_s: float) -> None:
        """Declare the run ``FINISHED``, ``KILLED`` or ``FAILED``."""
        with self._told_clearly(), _environment(MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT="true"):
            check_answers(self._address.uri)
            self._client.set_terminated(self.run_id, status, round(1000 * ended_s))

    def _find_experiment(self) -> str:
        from mlflow.exceptions import MlflowException

        name = self._address.experiment
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        try:
            return str(self._client.create_experiment(name))
        except MlflowException:
            found = self._client.get_experiment_by_name(name)  # another run may have been quicker
            if found is None:
                raise
            return str(found.experiment_id)

    def _create_run(self, key: str, name: str, started_s: float, tags: Mapping[str, str]) -> Any:
        own = {KEY_TAG: key, **{tag: value[:_LONGEST_TAG] for tag, value in tags.items()}}
        return self._client.create_run(self.experiment_id, start_time=round(1000 * started_s), tags=own, run_name=name)

    def _history(self, name: str) -> Sequence[Any]:
        return self._client.get_metric_history(self.run_id, name)

    @contextmanager
    def _told_clearly(self) -> Iterator[None]:
        try:
            yield
        except StorageError:
            raise
        except Exception as error:  # MLflow, requests, SQLAlchemy and stores of others have no root in common
            sentence = " ".join(str(error).split())
            raise StorageError(f"the store {self._address.uri} failed: {_shortened(sentence, 300)}") from error


def check_answers(uri: str) -> None:
    """Refuse a server that does not answer, or a file that cannot be used, within seconds: MLflow would try for minutes.

    Any answer of a server will do: what it thinks of a request, MLflow's client hears.

    Raises:
        StorageError: if there is none.
    """
    file, parts = sqlite_file(uri), urlsplit(uri)
    if file is not None:
        check_usable(file)
    if parts.scheme not in _SERVERS or parts.hostname is None:
        return
    from requests.utils import get_environ_proxies

    if get_environ_proxies(uri):  # it is the proxy that connects
        return
    server = _SERVERS[parts.scheme](parts.hostname, parts.port, timeout=_ANSWERS_WITHIN_S)
    try:
        server.request("GET", f"{parts.path.rstrip('/')}/health")
        server.getresponse()
    except ssl.SSLError:  # it is there; MLflow's client has its own certificates
        return
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or error
        raise StorageError(f"the server {uri} does not answer: {why}.") from error
    finally:
        server.close()


def _absolute(uri: str) -> str:
    file = sqlite_file(uri)
    return uri if file is None else f"{SQLITE}{file.absolute()}"


def import_quietly() -> None:
    """Import MLflow, which takes seconds, without its telemetry and its notes."""
    if "mlflow" not in sys.modules:
        quiet = os.environ.get("MLFLOW_LOGGING_LEVEL", "WARNING")
        with _environment(MLFLOW_DISABLE_TELEMETRY="true", MLFLOW_LOGGING_LEVEL=quiet):  # read when it is imported
            import mlflow  # noqa: F401


def _new_client(uri: str) -> Any:
    import_quietly()
    from mlflow import MlflowClient

    file = sqlite_file(uri)
    if file is None:
        return MlflowClient(tracking_uri=uri, registry_uri=uri)
    make_store(file)
    try:
        return MlflowClient(tracking_uri=uri, registry_uri=uri)
    except Exception as error:  # MLflow's and SQLAlchemy's have no root in common
        sentence = _shortened(" ".join(str(error).split()), 300)
        raise StorageError(f"MLflow cannot open the store {file}: {sentence} If it is broken, {MOVE_AWAY}.") from error


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Set variables for a while: what MLflow can only be told in this way."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."
