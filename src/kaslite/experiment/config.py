"""The settings of a run, frozen and checked where they are read; importing this does not import torch.

Precedence: flag > config file > what suits the host > what suits the problem > default.
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  pydantic reads it
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError

from kaslite.errors import StorageError, UsageError, unknown_name
from kaslite.experiment.blending import BlendingSection, blending_of, merged
from kaslite.experiment.controllers import CONTROLLERS, check_controller
from kaslite.experiment.problem import ProblemSettings, fixed_settings, unread_settings
from kaslite.tasks import HOST_PATTERN, HOSTS, PROBLEMS, check_fit, fitting_hosts

if TYPE_CHECKING:
    from collections.abc import Mapping


class RunConfig(ProblemSettings):
    """Everything that a run depends on: the same config gives the same run."""

    # The host and its training
    host: str = Field("mlp", description=f"What learns it: {', '.join(HOSTS)}; by default what suits the problem.")
    hidden_dim: int = Field(32, ge=1, description="Width of the host's hidden layers.")
    num_layers: int = Field(3, ge=1, description="Number of the host's hidden layers.")
    spare_layers: int = Field(
        0, ge=0, description="Empty layers after the hidden ones, where depth can grow: nothing but a place for seeds."
    )
    host_from: Path | None = Field(None, description="A run, by its folder, whose trained host this one starts with.")
    freeze_host: bool = Field(False, description="Train the seeds only: after the warm-up, or, with host_from, throughout.")  # noqa: FBT003
    lr: float = Field(3e-3, gt=0, description="Learning rate (AdamW).")
    lr_warm_up: int = Field(0, ge=0, description="Optimizer steps over which the learning rate rises from 0.")
    lr_decay: float = Field(0.0, ge=0, le=1, description="Last part of the run over which it falls to 0, linearly.")
    rewarm_epochs: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (), description="Epochs after which it rises anew, for comparison with growth: a flag for each."
    )
    weight_decay: float = Field(0.01, ge=0, description="Weight decay (AdamW).")
    batch_size: int = Field(32, ge=1, description="Samples in a training batch.")
    epoch_steps: int | None = Field(None, ge=1, description="Training batches of an epoch; by default all.")
    warm_up_epochs: int = Field(20, ge=0, description="Epochs before growth is allowed (phase_1).")
    adaptation_epochs: int = Field(100, ge=1, description="Epochs in which the network may grow (phase_2).")
    device: Literal["cpu", "cuda"] = Field("cpu", description="Device for computation.")
    num_threads: int = Field(
        1, ge=1, le=256, description="CPU threads; part of the config because sums depend on their number."
    )
    # The seeds
    at: str = Field(HOST_PATTERN, description="Which submodules of the host carry seeds, as a pattern of dotted names.")
    seeds_per_layer: int = Field(1, ge=1, description="Seeds on each of them.")
    chunked: bool = Field(False, description="Whether each seed of a layer has its own chunk of the channels.")  # noqa: FBT003
    blueprints: tuple[str, ...] = Field(
        ("mlp", "low_rank"), min_length=1, description="What seeds may become: a flag for each."
    )
    shadow_lr: float = Field(1e-3, gt=0, description="Learning rate of a seed in shadow training.")
    shadow_objective: Literal["task", "gradient", "reconstruct"] = Field(
        "task", description="What a seed learns in shadow training: reconstruct is the documented auto-encoder."
    )
    progress_thresh: float = Field(
        0.6, ge=0, le=1, description="Training progress at which a seed starts to blend by itself; 0: at once, untrained."
    )
    blend_steps: int = Field(100, ge=1, description="Ticks of a blend: optimizer steps, unless blending.tick says epoch.")
    blending: BlendingSection | None = Field(
        None, description="How a blend's ramp rises; without this section steadily, by 1 / blend_steps a step."
    )
    drift_warn: float = Field(0.12, ge=0, description="Drift of a layer's feature, in direction or scale, that is warned of.")
    reset_moments: bool = Field(False, description="Forget the optimizer's moments when a seed joins it; for comparison.")  # noqa: FBT003
    evidence: Literal["removal", "twin", "none"] = Field(
        "removal",
        description="What proves a seed: its removal cost, or the gain against a twin trained on without it; none: no seed is "
        "weighed, and none fossilized.",
    )
    probation_epochs: int = Field(3, ge=1, description="Epochs in a row that the evidence has to hold.")
    embargo_epochs: int = Field(5, ge=0, description="Epochs that the place of a culled seed stays closed.")
    # The controller
    controller: str = Field("plateau", description=f"What decides on growth: {', '.join(CONTROLLERS)}.")
    schedule: tuple[str, ...] = Field(
        (),
        description="Germinations planned beforehand, for controller schedule: 'EPOCH LAYER:SEED BLUEPRINT', a flag for each; "
        "at the end of that epoch, warm-up or not, and 0 is before the first.",
    )
    patience: int = Field(15, ge=3, description="Epochs over which the loss has to stop falling before a seed germinates.")
    delta: float = Field(1e-4, ge=0, description="Fall of the loss an epoch that still counts as progress.")
    acc_threshold: float = Field(0.95, ge=0, le=1, description="From this validation accuracy on nothing grows.")
    stop_when_solved: bool = Field(
        True,  # noqa: FBT003
        description="End the run when a classification has reached acc_threshold, no seed is on its way in or out, and the "
        "loss has stopped falling; =false trains on. Controller plateau only, and not with lr_decay or rewarm_epochs: they are "
        "planned over all epochs.",
    )
    shadow_epochs: int = Field(5, ge=1, description="Epochs of shadow training after which a seed blends or goes.")
    trial_epochs: int = Field(20, ge=1, description="Epochs after which a seed that is not proven goes.")
    # The run
    keep_checkpoints: int = Field(3, ge=1, description="How many of the last checkpoints are kept.")
    rng_seed: int = Field(0, ge=0, description="All randomness of the run is derived from it.")


def resolve(flags: Mapping[str, Any], file: Path | None = None, section: str | None = None) -> RunConfig:
    """Merge flags, config file and the settings that suit host and problem into a checked config.

    Where only one of host and problem is given, the other is the one that suits it. A setting that is null counts as not given.

    Raises:
        UsageError: with the first setting that is unknown, out of range, or not for this problem.
        StorageError: if the file cannot be read.
    """
    read = {} if file is None else read_settings(file, section=section)
    given = {**read, **flags}
    for name in given:
        if name not in RunConfig.model_fields:
            raise unknown_name("setting", str(name), RunConfig.model_fields)
    given = {name: value for name, value in given.items() if value is not None}
    given |= merged(read, flags)
    chosen = _chosen(given)
    host, problem = HOSTS[chosen["host"]], PROBLEMS[chosen["problem_type"]]
    unread = unread_settings(given, chosen["problem_type"])
    config = _checked({**problem.defaults, **host.defaults, **given, **chosen, **unread})
    _check_rewarming(config)
    fixed = fixed_settings(given, config)
    check_controller(config)
    blending_of(config)
    return config.model_copy(update=fixed)


def _chosen(given: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of problem and host; one that is missing is the one that suits the other."""
    host, problem = given.get("host"), given.get("problem_type")
    if host is not None and (not isinstance(host, str) or host not in HOSTS):
        raise unknown_name("host", str(host), HOSTS)
    if problem is None and given.get("data") is not None:
        problem = "table"
    if problem is None:
        problem = RunConfig.model_fields["problem_type"].default if host is None else HOSTS[host].problem
    if not isinstance(problem, str) or problem not in PROBLEMS:
        raise unknown_name("problem", str(problem), PROBLEMS)
    host = host or fitting_hosts(problem)[0]
    check_fit(host, problem)
    return {"problem_type": problem, "host": host}


