"""A run in TensorBoard: its curves, what happened to its seeds, its settings beside its result.

What is in the folder is a fold of the event log: a run that is resumed writes it anew, so no point is there twice. Written
through TensorBoard's own file format, without torch. Not for: TensorBoard itself; ``tensorboard --logdir runs`` shows it.
"""

from __future__ import annotations

import json
import os
import platform
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any, final

from kaslite.errors import StorageError, UsageError
from kaslite.events import (
    BlendStrategyChosen,
    DecisionMade,
    EpochCompleted,
    PhaseStarted,
    RunFinished,
    RunStarted,
    SeedStateChanged,
)
from kaslite.telemetry.analytics import SeedStanding, fold_seed_states, seed_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from kaslite.events import Event


def event_files(runs: Path, started: RunStarted) -> list[Path]:
    """Return the files that TensorBoard has of a run, which may be none."""
    return sorted(_folder(runs, started).glob(f"events.out.tfevents.*.{started.key}"))


def _folder(runs: Path, started: RunStarted) -> Path:
    """Return the folder of a run: that of its name, unless another run of this name has it."""
    for number in count(1):
        folder = runs / (started.run_name if number == 1 else f"{started.run_name}_{number}")
        others = {path.name.rsplit(".", 1)[-1] for path in folder.glob("events.out.tfevents.*")}
        if not others or started.key in others:
            return folder
    raise AssertionError


@final
class TensorBoardSink:
    """Writes one run to ``runs/<run name>/``; a second run of that name gets ``_2``, and so on.

    Args:
        runs: the folder that TensorBoard is told to show.

    Raises:
        StorageError: if it cannot be written to.
        UsageError: if the first event is not `RunStarted`.
    """

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self._file: _EventFile | None = None
        self._seeds: Mapping[str, SeedStanding] = {}
        self._texts: dict[str, list[str]] = {}  # of one step, by tag: TensorBoard keeps one text a step
        self._last: Event | None = None  # whose step the texts belong to

    def recall(self, history: list[Event]) -> None:
        """Write the past anew."""
        for event in history:
            self.write(event)

    def write(self, event: Event) -> None:
        """Take an event; texts are kept until their epoch is over."""
        if isinstance(event, RunStarted):
            self._begin(event)
        self._seeds = fold_seed_states(self._seeds, event)
        if self._last is not None and event.epoch != self._last.epoch:
            self._write_texts()
        self._last = event
        match event:
            case EpochCompleted():
                self._opened.scalars(event, _scalars(event, self._seeds))
            case PhaseStarted():
                self._texts.setdefault("phase/transitions", []).append(_phase(event))
            case DecisionMade(decision="stop"):
                self._texts.setdefault("phase/transitions", []).append(f"training stops: {event.reason}")
            case SeedStateChanged() | BlendStrategyChosen():
                self._texts.setdefault(f"seed/{seed_id(event.layer, event.seed)}/events", []).append(_move(event))
            case RunFinished():
                self._end(event)

    def flush(self) -> None:
        """Let readers see what was written."""
        self._opened.flush()

    def close(self) -> None:
        """Write the texts of the last epoch, and close the file."""
        if self._file is not None:
            self._write_texts()
            self._file.close()

    @property
    def _opened(self) -> _EventFile:
        if self._file is None:
            raise UsageError("the events begin without run_started, so there is no name for them in TensorBoard.")
        return self._file

    def _begin(self, event: RunStarted) -> None:
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb

        self.close()
        earlier = event_files(self._runs, event)
        self._file = _EventFile(_folder(self._runs, event), event, earlier)
        settings = {name: value if isinstance(value, _PLAIN) else json.dumps(value) for name, value in event.config.items()}
        self._file.summary(event, hparams_pb(settings, trial_id=event.run_name, start_time_secs=event.timestamp))

    def _end(self, event: RunFinished) -> None:
        # Columns of the table are not declared: TensorBoard finds those of all the runs that it shows together.
        metrics = {f"hparam/{name}": value for name, value in (event.metrics or {}).items() if value is not None}
        self._opened.scalars(event, metrics)
        self._opened.summary(event, _session_end(event))

    def _write_texts(self) -> None:
        for tag, lines in self._texts.items():
            assert self._last is not None
            self._opened.text(self._last, tag, "\n".join(f"- {line}" for line in lines))
        self._texts = {}


