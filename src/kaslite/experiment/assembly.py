"""An experiment put together from its config: task, host, seeds, controller, loop. Everything that can be wrong shows here.

Not for: folders, logs and views; `kaslite.experiment.run` gives it those.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import torch

from kaslite.errors import DataError, UsageError
from kaslite.events import RunStarted, Submodule, finite_or_none
from kaslite.experiment.blending import blending_of
from kaslite.experiment.controllers import CONTROLLERS, check_places, plan_of
from kaslite.experiment.provenance import checkouts, data_sha256, tensors_sha256, versions
from kaslite.experiment.trained_host import take_trained_host
from kaslite.randomness import global_stream
from kaslite.seeds import SeededModel
from kaslite.tasks import HOSTS, PROBLEMS
from kaslite.telemetry import FanOut
from kaslite.training.durations import Durations
from kaslite.training.evaluation import (
    cross_entropies,
    evaluate_now,
    evaluate_on,
    mean_cross_entropy,
    mean_squared_error,
    r_squared,
    squared_errors,
)
from kaslite.training.grower import Grower
from kaslite.training.learning_rate import factor, follow_factor
from kaslite.training.loop import Phase, Trainer
from kaslite.training.saving import capture, restore
from kaslite.training.twin import TwinTraining

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor, nn
    from torch.optim.lr_scheduler import LambdaLR

    from kaslite.events import Event
    from kaslite.experiment.config import RunConfig
    from kaslite.experiment.run_directory import Metrics
    from kaslite.tasks.task import Split, Task
    from kaslite.telemetry import Sink
    from kaslite.training.evaluation import Evaluation


def assemble(config: RunConfig, *, resumes: bool = False) -> Experiment:
    """Build an experiment.

    Args:
        config: its settings.
        resumes: whether it will be given the state of an earlier one, host and all, so that ``host_from`` is not read.

    Raises:
        KasliteError: if the config or the data do not do, or if they do not fit into memory.
    """
    try:
        return Experiment(config, resumes=resumes)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        raise DataError(
            "the data or the host does not fit into this machine's memory; make n_samples or hidden_dim smaller."
        ) from error


class Experiment:
    """The parts of a run."""

    def __init__(self, config: RunConfig, *, resumes: bool = False) -> None:
        self.config = config
        self.device = torch.device(config.device)
        self.task = PROBLEMS[config.problem_type].load(config, config.rng_seed)
        self.model = build_model(config, self.task.input_dim, self.task.outputs, self.task.train.inputs[:2])
        if config.host_from is not None and not resumes:
            take_trained_host(self.model.host, config.host_from)
        if config.freeze_host and config.host_from is not None:
            self.model.freeze_host()
        self.epoch_steps = _epoch_steps(config, self.task)
        self.host_params = _count(self.model)
        self.counts: Counter[str] = Counter()  # of events, by type
        self.sink: Sink = FanOut([])  # until the run has a folder
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=config.lr, weight_decay=config.weight_decay)
        self.trainer = self._build_trainer()

    @property
    def grower(self) -> Grower:
        """The one that grows the model."""
        return self.trainer.grower

    @property
    def host_sha256(self) -> str | None:
        """Checksum of the host as it is now, if it is one that another run has trained."""
        return None if self.config.host_from is None else tensors_sha256(self.model.host.state_dict())

    def emit(self, event: Event) -> None:
        """Count an event, and pass it on."""
        self.counts[event.type] += 1
        self.sink.write(event)

    def started(self, name: str) -> RunStarted:
        """Return the event that opens the log of a run called ``name``."""
        return RunStarted(
            epoch=0,
            run_name=name,
            config=self.config.model_dump(mode="json"),
            seeds=tuple(seed.place for seed in self.model.seeds),
            host_params=self.host_params,
            num_threads=torch.get_num_threads(),
            versions=versions(),
            **checkouts()._asdict(),
            data_sha256=data_sha256(self.task),
            host_sha256=self.host_sha256,
            submodules=_submodules(self.model.host),
        )

    def train(self, after_epoch: Callable[[], None]) -> None:
        """Train, or train on."""
        config, plans = self.config, CONTROLLERS[self.config.controller].plans
        if plans and not self.grower.epoch:
            self.grower.begin()
        phases = (
            Phase("phase_1", config.warm_up_epochs, grows=plans),
            Phase("phase_2", config.adaptation_epochs, grows=True, freezes_host=config.freeze_host),
        )
        self.trainer.fit(phases, after_epoch)

    def test(self) -> Metrics:
        """Read the test split, once, and sum the run up."""
        test = evaluate_now(self.model, lambda: self._evaluate(self.model, self.task.test.to(self.device)))
        metrics: Metrics = {
            "test_accuracy": test.accuracy,
            "val_accuracy": self.trainer.val_accuracy,
            "best_accuracy": self.trainer.best_accuracy,
            "val_loss": finite_or_none(self.trainer.val_loss),
            "test_loss": finite_or_none(test.loss),
            "host_params": self.host_params,
            "final_params": _count(self.model),
            "germinated": self.counts["seed_germinated"],
            "fossilized": self.counts["seed_fossilized"],
            "culled": self.counts["seed_culled"],
            "epochs": self.grower.epoch,
            "train_flops": self.trainer.train_flops.total,
            "eval_flops": self.trainer.eval_flops.total,
            "wall_s": None,
            "rng_seed": self.config.rng_seed,
        }
        if self.task.is_regression:
            metrics["test_r2"] = r_squared(test.loss, self.task.test.targets)
        return metrics

    def state_dict(self) -> dict[str, Any]:
        """Return all that the run is, as tensors and plain data."""
        return {
            "training": capture(self.model, self.optimizer, self.grower),
            "trainer": self.trainer.state_dict(),
            "counts": dict(self.counts),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where another run of the same config was."""
        restore(state["training"], self.model, self.optimizer, self.grower)
        self.trainer.load_state_dict(state["trainer"])
        self.counts = Counter(state["counts"])

    def _build_trainer(self) -> Trainer:
        config, train, plan = self.config, self.task.train.to(self.device), plan_of(self.config)
        check_places(plan, self.model, config.shadow_objective)
        validation = self.task.validation.to(self.device)
        twin = TwinTraining(
            train=lambda model, optimizer: self.trainer.train_twin(model, optimizer),  # noqa: PLW0108  it is made below
            evaluate=lambda model: self._validate(model, validation),
        )
        grower = Grower(
            self.model,
            self.optimizer,
            controller=CONTROLLERS[config.controller].build(config),
            blueprints=tuple(dict.fromkeys((*config.blueprints, *(planned.blueprint for planned in plan)))),
            schedulers=self._schedulers(),
            rng_seed=config.rng_seed,
            evaluate=lambda: self._validate(self.model, validation),
            twin=twin if config.evidence == "twin" else None,
            weigh=config.evidence != "none",
            shadow_lr=config.shadow_lr,
            shadow_objective=config.shadow_objective,
            progress_thresh=config.progress_thresh,
            reset_moments=config.reset_moments,
            blending=blending_of(config),
            durations=Durations(probation_epochs=config.probation_epochs, embargo_epochs=config.embargo_epochs),
            emit=self.emit,
        )
        return Trainer(
            self.model,
            self.optimizer,
            grower,
            batches=lambda epoch: train.batches(config.batch_size, config.rng_seed, epoch, self.epoch_steps),
            loss=mean_squared_error if self.task.is_regression else mean_cross_entropy,
            drift_warn=config.drift_warn,
            emit=self.emit,
        )

    def _validate(self, model: nn.Module, split: Split) -> Evaluation:
        with self.trainer.eval_flops.spending(model, len(split)):
            return self._evaluate(model, split)

    def _schedulers(self) -> list[LambdaLR]:
        """Return the scheduler of the learning rate, if it changes at all."""
        config, steps = self.config, self.epoch_steps
        if not config.lr_warm_up and not config.lr_decay:
            return []
        total = steps * (config.warm_up_epochs + config.adaptation_epochs)
        starts = tuple(epoch * steps for epoch in config.rewarm_epochs)

        def factor_at(step: int) -> float:
            return factor(step, total, warm_up=config.lr_warm_up, decay=config.lr_decay, rewarm_at=starts)

        return [follow_factor(self.optimizer, factor_at)]

    def _evaluate(self, model: nn.Module, split: Split) -> Evaluation:
        losses = squared_errors if self.task.is_regression else cross_entropies
        return evaluate_on(model, split.inputs, split.targets, losses)


