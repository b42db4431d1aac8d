"""``kaslite data``: write the points of a generated problem into a file."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  read by the parser
from typing import Annotated

from cyclopts import Parameter

from kaslite.cli.output import Output
from kaslite.errors import UsageError
from kaslite.experiment.config import resolve
from kaslite.experiment.problem import GeneratedSettings  # noqa: TC001  read by the parser


def data(
    file: Path,
    /,
    *,
    settings: Annotated[GeneratedSettings | None, Parameter(name="*")] = None,
    rng_seed: int = 0,
    output: Output = Output(),  # noqa: B008  frozen
) -> None:
    """Write the points of a generated problem into a CSV file, which a run learns with --data FILE --target label.

    They are as they come, neither split nor scaled: the run that learns the file does that.

    Parameters
    ----------
    file
        The file, which must not be there yet.
    rng_seed
        What the points are drawn by: the same as in `kaslite run --rng_seed`.
    """
    from kaslite.tasks import PROBLEMS
    from kaslite.tasks.points_file import LABEL, check_new, write_points

    given = {} if settings is None else {name: getattr(settings, name) for name in settings.model_fields_set}
    problem = PROBLEMS.get(str(given.get("problem_type")))
    if problem is not None and problem.draws is None:
        there = ", ".join(name for name, problem in PROBLEMS.items() if problem.draws is not None)
        raise UsageError(f"{given['problem_type']} is not generated, so there are no points to write; take one of {there}.")
    config = resolve({**given, "rng_seed": rng_seed})
    check_new(file)
    points, labels = PROBLEMS[config.problem_type].draw(config, rng_seed)
    write_points(file, points, labels)
    samples, inputs = points.shape
    output.say(
        f"{samples:,} points of {config.problem_type} in {inputs} dimensions: {file}\n"
        f"learn them     kaslite run --data {file} --target {LABEL}",
        {"file": str(file), "target": LABEL, "samples": samples, "input_dim": inputs},
    )
