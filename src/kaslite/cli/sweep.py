"""``kaslite sweep``: many runs, from a file of values or ranges."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from kaslite.cli.output import Output
from kaslite.cli.tracking import Tracking
from kaslite.errors import KasliteError, UsageError
from kaslite.experiment.config import RunConfig  # noqa: TC001  read by the parser
from kaslite.sweeps.sweeping import Executor  # noqa: TC001  likewise

if TYPE_CHECKING:
    from collections.abc import Callable

    from kaslite.sweeps.directory import SweepDirectory
    from kaslite.sweeps.summary import Comparison
    from kaslite.sweeps.sweeping import SweepPlan

RESULTS = Path("results")


def sweep(
    source: Path | None = None,
    /,
    *,
    settings: Annotated[RunConfig | None, Parameter(name="*")] = None,
    config: Path | None = None,
    resume: Path | None = None,
    workers: int | None = None,
    executor: Executor = "processes",
    storage: Path | None = None,
    yes: bool = False,
    results_dir: Path = RESULTS,
    dry_run: bool = False,
    tracking: Tracking = Tracking(),  # noqa: B008  frozen
    output: Output = Output(),  # noqa: B008  frozen
) -> None:
    """Run every combination of the values in a sweep file, or search through its ranges; then compare the runs.

    The sweep file wins over flags, these over the config file, that over the defaults. A run that fails is recorded, and the
    others go on; at the end the exit code is 1.

    Parameters
    ----------
    source
        A sweep file, or a folder of which every .yaml file is one.
    config
        A YAML file with settings for all runs.
    resume
        The folder of a sweep that was interrupted: go on with it, and run again what failed.
    workers
        Runs at a time, in processes with one thread each; by default one for each core. 0 runs everything in this one.
    executor
        Who carries the runs out: processes, or ray: the Ray cluster that RAY_ADDRESS names, or one on this machine.
    storage
        A journal file in a folder that several machines see: they share the trials of a search.
    yes
        Run more than 10,000 runs.
    results_dir
        Folder under which the sweep gets a folder of its own, in sweeps/.
    dry_run
        List the runs, and run none.
    """
    flags = {} if settings is None else settings.model_dump(mode="json", exclude_unset=True)
    carrying = Carrying(workers, executor, tracking, output)
    if resume is not None:
        _check_alone(source, flags, config, storage)
        carrying.go_on(resume)
        return
    if source is None:
        raise UsageError("sweep needs a sweep file or a folder of them, or --resume DIR.")
    carry_out(
        source,
        flags,
        carrying,
        config=config,
        storage=storage,
        yes=yes,
        results_dir=results_dir,
        dry_run=dry_run,
    )


@dataclass(frozen=True)
class Carrying:
    """How the runs of a sweep are carried out, tracked and told."""

    workers: int | None
    executor: Executor
    tracking: Tracking
    output: Output

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 0:
            raise UsageError(f"workers is {self.workers}; it has to be 0 or more.")
        if self.workers == 0 and self.executor == "ray":
            raise UsageError("workers is 0, which runs everything in this process; with --executor ray it has to be 1 or more.")
        if self.tracking.linger:
            raise UsageError("--linger is for a single run; those of a sweep have metrics while they go. Leave it out.")
        if self.workers == 0 and self.tracking.metrics_port is not None:
            raise UsageError("workers is 0, so nothing is beside the runs that could serve metrics; leave out --metrics_port.")

    def go_on(self, folder: Path) -> None:
        """Run what is left of the sweep in a folder."""
        from kaslite.sweeps.directory import SweepDirectory
        from kaslite.sweeps.sweeping import SweepPlan

        directory = SweepDirectory.find(folder)
        self.run(lambda: directory, SweepPlan.from_json(directory.read_plan()))

    def run(self, make: Callable[[], SweepDirectory], plan: SweepPlan) -> None:
        """Run a sweep, and say what came out of it.

        Args:
            make: its folder, once nothing speaks against running it.
            plan: of its runs.

        Raises:
            KasliteError: if one of its runs failed, or all of it.
        """
        from functools import partial

        from kaslite.sweeps.sweeping import carry_out_sweep

        self.output.hear_warnings()
        tracking = replace(self.tracking, no_metrics=True) if self.workers == 0 else self.tracking
        with tracking.of_sweep(self.output) as followers:
            directory = make()
            with self.output.progress() as tell:
                comparison = carry_out_sweep(
                    directory,
                    workers=self.workers,
                    tell=partial(tell, directory.path.name),
                    executor=self.executor,
                    followers=followers(directory, plan.total),
                )
        _say(directory, comparison, self.output)
        failed = [outcome for outcome in comparison.outcomes if outcome.status == "failed"]
        if failed:
            first = failed[0]
            raise KasliteError(
                f"{len(failed)} of {len(comparison.outcomes)} runs failed, the first was {first.planned.name}: {first.error} "
                f"The results of the others are in {directory.path}."
            )


def carry_out(
    source: Path,
    flags: dict[str, Any],
    carrying: Carrying,
    *,
    config: Path | None,
    storage: Path | None = None,
    yes: bool,
    results_dir: Path,
    dry_run: bool,
) -> None:
    """Plan a sweep, and list it or run it."""
    from kaslite.sweeps.directory import SweepDirectory
    from kaslite.sweeps.plan import base_settings
    from kaslite.sweeps.sweeping import plan_sweep

    plan = plan_sweep(source, base_settings(flags, config), sure=yes, storage=storage)
    if dry_run:
        content = plan.as_json()
        carrying.output.say(listed(plan), {"runs": content["runs"], "searches": content["searches"], "total": plan.total})
        return
    carrying.run(lambda: SweepDirectory.create(results_dir, plan.as_json()), plan)


def listed(plan: SweepPlan) -> str:
    """Return the runs of a plan, a line each."""
    lines = [run.title for run in plan.runs]
    for planned in plan.searches:
        search = planned.search
        lines.append(
            f"{planned.file.path}: {search.n_trials} trials of {', '.join(search.ranges)} by {search.sampler}"
            f"{', with hyperband' if search.prunes else ''}, for {' and '.join(search.objectives)}"
        )
    return "\n".join([*lines, f"{plan.total} runs"])


def _say(directory: SweepDirectory, comparison: Comparison, output: Output) -> None:
    from kaslite.sweeps.summary import as_table, best_of

    picture = directory.picture if directory.picture.exists() else None
    files = ", ".join(path.name for path in (directory.summary, directory.comparison, picture) if path is not None)
    output.say(
        f"{as_table(comparison)}\nsweep  {directory.path}   ({files})",
        {
            "sweep_dir": str(directory.path),
            "summary": str(directory.summary),
            "picture": None if picture is None else str(picture),
            "objectives": list(comparison.objectives),
            "best": best_of(comparison),
            "runs": comparison.rows(),
        },
    )


def _check_alone(source: Path | None, flags: dict[str, Any], config: Path | None, storage: Path | None) -> None:
    if source is not None or flags or config is not None or storage is not None:
        raise UsageError("--resume goes on with the plan in its folder; give no sweep file, settings, --config or --storage.")
