"""The plan of a sweep: every run that it will make, by number and name, with all its settings.

The sweep file wins over flags, these over the config file, that over the defaults. Not for: carrying them out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from kaslite.errors import UsageError
from kaslite.experiment.blending import merged
from kaslite.experiment.config import read_settings, resolve
from kaslite.experiment.run_directory import config_hash
from kaslite.sweeps.sweep_file import SECTION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from kaslite.sweeps.sweep_file import SweepFile

MOST_RUNS = 10_000
"""More than these are hardly meant; ``--yes`` says that they are."""

Settings = dict[str, Any]


@dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep, as plain data."""

    name: str  # of its folder
    source: str  # the sweep file that asks for it
    parameters: Settings  # what that file says of it, by dotted name
    settings: Settings  # all of them, resolved
    varied: tuple[str, ...] = ()  # those parameters that have other values in other runs

    @property
    def title(self) -> str:
        """What it is, for people."""
        said = " ".join(f"{name}={brief(self.parameters[name])}" for name in self.varied)
        return f"{self.name} {said}".strip()


def base_settings(flags: Mapping[str, Any], config_file: Path | None = None) -> Settings:
    """Return what holds for all runs, as far as their sweep file says nothing else.

    Args:
        flags: settings that were given on the command line, as plain data.
        config_file: with further ones.

    Raises:
        KasliteError: if the file cannot be read.
    """
    read = {} if config_file is None else read_settings(config_file)
    return {**read, **flags, **merged(read, flags)}


def count_runs(files: Sequence[SweepFile]) -> int:
    """Return how many runs the grids of some files make."""
    return sum(math.prod(map(len, file.grid.values())) for file in files if file.search is None)


def plan_grid(file: SweepFile, base: Mapping[str, Any], *, first: int, width: int) -> list[PlannedRun]:
    """Plan every combination of the values of a file; the last setting of the file changes fastest.

    Args:
        file: one without a search.
        base: what `base_settings` returned.
        first: number of the first of these runs.
        width: digits of a number.

    Raises:
        UsageError: if the settings of one do not do.
    """
    points = [dict(zip(file.grid, values, strict=True)) for values in product(*file.grid.values())]
    return [plan_run(file, base, point, number, width) for number, point in enumerate(points, start=first)]


def plan_run(file: SweepFile, base: Mapping[str, Any], point: Mapping[str, Any], number: int, width: int) -> PlannedRun:
    """Plan one run.

    Args:
        file: that asks for it.
        base: what `base_settings` returned.
        point: the value of each setting of the file, by dotted name.
        number: of the run in its sweep, from 1.
        width: digits of that number.

    Raises:
        UsageError: if its settings do not do.
    """
    try:
        config = resolve(overlaid(base, point))
    except UsageError as error:
        raise UsageError(f"the sweep file {file.path} is wrong: {error}") from error
    settings = config.model_dump(mode="json")
    flat = flattened(settings)
    # The config knows `fixed_steps` of the section by its other name.
    parameters = {name: flat.get("blend_steps" if name.endswith(".fixed_steps") else name) for name in point}
    varied = tuple(name for name in point if len(file.grid.get(name, ())) != 1)
    return PlannedRun(run_name(number, width, config_hash(config)), str(file.path), parameters, settings, varied)


def run_name(number: int, width: int, digest: str) -> str:
    """Return the name of a run's folder.

    >>> run_name(1, 3, "a1b2c3d4")
    'run_001_a1b2c3d4'
    """
    return f"run_{number:0{width}d}_{digest}"


def brief(value: Any) -> str:
    """Return a value as people read it.

    >>> brief(0.0035028866067003425), brief(["mlp", "low_rank"]), brief(None)
    ('0.003503', 'mlp+low_rank', '-')
    """
    if isinstance(value, list | tuple):
        return "+".join(map(brief, value)) or "none"
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def overlaid(base: Mapping[str, Any], point: Mapping[str, Any]) -> Settings:
    """Return the settings of one run: those of a point, by dotted name, over the base.

    >>> overlaid({"lr": 0.1, "blending": {"tick": "step"}}, {"blending.strategy": "FIXED_RAMP", "lr": 0.2})
    {'lr': 0.2, 'blending': {'tick': 'step', 'strategy': 'FIXED_RAMP'}}
    """
    said: Settings = {}
    for name, value in point.items():
        section, _, inner = name.partition(".")
        if inner:
            said.setdefault(section, {})[inner] = value
        else:
            said[name] = value
    return {**base, **said, **merged(base, said)}


def flattened(settings: Mapping[str, Any]) -> Settings:
    """Return settings with those of the section by dotted names."""
    flat: Settings = {}
    for name, value in settings.items():
        if name == SECTION and isinstance(value, dict):
            flat |= {f"{name}.{inner}": inner_value for inner, inner_value in value.items()}
        elif name != SECTION:
            flat[name] = value
    return flat
