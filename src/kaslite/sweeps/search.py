"""A search through ranges of settings by Optuna: TPE chooses, Hyperband gives up early what shows no promise.

The trials stand in a journal file, so processes share them, and machines that see the same file. Needs the extra ``search``.
Not for: what may be searched (`kaslite.sweeps.ranges`).
"""

from __future__ import annotations

import json
import logging
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, final

from kaslite.errors import StoppedError, StorageError, UsageError
from kaslite.events import EpochCompleted
from kaslite.experiment.run_directory import RunDirectory
from kaslite.sweeps.job import Job
from kaslite.sweeps.objective import MAXIMIZED
from kaslite.sweeps.plan import PlannedRun, plan_run, run_name
from kaslite.sweeps.ranges import corners_of, fixed_point, is_whole
from kaslite.sweeps.summary import RunOutcome
from kaslite.sweeps.sweep_file import values_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import optuna
    from optuna.distributions import BaseDistribution

    from kaslite.events import Event
    from kaslite.sweeps.directory import SweepDirectory
    from kaslite.sweeps.ranges import Range, Search
    from kaslite.sweeps.sweep_file import SweepFile
    from kaslite.telemetry import Sink

OWNER, ERROR = "sweep", "error"
"""Marks of a trial: the sweep that runs it, and why it failed."""
LEAST_SHARE = 9
"""A run is given up after this part (1 / 9) of its epochs at the earliest."""