def build_model(config: RunConfig, input_dim: int, outputs: int, example: Tensor) -> SeededModel:
    """Build the host of a run with its seed layers.

    Args:
        config: of the run.
        input_dim: number of features or tokens of a sample.
        outputs: number of logits.
        example: some inputs, by which the seeds learn their shapes.
    """
    kind, device = HOSTS[config.host], torch.device(config.device)
    with global_stream(torch.device("cpu"), config.rng_seed, "host"):
        host = kind.build(input_dim, config.hidden_dim, config.num_layers, outputs, config.spare_layers).to(device)
    model = SeededModel(
        host,
        config.at,
        config.seeds_per_layer,
        chunked=config.chunked,
        causal=kind.causal,
        example_input=example.to(device),
    )
    return model.to(device)


def _epoch_steps(config: RunConfig, task: Task) -> int:
    """Return how many batches an epoch has."""
    there = math.ceil(len(task.train) / config.batch_size)
    if config.epoch_steps is not None and config.epoch_steps > there:
        raise UsageError(
            f"epoch_steps is {config.epoch_steps}, and {len(task.train)} training samples make {there} batches of "
            f"{config.batch_size}; make it smaller, or leave it out to take all."
        )
    return config.epoch_steps or there


def _submodules(host: nn.Module) -> tuple[Submodule, ...]:
    return tuple(
        Submodule(name=name, kind=type(part).__name__, params=_count(part)) for name, part in host.named_modules() if name
    )


def _count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
