"""One run: from a config to a result, with its folder, its event log, its checkpoints and any views; new or resumed.

The test split is read once, here, after training. Not for: showing anything.
"""

from __future__ import annotations

import logging
import shutil
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch

from kaslite.errors import KasliteError, StillGoingError, StoppedError, StorageError, UsageError
from kaslite.events import RunFinished, RunResumed, RunStarted
from kaslite.experiment.assembly import assemble
from kaslite.experiment.network_file import write_network
from kaslite.experiment.run_directory import RunDirectory
from kaslite.randomness import own_global_streams
from kaslite.telemetry import FanOut, JsonlLog, Numbered, read_log, recall
from kaslite.telemetry.sinks.text_log import TextLog
from kaslite.training.checkpoints import Cadence, Checkpoints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from kaslite.events import Event
    from kaslite.experiment.assembly import Experiment
    from kaslite.experiment.config import RunConfig
    from kaslite.experiment.run_directory import Metrics
    from kaslite.telemetry import Sink

    Status = Literal["completed", "interrupted", "failed"]

_log = logging.getLogger("kaslite")

CHECKPOINT_SHARE = 0.003
"""Part of a run's time that checkpoints may take; 2 % are promised, but a disk has its moods."""


PATIENCE_S = 10.0
"""How long `run_or_resume` waits for the process that was at work in a folder."""


@dataclass(frozen=True)
class RunResult:
    """What a run leaves behind."""

    metrics: Metrics
    run_dir: Path


def run(
    config: RunConfig,
    results: Path,
    views: Sequence[Sink] = (),
    *,
    name: str | None = None,
    check: Callable[[Experiment], None] | None = None,
) -> RunResult:
    """Carry out a run.

    Args:
        config: its settings.
        results: the folder under which the run's own folder is made.
        views: sinks that show the run; closed at its end. One that raises a `StoppedError` ends the run.
        name: of its folder; by default one that tells what it is.
        check: looks at the experiment before anything is written, and raises where it does not do.

    Raises:
        StoppedError: if a view has stopped it.
        KasliteError: if the config, the data or the folder do not do; before the folder is made, where that can be told.
    """
    config = _with_present_device(config)
    with _determined(config):
        experiment = assemble(config)
        if check is not None:
            check(experiment)
        directory = RunDirectory.create(results, config, name)
        log, text = JsonlLog(directory.events), TextLog(directory.text_log(config))
        return _Course(experiment, directory, log, Numbered(FanOut([log, text, *views]))).finish()


def resume(directory: RunDirectory, views: Sequence[Sink] = ()) -> RunResult:
    """Go on with a run that was interrupted, from its last checkpoint, to the same end as if it had not been.

    A run that is finished is left as it is.

    Args:
        directory: the run's own folder.
        views: sinks that show the run; closed at its end.

    Raises:
        UsageError: if the run is still going.
        StorageError: if what is left of it cannot be read.
    """
    config = _with_present_device(directory.read_config())
    log = JsonlLog.resume(directory.events)  # from here on nobody else can
    try:
        history = list(read_log(directory.events))
        _check_same_run(config, history, directory)
        if history and isinstance(history[-1], RunFinished) and history[-1].metrics is not None:
            for view in views:
                view.close()
            return RunResult(dict(history[-1].metrics), directory.path)
        with _determined(config):
            found = Checkpoints(directory.checkpoints).latest()
            experiment = assemble(config, resumes=found is not None)
            last, earlier_s = min(1, len(history)), 0.0  # without a checkpoint only the fact that it started stays
            if found is not None:
                path, state = found
                last, earlier_s = _take_over(experiment, path, state)
                _check_complete(history, last, directory)
            readers = [TextLog(directory.text_log(config)), *views]
            recall(readers, [event for event in history if event.sequence <= last])
            course = _Course(experiment, directory, log, Numbered(FanOut([log, *readers]), start=last))
            return course.finish(earlier_s)
    finally:
        log.close()


def run_or_resume(config: RunConfig, directory: RunDirectory, views: Sequence[Sink] = ()) -> RunResult:
    """Carry out a run of many in a folder of its own, or go on with it if it was cut off there; what is finished stays.

    The processes of a program that has just been killed end by themselves, within a moment that is waited for.

    Raises:
        KasliteError: as from `run` and `resume`.
    """
    deadline = time.monotonic() + PATIENCE_S
    while directory.events.exists():
        try:
            return resume(directory, views)
        except StillGoingError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    shutil.rmtree(directory.path, ignore_errors=True)  # it was cut off before anything happened
    return run(config, directory.path.parent, views, name=directory.path.name)


def reopen(directory: RunDirectory) -> Experiment:
    """Return the experiment of a run that is over, as its last checkpoint holds it.

    Raises:
        StorageError: if there is none, or if it cannot be read.
    """
    config = _with_present_device(directory.read_config())
    with _determined(config):
        experiment = assemble(config, resumes=True)
        found = Checkpoints(directory.checkpoints).latest()
        if found is None:
            raise StorageError(f"the run {directory.path} has no checkpoint.")
        _take_over(experiment, *found)
    return experiment


