"""``kaslite analytics``: what the events of a run add up to, from its event log alone."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from kaslite.cli.output import Output

if TYPE_CHECKING:
    from rich.console import Console

    from kaslite.dashboard.fold import RunView


def analytics(
    run: str,
    /,
    *,
    results_dir: Path = Path("results"),
    output: Output = Output(),  # noqa: B008  frozen
) -> None:
    """Say what a run came to, how its blends went and its blueprints did: also of one that still goes, or was interrupted.

    Parameters
    ----------
    run
        Folder of the run, or its name under the results folder.
    results_dir
        Folder that holds the runs.
    """
    from rich.console import Console

    from kaslite.dashboard.fold import RunView, fold
    from kaslite.dashboard.web.liveness import status_now
    from kaslite.experiment.run_directory import RunDirectory
    from kaslite.telemetry import read_log

    log = RunDirectory.find(run, results_dir).events
    view = reduce(fold, read_log(log), RunView())
    view = replace(view, totals=replace(view.totals, status=status_now(view.totals.status, log)))
    console = Console()
    if console.is_terminal and not output.json:
        _draw(view, console)
    else:
        output.say("\n\n".join(f"{title}\n{text}" for title, text in _texts(view).items()), _content(view))


def _draw(view: RunView, console: Console) -> None:
    from kaslite.dashboard import blending

    for title, text in _texts(view).items():
        console.print(title, style="bold")
        if title == blending.TITLE and view.blending.strategies:
            console.print(blending.blending_table(view.blending, console.width))
        else:
            console.print(text, highlight=False, markup=False)
        console.print()


def _texts(view: RunView) -> dict[str, str]:
    """Return what there is to say, by its title."""
    from kaslite.dashboard import blending, blueprints
    from kaslite.dashboard.columns import in_columns
    from kaslite.telemetry.words import exact, plain

    totals = [(name, exact(value)) for name, value in view.totals.as_dict().items()]
    return {
        plain(f"{view.totals.run_name}, {view.totals.status}"): in_columns(("Result", "Value"), totals),
        blending.TITLE: blending.blending_text(view.blending),
        blueprints.TITLE: blueprints.blueprint_text(view.blueprints),
    }


def _content(view: RunView) -> dict[str, object]:
    return {
        "run_name": view.totals.run_name,
        "status": view.totals.status,
        "metrics": view.totals.as_dict(),
        "blending": view.blending.as_dict(),
        "blueprints": {name: stats.as_dict() for name, stats in view.blueprints.items()},
    }