_PLAIN = (str, bool, int, float)


def _scalars(event: EpochCompleted, seeds: Mapping[str, SeedStanding]) -> dict[str, float]:
    """Return what was measured in an epoch, by tag."""
    values = {
        "train/loss": event.train_loss,
        "validation/loss": event.val_loss,
        "validation/accuracy": event.val_accuracy,
        "validation/best_acc": event.best_accuracy,
    }
    alphas = {f"seed/{place}/alpha": seed.alpha for place, seed in seeds.items()}
    return {tag: value for tag, value in (values | alphas).items() if value is not None}


def _phase(event: PhaseStarted) -> str:
    when = datetime.fromtimestamp(event.timestamp, UTC).isoformat(" ", "seconds")
    return f"{when} {event.phase} begins, {event.epochs} epochs"


def _move(event: SeedStateChanged | BlendStrategyChosen) -> str:
    if isinstance(event, SeedStateChanged):
        as_what = f" ({event.blueprint_id})" if event.blueprint_id else ""
        return f"{event.from_state} -> {event.to_state}{as_what}: {event.reason}"
    readings = ", ".join(f"{name} {'-' if value is None else f'{value:.4g}'}" for name, value in event.telemetry.items())
    return f"blends by {event.strategy_name}" + (f": {readings}" if readings else "")


def _session_end(event: RunFinished) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import metadata
    from tensorboard.plugins.hparams.api_pb2 import Status
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo

    status = Status.STATUS_SUCCESS if event.status == "completed" else Status.STATUS_FAILURE
    end = HParamsPluginData(session_end_info=SessionEndInfo(status=status, end_time_secs=event.timestamp))
    about = metadata.create_summary_metadata(end)
    return Summary(value=[Summary.Value(tag=metadata.SESSION_END_INFO_TAG, metadata=about, tensor=metadata.NULL_TENSOR)])


class _EventFile:
    """A file of summaries, in the format that TensorBoard follows.

    Args:
        folder: made if it is not there.
        started: of the run; its key ends the name of the file.
        earlier: files that this one replaces, as soon as it can be read.
    """

    def __init__(self, folder: Path, started: RunStarted, earlier: list[Path]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event as Record
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.text.metadata import create_summary_metadata
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._record, self._summary, self._text_metadata = Record, Summary, create_summary_metadata
        self._folder, self._earlier = folder, earlier
        # TensorBoard reads the files of a folder in the order of their names.
        name = (
            f"events.out.tfevents.{int(time.time()):010d}.{platform.node()}.{os.getpid()}.{time.monotonic_ns()}.{started.key}"
        )
        with self._told_clearly():
            folder.mkdir(parents=True, exist_ok=True)
            self._writer = RecordWriter((folder / name).open("xb"))
            self._writer.write(Record(wall_time=started.timestamp, file_version="brain.Event:2").SerializeToString())

    def scalars(self, event: Event, values: Mapping[str, float]) -> None:
        """Write some numbers of one step."""
        self.summary(event, self._summary(value=[self._summary.Value(tag=t, simple_value=v) for t, v in values.items()]))

    def text(self, event: Event, tag: str, text: str) -> None:
        """Write a text, as Markdown."""
        from tensorboard.util.tensor_util import make_tensor_proto

        about, content = self._text_metadata(display_name=None, description=None), make_tensor_proto([text.encode()])
        self.summary(event, self._summary(value=[self._summary.Value(tag=tag, metadata=about, tensor=content)]))

    def summary(self, event: Event, summary: Any) -> None:
        """Write a summary at the step and the time of an event."""
        with self._told_clearly():
            self._writer.write(self._record(wall_time=event.timestamp, step=event.epoch, summary=summary).SerializeToString())

    def flush(self) -> None:
        """Let readers see it, and remove what it replaces."""
        with self._told_clearly():
            self._writer.flush()
            for path in self._earlier:
                path.unlink(missing_ok=True)
        self._earlier = []

    def close(self) -> None:
        """Close the file."""
        self.flush()
        self._writer.close()

    @contextmanager
    def _told_clearly(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(f"cannot write to the folder {self._folder} for TensorBoard: {error.strerror}.") from error
