"""The ``search`` section of a sweep file: ranges of settings, how many trials, and by what they are judged.

Importing this imports no optuna. Not for: searching (`kaslite.sweeps.search`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from kaslite.errors import UsageError, unknown_name
from kaslite.experiment.blending import BlendingSection
from kaslite.experiment.config import RunConfig, first_complaint
from kaslite.sweeps.objective import MAXIMIZED, PER_EPOCH, check_objective
from kaslite.sweeps.plan import PlannedRun, count_runs, plan_run
from kaslite.sweeps.sweep_file import KNOWN, SECTION, values_of
from kaslite.tasks import PROBLEMS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kaslite.sweeps.sweep_file import SweepFile


class Range(BaseModel):
    """What one setting may be: from low to high, or one of some choices."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    low: int | float | None = None
    high: int | float | None = None
    log: bool = Field(False, description="Whether small values are as likely as large ones: 0.001 to 0.01 as 0.1 to 1.")  # noqa: FBT003
    step: int | float | None = Field(None, gt=0, description="Distance of the values, from low on.")
    choices: tuple[Any, ...] | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        bounds = (self.low, self.high)
        if (self.choices is None) == (bounds == (None, None)) or (self.choices is None and None in bounds):
            raise ValueError("give low and high, or choices")
        if self.low is not None and self.high is not None and (self.low > self.high or (self.log and self.low <= 0)):
            raise ValueError("low has to be at most high, and above 0 where log is true")
        if self.log and self.step is not None:
            raise ValueError("give log or step, not both")
        if self.low is not None and self.high is not None and self.step is not None and self.step > self.high - self.low:
            raise ValueError("step has to be at most high - low")
        return self


class Search(BaseModel):
    """How to search."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ranges: dict[str, Range] = Field(min_length=1)
    n_trials: int = Field(20, ge=1)
    objectives: tuple[str, ...] = Field(("val_accuracy",), min_length=1, description="In a regression by default val_loss.")
    sampler: Literal["tpe", "random"] = "tpe"
    pruner: Literal["hyperband", "none"] | None = Field(None, description="By default hyperband where there is one objective.")

    @property
    def prunes(self) -> bool:
        """Whether runs without promise are given up early."""
        can = len(self.objectives) == 1 and self.objectives[0] in PER_EPOCH
        return can if self.pruner is None else self.pruner == "hyperband"


def search_of(file: SweepFile, base: Mapping[str, Any]) -> Search:
    """Check the search of a file, with the ends of its ranges as settings of a run.

    Raises:
        UsageError: with the first thing that is wrong.
    """
    try:
        search = Search.model_validate(file.search)
    except ValidationError as error:
        raise UsageError(f"the sweep file {file.path} is wrong: search.{first_complaint(error)}") from error
    try:
        _check(search, file)
        corners = list(corners_of(file, search))
    except UsageError as error:
        raise UsageError(f"the sweep file {file.path} is wrong: {error}") from error
    runs = [plan_run(file, base, point, 1, 3) for point in corners]
    return _by_what_there_is(search, file) if any(map(_is_regression, runs)) else search


def is_whole(name: str) -> bool:
    """Return whether a setting is a whole number."""
    return _type_of(name) in (int, int | None)


def fixed_point(file: SweepFile) -> dict[str, Any]:
    """Return the settings beside a search, which have one value each."""
    return {name: values[0] for name, values in file.grid.items()}


def _check(search: Search, file: SweepFile) -> None:
    for name in search.ranges:
        if name not in KNOWN:
            raise unknown_name("setting", name, KNOWN)
        if name in file.grid:
            raise UsageError(f"{name} stands beside the search and in its ranges; give it once.")
    if count_runs([file]) == 0 and any(len(values) > 1 for values in file.grid.values()):
        name = next(name for name, values in file.grid.items() if len(values) > 1)
        raise UsageError(f"{name} has several values beside a search; give them as choices: {{choices: [...]}} in its ranges.")
    for name, values in search.ranges.items():
        _check_numbers(name, values)
    for place, objective in enumerate(search.objectives):
        check_objective(objective)
        if objective in search.objectives[:place]:
            raise UsageError(f"objectives holds {objective} twice; give it once.")
    if search.pruner == "hyperband" and (len(search.objectives) > 1 or search.objectives[0] not in PER_EPOCH):
        raise UsageError(f"pruner hyperband needs one objective that is known after each epoch: {', '.join(PER_EPOCH)}.")


def _check_numbers(name: str, values: Range) -> None:
    """Refuse ends for what is no number, and parts where it is a whole one."""
    if values.choices is not None:
        return
    if _type_of(name) not in (int, int | None, float, float | None):
        raise UsageError(f"{name} is no number, so it has no low and high; give {{choices: [...]}}.")
    for what in ("low", "high", "step"):
        value = getattr(values, what)
        if is_whole(name) and value is not None and value != int(value):
            raise UsageError(f"{name} is a whole number, and {what} of its range is {value}; give a whole one.")


def _type_of(name: str) -> Any:
    inner = name.removeprefix(f"{SECTION}.")
    field = RunConfig.model_fields.get(name) or BlendingSection.model_fields.get(inner) or RunConfig.model_fields["blend_steps"]
    return field.annotation


def _is_regression(run: PlannedRun) -> bool:
    return PROBLEMS[run.settings["problem_type"]].is_regression(RunConfig(**run.settings))


def _by_what_there_is(search: Search, file: SweepFile) -> Search:
    """Return the search of a regression, which has no accuracy."""
    if "objectives" not in search.model_fields_set:
        return search.model_copy(update={"objectives": ("val_loss",)})
    for objective in search.objectives:
        if objective in MAXIMIZED:
            raise UsageError(
                f"the sweep file {file.path} is wrong: objectives holds {objective}, and a regression has no accuracy; "
                "compare by val_loss."
            )
    return search


def corners_of(file: SweepFile, search: Search) -> Iterator[dict[str, Any]]:
    """Yield points at the ends of the ranges: all low, and each other end or choice alone."""
    ends = {name: _ends(name, values) for name, values in search.ranges.items()}
    lowest = {**fixed_point(file), **{name: values[0] for name, values in ends.items()}}
    yield lowest
    for name, values in ends.items():
        for value in values[1:]:
            yield {**lowest, name: value}


def _ends(name: str, values: Range) -> list[Any]:
    return [values.low, values.high] if values.choices is None else list(values_of(name, list(values.choices)))
