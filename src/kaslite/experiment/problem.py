"""The settings of a run that say what it learns. What a problem does not read is refused, and null in the resolved config.

Not for: data; `kaslite.tasks` loads it.
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  pydantic reads it
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from kaslite.errors import UsageError
from kaslite.tasks import PROBLEMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kaslite.experiment.config import RunConfig

_OF_PROBLEMS = {setting for problem in PROBLEMS.values() for setting in problem.reads}

LEAST_GENERATED_INPUTS = 2
"""Generated problems lie in a plane at least; a table may have one input."""


class GeneratedSettings(BaseModel):
    """Which points are generated, where a problem is."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    problem_type: str = Field("spirals", description=f"What to learn: {', '.join(PROBLEMS)}.")
    input_dim: int = Field(2, ge=1, description="Number of inputs, where the data does not fix it: 2 or more.")
    n_samples: int | None = Field(500, ge=1, description="Number of samples: points to generate, or windows of a text.")
    noise: float | None = Field(0.1, ge=0, description="Noise on every coordinate of the points of spirals, moons and spheres.")
    rotations: float | None = Field(4.0, gt=0, description="Turns of each arm of the spirals.")
    n_centers: int | None = Field(2, ge=2, description="Number of clusters, a class each.")
    cluster_std: float | None = Field(1.0, ge=0, description="Standard deviation of the points of a cluster.")


class ProblemSettings(GeneratedSettings):
    """What a run learns; what its problem does not read is null."""

    classes: tuple[int, ...] | None = Field(
        None, description="Which of the digits alone, numbered in this order; by default all: a flag for each."
    )
    context: int | None = Field(64, ge=2, description="Characters in a window of a text.")
    data: Path | None = Field(
        None, description="Your own data: a .csv file with a header, or an .npz file with arrays X and y."
    )
    target: str | None = Field(None, description="The column of the data to learn, or the array that stands in for y.")
    task_type: Literal["classification", "regression"] | None = Field(
        None, description="How to learn it; by default texts and integers of at most 20 values are classes."
    )
    data_sha256: str | None = Field(
        None, description="Checksum that the file of the data has to have; recorded in the run if it is not given."
    )
    train_frac: float = Field(0.7, gt=0, lt=1, description="Fraction that trains; the rest is halved into validation and test.")


def unread_settings(given: Mapping[str, Any], name: str) -> dict[str, None]:
    """Return null for each setting of other problems than the one called ``name``, and refuse it if it was given."""
    reads = PROBLEMS[name].reads
    for setting in sorted(_OF_PROBLEMS - reads):
        if setting in given:
            inputs = ["input_dim"] if PROBLEMS[name].input_dim == "input_dim" and PROBLEMS[name].facts is None else []
            accepted = ", ".join([*sorted(reads), *inputs, "train_frac"])
            raise UsageError(f"{setting} is {given[setting]}, but {name} does not read it; leave it out. It reads {accepted}.")
    return dict.fromkeys(_OF_PROBLEMS - reads)


def fixed_settings(given: Mapping[str, Any], config: RunConfig) -> dict[str, Any]:
    """Return the settings that the data fixes.

    Args:
        given: the settings that were given.
        config: of the run, checked otherwise.

    Raises:
        UsageError: if another number of inputs was given, or if it is too small.
        KasliteError: if the data is a file that does not do.
    """
    name, fixed = config.problem_type, PROBLEMS[config.problem_type].fixed(config)
    inputs = fixed["input_dim"]
    if "input_dim" in given and config.input_dim != inputs:
        raise UsageError(f"input_dim is {config.input_dim}, but {name} has {inputs} inputs; leave it out.")
    if PROBLEMS[name].facts is None and inputs < LEAST_GENERATED_INPUTS:
        raise UsageError(f"input_dim is {inputs}, but {name} has {LEAST_GENERATED_INPUTS} inputs at least; give more.")
    return fixed