def _check_rewarming(config: RunConfig) -> None:
    """Refuse a second rise of the learning rate where there is no first one, or after the last epoch."""
    epochs = config.warm_up_epochs + config.adaptation_epochs
    if config.rewarm_epochs and not config.lr_warm_up:
        raise UsageError(
            "rewarm_epochs is given, and lr_warm_up is 0: the learning rate would not rise; say over how many steps it does."
        )
    for epoch in config.rewarm_epochs:
        if epoch >= epochs:
            raise UsageError(f"rewarm_epochs holds {epoch}, and the run ends after {epochs} epochs; give earlier ones.")


class _EachKeyOnce(yaml.SafeLoader):
    """Reads YAML, and refuses a key that stands there twice: YAML forbids it, and the last one would win in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  as in PyYAML
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        for place, key in enumerate(keys):
            if key in keys[:place]:
                raise yaml.constructor.ConstructorError(None, None, f"{key} stands there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def read_settings(file: Path, what: str = "config file", section: str | None = None) -> dict[str, Any]:
    """Read a YAML file of ``setting: value`` lines, or one section of it, unchecked.

    Raises:
        StorageError: if it cannot be read.
        UsageError: if it is not YAML, or holds something else.
    """
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), _EachKeyOnce)  # noqa: S506  a safe loader
    except OSError as error:
        raise StorageError(f"cannot read the {what} {file}: {error.strerror}.") from error
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(f"the {what} {file} is not YAML: {' '.join(str(error).split())}.") from error
    except RecursionError as error:
        raise UsageError(f"the {what} {file} is nested too deeply; it has to hold 'setting: value' lines.") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UsageError(f"the {what} {file} holds a {type(content).__name__}; it has to hold 'setting: value' lines.")
    if section is None:
        return content
    if not isinstance(content.get(section), dict):
        raise UsageError(f"the {what} {file} has no section {section}; it holds {', '.join(map(str, content))}.")
    return dict(content[section])


def first_complaint(error: ValidationError) -> str:
    """Return the first thing that is wrong with some settings, as one sentence."""
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place} is {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}."


def _checked(values: dict[str, Any]) -> RunConfig:
    try:
        return RunConfig(**values)
    except ValidationError as error:
        raise UsageError(first_complaint(error)) from error
