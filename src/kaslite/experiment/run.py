"""One run: from a config to a result, with its folder, its event log and any views.

The test split is read once, here, after training. Not for: showing anything.
"""

from __future__ import annotations

import logging
import platform
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

import kaslite
from kaslite.blending import BlendingConfig
from kaslite.controllers import Plateau
from kaslite.errors import DataError, KasliteError
from kaslite.events import Event, RunFinished, RunStarted, finite_or_none
from kaslite.experiment.run_directory import RunDirectory
from kaslite.randomness import global_stream
from kaslite.seeds import SeededModel
from kaslite.tasks import HOSTS, PROBLEMS
from kaslite.telemetry import FanOut, JsonlLog, Numbered
from kaslite.training.evaluation import cross_entropies, evaluate_now, evaluate_on, mean_cross_entropy
from kaslite.training.grower import Grower
from kaslite.training.loop import Phase, Trainer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from kaslite.experiment.config import RunConfig
    from kaslite.tasks.task import Split, Task
    from kaslite.telemetry import Sink
    from kaslite.training.evaluation import Evaluation


_log = logging.getLogger("kaslite")

Metrics = dict[str, float | int | None]
"""The content of ``metrics.json``."""


@dataclass(frozen=True)
class RunResult:
    """What a run leaves behind."""

    metrics: Metrics
    run_dir: Path


def run(config: RunConfig, results: Path, views: Sequence[Sink] = ()) -> RunResult:
    """Carry out a run.

    Args:
        config: its settings.
        results: the folder under which the run's own folder is made.
        views: sinks that show the run; closed at its end.

    Raises:
        KasliteError: if the config, the data or the folder do not do; before the folder is made, where that can be told.
    """
    config = _with_present_device(config)
    with _threads(config.num_threads):
        experiment = _build(config)
        directory = RunDirectory.create(results, config)
        sink = Numbered(FanOut([JsonlLog(directory.events), *views]))
        try:
            metrics = experiment.carry_out(directory, sink)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"What was done so far: kaslite replay {directory.path}") from None
        finally:
            sink.close()
    return RunResult(metrics, directory.path)


class _Experiment:
    """The parts of a run, built and checked before anything is written."""

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.device = torch.device(config.device)
        self.task = PROBLEMS[config.problem_type].load(config, config.rng_seed)
        self.model = _build_model(config, self.task, self.device)
        self.host_params = _count(self.model)
        self.counts: Counter[str] = Counter()
        self.sink: Sink = FanOut([])  # until the run has a folder
        self.trainer = self._build_trainer()

    def carry_out(self, directory: RunDirectory, sink: Sink) -> Metrics:
        """Train, test, and write the result; the log ends with how it ended, whatever happens."""
        self.sink = sink
        started = time.perf_counter()
        self._emit(self._run_started(directory.path.name))
        try:
            metrics = self._train_and_test()
            metrics["wall_s"] = time.perf_counter() - started
            directory.write_metrics(metrics)
        except KeyboardInterrupt:
            self._emit(RunFinished(epoch=self.trainer.grower.epoch, status="interrupted", metrics=None))
            raise
        except BaseException as error:
            with suppress(KasliteError):  # the log itself may be what failed
                self._emit(RunFinished(epoch=self.trainer.grower.epoch, status="failed", metrics=None, error=repr(error)))
            raise
        self._emit(RunFinished(epoch=self.trainer.grower.epoch, status="completed", metrics=metrics))
        return metrics

    def _emit(self, event: Event) -> None:
        self.counts[event.type] += 1
        self.sink.write(event)

    def _build_trainer(self) -> Trainer:
        config, train = self.config, self.task.train.to(self.device)
        validation = self.task.validation.to(self.device)
        optimizer = torch.optim.AdamW(self.model.parameters(), lr=config.lr, weight_decay=config.weight_decay)
        grower = Grower(
            self.model,
            optimizer,
            controller=Plateau(config.patience, config.delta, config.acc_threshold),
            blueprints=config.blueprints,
            rng_seed=config.rng_seed,
            evaluate=lambda: self._evaluate(validation),
            shadow_lr=config.shadow_lr,
            progress_thresh=config.progress_thresh,
            blending=BlendingConfig(fixed_steps=config.blend_steps, tick="step"),
            emit=self._emit,
        )
        return Trainer(
            self.model,
            optimizer,
            grower,
            batches=lambda epoch: train.batches(config.batch_size, config.rng_seed, epoch),
            loss=mean_cross_entropy,
            drift_warn=config.drift_warn,
            emit=self._emit,
        )

    def _evaluate(self, split: Split) -> Evaluation:
        return evaluate_on(self.model, split.inputs, split.targets, cross_entropies)

    def _run_started(self, name: str) -> RunStarted:
        return RunStarted(
            epoch=0,
            run_name=name,
            config=self.config.model_dump(mode="json"),
            seeds=tuple(seed.place for seed in self.model.seeds),
            host_params=self.host_params,
            num_threads=torch.get_num_threads(),
            versions={"kaslite": kaslite.__version__, "torch": torch.__version__, "python": platform.python_version()},
        )

    def _train_and_test(self) -> Metrics:
        config = self.config
        observation = self.trainer.fit(
            [
                Phase("phase_1", config.warm_up_epochs, grows=False),
                Phase("phase_2", config.adaptation_epochs, grows=True),
            ]
        )
        test = evaluate_now(self.model, lambda: self._evaluate(self.task.test.to(self.device)))
        return {
            "test_accuracy": test.accuracy,
            "val_accuracy": observation.val_accuracy,
            "best_accuracy": self.trainer.best_accuracy,
            "val_loss": finite_or_none(observation.val_loss),
            "host_params": self.host_params,
            "final_params": _count(self.model),
            "germinated": self.counts["seed_germinated"],
            "fossilized": self.counts["seed_fossilized"],
            "culled": self.counts["seed_culled"],
            "epochs": self.trainer.grower.epoch,
            "train_flops": round(self.trainer.train_flops),
            "wall_s": None,
            "rng_seed": config.rng_seed,
        }


def _build(config: RunConfig) -> _Experiment:
    try:
        return _Experiment(config)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        raise DataError(
            "the data or the host does not fit into this machine's memory; make n_samples or hidden_dim smaller."
        ) from error


def _with_present_device(config: RunConfig) -> RunConfig:
    if config.device == "cuda" and not torch.cuda.is_available():
        _log.warning("CUDA is not available on this machine; running on the CPU.")
        return config.model_copy(update={"device": "cpu"})
    return config


def _build_model(config: RunConfig, task: Task, device: torch.device) -> SeededModel:
    kind = HOSTS[config.host]
    with global_stream(torch.device("cpu"), config.rng_seed, "host"):
        host = kind.build(task.input_dim, config.hidden_dim, config.num_layers, task.num_classes).to(device)
    example = task.train.inputs[:2].to(device)
    return SeededModel(host, config.at, config.seeds_per_layer, causal=kind.causal, example_input=example).to(device)


def _count(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
