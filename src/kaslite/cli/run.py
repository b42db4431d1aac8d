"""``kaslite run``: train a host on a problem and let it grow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import yaml
from cyclopts import Parameter

from kaslite.cli.output import Output
from kaslite.cli.sweep import Carrying
from kaslite.cli.sweep import carry_out as sweep
from kaslite.cli.tracking import Tracking
from kaslite.errors import UsageError
from kaslite.experiment.config import RunConfig, resolve
from kaslite.telemetry.words import number

if TYPE_CHECKING:
    from kaslite.experiment.run import RunResult
    from kaslite.experiment.run_directory import Metrics

RESULTS = Path("results")


def run(
    *,
    settings: Annotated[RunConfig | None, Parameter(name="*")] = None,
    config: Path | None = None,
    section: str | None = None,
    sweep_config: Annotated[Path | None, Parameter(alias="-s")] = None,
    workers: int | None = None,
    yes: bool = False,
    results_dir: Path = RESULTS,
    dry_run: bool = False,
    tracking: Tracking = Tracking(),  # noqa: B008  frozen
    output: Output = Output(),  # noqa: B008  frozen
) -> None:
    """Train a host on a problem and let it grow where learning stalls.

    Flags win over the config file, that over what suits host and problem, that over the defaults; --dry_run shows the outcome.

    Parameters
    ----------
    config
        A YAML file with any of these settings.
    section
        Of the config file: the section that holds them.
    sweep_config
        A sweep file, or a folder of them: `kaslite sweep` with these flags as its defaults.
    workers
        Of a sweep: processes; by default one for each core.
    yes
        Of a sweep: run more than 10,000 runs.
    results_dir
        Folder under which the run gets a folder of its own.
    dry_run
        Print the resolved config as YAML, and run nothing.
    """
    if section is not None and (config is None or sweep_config is not None):
        raise UsageError("--section is for a single run's config file; give --config FILE, or leave it out.")
    if sweep_config is not None:
        given = {} if settings is None else settings.model_dump(mode="json", exclude_unset=True)
        sweep(
            sweep_config,
            given,
            Carrying(workers, "processes", tracking, output),
            config=config,
            yes=yes,
            results_dir=results_dir,
            dry_run=dry_run,
        )
        return
    if workers is not None or yes:
        raise UsageError("--workers and --yes are for sweeps; leave them out, or give --sweep_config FILE.")
    flags = {} if settings is None else {name: getattr(settings, name) for name in settings.model_fields_set}
    resolved = resolve(flags, config, section)
    if dry_run:
        content = resolved.model_dump(mode="json")
        output.say(yaml.safe_dump(content, sort_keys=False).rstrip(), content)
        return
    from kaslite.experiment.run import run as carry_out

    output.hear_warnings()
    with tracking.of_run(lambda name: results_dir / name, output) as sinks:
        result = carry_out(resolved, results_dir, [*output.views(), *sinks])
        output.say(summary(result), {**result.metrics, "run_dir": str(result.run_dir)})


def summary(result: RunResult) -> str:
    """Return the result of a run in a few lines."""
    metrics = result.metrics
    return (
        f"{_quality(metrics)}\n"
        f"parameters     {metrics['host_params']:,} -> {metrics['final_params']:,}   "
        f"(seeds: {metrics['germinated']} germinated, {metrics['fossilized']} fossilized, {metrics['culled']} culled)\n"
        f"run            {result.run_dir}   (config.yaml, events.jsonl, metrics.json)\n"
        f"look again     kaslite replay {result.run_dir}"
    )


def _quality(metrics: Metrics) -> str:
    if metrics["test_accuracy"] is not None:
        return f"test accuracy  {metrics['test_accuracy']:.4f}"
    return f"test R2        {number(metrics.get('test_r2'))}   (loss {number(metrics['test_loss'])})"