class _Course:
    """A run on its way, new or resumed."""

    def __init__(self, experiment: Experiment, directory: RunDirectory, log: JsonlLog, sink: Numbered) -> None:
        self._experiment = experiment
        self._directory = directory
        self._log = log
        self._sink = sink
        self._checkpoints = Checkpoints(directory.checkpoints, experiment.config.keep_checkpoints)
        self._cadence = Cadence(CHECKPOINT_SHARE, first_write_s=_first_write_s(experiment))
        self._started = time.perf_counter()
        self._earlier_s = 0.0
        experiment.sink = sink

    def finish(self, earlier_s: float = 0.0) -> RunResult:
        """Carry it out to its end; the log ends with how it ended, whatever happens.

        Args:
            earlier_s: what it took before it was interrupted.
        """
        self._earlier_s = earlier_s
        try:
            self._begin()
            metrics = self._train_and_test()
        except KeyboardInterrupt:
            self._finished("interrupted")
            raise KeyboardInterrupt(
                f"What was done so far: kaslite replay {self._directory.path}; to go on: kaslite resume {self._directory.path}"
            ) from None
        except StoppedError as stop:
            self._finished("interrupted", error=str(stop))
            raise
        except BaseException as error:
            with suppress(KasliteError):  # the log itself may be what failed
                self._finished("failed", error=repr(error))
            raise
        else:
            self._finished("completed", metrics)
        finally:
            self._sink.close()
        return RunResult(metrics, self._directory.path)

    def _begin(self) -> None:
        experiment = self._experiment
        if self._sink.count:  # there are events already
            experiment.emit(RunResumed(epoch=experiment.grower.epoch, last_sequence=self._sink.count))
        else:
            experiment.emit(experiment.started(self._directory.path.name))

    def _train_and_test(self) -> Metrics:
        self._experiment.train(self._after_epoch)
        metrics = self._experiment.test()
        metrics["wall_s"] = self._wall_s()
        self._write_checkpoint()
        write_network(self._directory.model, self._experiment)
        self._directory.write_metrics(metrics)
        return metrics

    def _after_epoch(self) -> None:
        # An unhealthy epoch may be rolled back: what a checkpoint holds has to be worth going back to.
        if self._cadence.due() and self._experiment.grower.is_healthy:
            with self._cadence.writing():
                self._write_checkpoint()

    def _write_checkpoint(self) -> None:
        self._log.sync()  # a checkpoint never knows of events that the log may lose
        state = {
            "experiment": self._experiment.state_dict(),
            "last_sequence": self._sink.count,
            "wall_s": self._wall_s(),
        }
        self._checkpoints.write(self._experiment.grower.epoch, state)

    def _wall_s(self) -> float:
        return self._earlier_s + time.perf_counter() - self._started

    def _finished(self, status: Status, metrics: Metrics | None = None, error: str | None = None) -> None:
        epoch = self._experiment.grower.epoch
        self._experiment.emit(RunFinished(epoch=epoch, status=status, metrics=metrics, error=error))


def _first_write_s(experiment: Experiment) -> float:
    """Return a cautious guess of what the first checkpoint takes: parameters and two moments of each, at 200 MB/s."""
    size = sum(parameter.numel() * parameter.element_size() for parameter in experiment.model.parameters())
    return 0.01 + 3 * size / 2e8


def _check_same_run(config: RunConfig, history: Sequence[Event], directory: RunDirectory) -> None:
    """Refuse a config that is not the one that the run was started with."""
    if not history or not isinstance(history[0], RunStarted):
        return
    here, there = config.model_dump(mode="json"), history[0].config
    changed = [name for name in here if name in there and here[name] != there[name]]
    if changed:
        name = changed[0]
        raise UsageError(
            f"{directory.config} was changed since the run began: {name} is {here[name]!r}, and was {there[name]!r}; "
            "put it back, or start a new run with it."
        )


def _check_complete(history: Sequence[Event], last: int, directory: RunDirectory) -> None:
    """Refuse a log that lacks events which the checkpoint knows of."""
    there = {event.sequence for event in history}
    lacking = next((number for number in range(1, last + 1) if number not in there), None)
    if lacking is not None:
        raise StorageError(f"the event log {directory.events} lacks event {lacking}, and the checkpoint knows of {last}.")


def _take_over(experiment: Experiment, path: Path, state: Mapping[str, Any]) -> tuple[int, float]:
    """Load a checkpoint; return the number of the last event that it knows of, and the seconds that the run had taken."""
    try:
        experiment.load_state_dict(state["experiment"])
        return state["last_sequence"], state["wall_s"]
    except KeyError as error:
        raise StorageError(f"the checkpoint {path} is not one of a run: it has no {error}.") from error
    except StorageError as error:
        raise StorageError(f"the checkpoint {path} does not fit the run's config.yaml: {error}") from error


def _with_present_device(config: RunConfig) -> RunConfig:
    if config.device == "cuda" and not torch.cuda.is_available():
        _log.warning("CUDA is not available on this machine; running on the CPU.")
        return config.model_copy(update={"device": "cpu"})
    return config


@contextmanager
def _determined(config: RunConfig) -> Iterator[None]:
    """Pin what a run depends on beside its config, and put it back: the number of threads, and the global streams."""
    before = torch.get_num_threads()
    torch.set_num_threads(config.num_threads)
    try:
        with own_global_streams(config.rng_seed, "global"):
            yield
    finally:
        torch.set_num_threads(before)