@dataclass(frozen=True)
class Shared:
    """Where the trials of a search stand; it can be sent to another process."""

    journal: Path
    study_name: str
    objectives: tuple[str, ...]
    epochs: int | None  # of a run that is not given up; None: none is

    def study(self) -> optuna.Study:
        """Open it; whoever comes first makes it.

        Raises:
            UsageError: if optuna is not installed, or if the study there has other objectives.
            StorageError: if the journal cannot be written.
        """
        return self._study(_storage(_optuna(), self.journal))

    def trial(self, number: int) -> tuple[optuna.Trial, set[int]]:
        """Return a trial that goes on, in this process or another one, and the epochs that it has reported."""
        optuna = _optuna()
        storage = _storage(optuna, self.journal)
        study = self._study(storage)
        study_id = storage.get_study_id_from_name(self.study_name)
        trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, number)
        return optuna.trial.Trial(study, trial_id), set(storage.get_trial(trial_id).intermediate_values)

    def _study(self, storage: Any) -> optuna.Study:
        optuna = _optuna()
        directions = ["maximize" if name in MAXIMIZED else "minimize" for name in self.objectives]
        with _told_clearly(self.journal):
            study = optuna.create_study(
                storage=storage,
                study_name=self.study_name,
                directions=directions,
                pruner=self._pruner(optuna),
                load_if_exists=True,
            )
        if [direction.name.lower() for direction in study.directions] != directions:
            raise UsageError(f"the search {self.study_name} in {self.journal} has other objectives; choose another --storage.")
        return study

    def _pruner(self, optuna: Any) -> Any:
        if self.epochs is None:
            return optuna.pruners.NopPruner()
        least = max(1, self.epochs // LEAST_SHARE)
        return optuna.pruners.HyperbandPruner(min_resource=least, max_resource=max(self.epochs, least))


@final
class SearchSource:
    """Runs that a search asks for, one after the other; those of an interrupted sweep are gone on with.

    Args:
        file: with the search.
        search: what it says, checked.
        base: settings that hold where the file says nothing else.
        directory: of the sweep.
        owner: mark of the sweep, by which it knows its trials again.
        journal: the file that the trials stand in.
        first: number of its first run.
        width: digits of a number.
    """

    def __init__(
        self,
        file: SweepFile,
        search: Search,
        base: Mapping[str, Any],
        directory: SweepDirectory,
        *,
        owner: str,
        journal: Path,
        first: int,
        width: int,
    ) -> None:
        self._file, self._search, self._base, self._directory = file, search, base, directory
        self._owner, self._first, self._width = owner, first, width
        epochs = _epochs(base, file, search) if search.prunes else None
        self._shared = Shared(journal, _study_name(file, search), search.objectives, epochs)
        self._study = self._shared.study()
        self._own_journal = journal.parent == directory.path
        self._distributions = {name: _distribution(name, values) for name, values in search.ranges.items()}
        self._numbers: dict[str, int] = {}  # of the trial of each run that was begun
        ours = [trial for trial in self._study.get_trials(deepcopy=False) if trial.user_attrs.get(OWNER) == owner]
        self._over = [trial for trial in ours if trial.state.is_finished()]
        self._waiting = [trial for trial in ours if not trial.state.is_finished()]
        if not ours and not self.left:
            raise UsageError(
                f"{journal} has all {search.n_trials} trials of {file.path.name} already; raise n_trials, or choose another "
                "--storage."
            )

    @property
    def left(self) -> int:
        """How many trials will still be begun, by this machine or another one."""
        return len(self._waiting) + max(0, self._search.n_trials - len(self._study.get_trials(deepcopy=False)))

    def earlier(self) -> Iterable[RunOutcome]:
        """Return the trials that were over before."""
        for trial in self._over:
            planned = self._planned(trial.number, trial.params)
            metrics = RunDirectory(self._directory.path / planned.name).read_metrics()
            status = "completed" if metrics is not None else "pruned" if trial.state.name == "PRUNED" else "failed"
            yield RunOutcome(planned, status, metrics, trial.user_attrs.get(ERROR))

    def next(self) -> Job | None:
        """Go on with a trial, or ask for a new one."""
        if self._waiting:
            trial = self._waiting.pop(0)
            return self._job(trial.number, trial.params)
        if not self.left:
            return None
        with _told_clearly(self._shared.journal):
            self._study.sampler = self._sampler()
            asked = self._study.ask(self._distributions)
            asked.set_user_attr(OWNER, self._owner)
        return self._job(asked.number, asked.params)

    def take(self, job: Job, outcome: RunOutcome) -> None:
        """Tell the search how a run ended."""
        states = _optuna().trial.TrialState
        number = self._numbers.pop(job.planned.name)
        measured = [(outcome.metrics or {}).get(name) for name in self._search.objectives]
        values = [value for value in measured if value is not None]
        with _told_clearly(self._shared.journal):
            if outcome.error is not None:
                trial, _ = self._shared.trial(number)
                trial.set_user_attr(ERROR, outcome.error)
            if outcome.status == "completed" and len(values) == len(measured):
                self._study.tell(number, values)
            else:
                self._study.tell(number, state=states.PRUNED if outcome.status == "pruned" else states.FAIL)

    def _sampler(self) -> Any:
        """Return what chooses: anew for each trial, so that a search which goes on does not draw the same again."""
        samplers = _optuna().samplers
        known = len(self._study.get_trials(deepcopy=False))
        mark = "" if self._own_journal else self._owner  # machines draw apart
        rng_seed = self._base.get("rng_seed", 0)
        stream = zlib.crc32(f"{rng_seed}/{self._file.path.name}/{known}/{mark}".encode())
        return samplers.RandomSampler(stream) if self._search.sampler == "random" else samplers.TPESampler(seed=stream)

    def _job(self, number: int, params: Mapping[str, Any]) -> Job:
        planned = self._planned(number, params)
        self._numbers[planned.name] = number
        epochs = sum(planned.settings.get(name, 0) for name in ("warm_up_epochs", "adaptation_epochs"))
        watches = (Pruning(self._shared, number, epochs),) if self._shared.epochs is not None else ()
        return Job(planned, self._directory.path, watches)

    def _planned(self, number: int, params: Mapping[str, Any]) -> PlannedRun:
        chosen = {name: _chosen(self._search.ranges[name], name, value) for name, value in params.items()}
        point = {**fixed_point(self._file), **chosen}
        place = self._first + number
        try:
            planned = plan_run(self._file, self._base, point, place, self._width)
        except UsageError:  # settings that do not go together: their run fails, and says why
            digest = f"{zlib.crc32(json.dumps(point, sort_keys=True).encode()):08x}"
            settings = {**self._base, **point}
            return PlannedRun(run_name(place, self._width, digest), str(self._file.path), point, settings, tuple(chosen))
        return planned


@dataclass(frozen=True)
class Pruning:
    """Gives a run the sink that gives it up."""

    shared: Shared
    number: int  # of the trial
    epochs: int  # of the run

    def __call__(self, _: str) -> Sequence[Sink]:
        """Return it."""
        return [PruningSink(*self.shared.trial(self.number), self.shared.objectives[0], self.epochs)]


@final
class PruningSink:
    """Reports the objective after each epoch, and stops the run where the pruner says so.

    Args:
        trial: of the run.
        reported: epochs that it has reported before, where it goes on.
        objective: a field of `EpochCompleted`.
        epochs: of the run: after the last one there is nothing left to save.
    """

    def __init__(self, trial: optuna.Trial, reported: set[int], objective: str, epochs: int) -> None:
        self._trial = trial
        self._epochs = epochs
        self._objective = objective
        self._reported = reported

    def write(self, event: Event) -> None:
        """Take one event.

        Raises:
            StoppedError: if the run shows no promise.
        """
        if not isinstance(event, EpochCompleted):
            return
        value = getattr(event, self._objective)
        if value is None:
            return
        if event.epoch not in self._reported:
            self._trial.report(value, event.epoch)
            self._reported.add(event.epoch)
        if event.epoch < self._epochs and self._trial.should_prune():
            raise StoppedError(f"given up after epoch {event.epoch}: {self._objective} was {value:.4f}.")

    def close(self) -> None:
        """Need nothing."""


def _study_name(file: SweepFile, search: Search) -> str:
    """Return the name that all machines find the search by: that of its file, and a digest of its ranges."""
    ranges = json.dumps({name: values.model_dump(mode="json") for name, values in search.ranges.items()}, sort_keys=True)
    return f"{file.path.name}-{zlib.crc32(ranges.encode()):08x}"


def _epochs(base: Mapping[str, Any], file: SweepFile, search: Search) -> int:
    """Return how many epochs a run has at most."""
    corners = [plan_run(file, base, point, 1, 3).settings for point in corners_of(file, search)]
    return max(corner["warm_up_epochs"] for corner in corners) + max(corner["adaptation_epochs"] for corner in corners)


def _distribution(name: str, values: Range) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if values.choices is not None:
        return CategoricalDistribution([_choice(value) for value in values.choices])
    assert values.low is not None, "a range without choices has both ends"
    assert values.high is not None, "a range without choices has both ends"
    high = values.high if values.step is None else _last_step(values.low, values.high, values.step)
    if is_whole(name):
        return IntDistribution(int(values.low), int(high), log=values.log, step=int(values.step or 1))
    return FloatDistribution(float(values.low), float(high), log=values.log, step=values.step)


def _last_step(low: float, high: float, step: float) -> float:
    """Return the largest value that is some steps above ``low``.

    >>> _last_step(0.1, 0.35, 0.1)
    0.3
    """
    begin, end, each = (Decimal(str(value)) for value in (low, high, step))
    return float(begin + (end - begin) // each * each)


def _choice(value: Any) -> str | float | bool | None:
    """Return a choice as a search may know it: a list as JSON."""
    return json.dumps(value) if isinstance(value, list | tuple) else value


def _chosen(values: Range, name: str, value: Any) -> Any:
    """Return what was chosen, as a setting."""
    if values.choices is None:
        return value
    return values_of(name, [next(choice for choice in values.choices if _choice(choice) == value)])[0]


def _storage(optuna: Any, journal: Path) -> Any:
    from optuna.storages.journal import JournalFileBackend

    with _told_clearly(journal):
        journal.parent.mkdir(parents=True, exist_ok=True)
        return optuna.storages.JournalStorage(JournalFileBackend(str(journal)))


@contextmanager
def _told_clearly(journal: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot write {journal}: {error.strerror}; choose another file with --storage.") from error
    except json.JSONDecodeError as error:
        raise StorageError(f"the journal {journal} is damaged: {error}; choose another file with --storage.") from error


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise UsageError("a search needs Optuna; install it with `pip install kaslite[search]`, or sweep a grid.") from None
    optuna.logging.set_verbosity(logging.ERROR)
    return optuna
