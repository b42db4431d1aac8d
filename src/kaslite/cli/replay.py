"""``kaslite replay``: show a run again, from its event log alone."""

from __future__ import annotations

import dataclasses
import sys
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaslite.cli.output import Output

if TYPE_CHECKING:
    from kaslite.dashboard.fold import RunView


def replay(
    run: str,
    /,
    *,
    results_dir: Path = Path("results"),
    output: Output = Output(),  # noqa: B008  frozen
) -> None:
    """Show a run again, from its event log alone: also one that is still going, or was interrupted.

    Parameters
    ----------
    run
        Folder of the run, or its name under the results folder.
    results_dir
        Folder that holds the runs.
    """
    from rich.console import Console

    from kaslite.dashboard.fold import RunView, fold
    from kaslite.dashboard.plain import PlainView
    from kaslite.dashboard.terminal import render
    from kaslite.experiment.run_directory import RunDirectory
    from kaslite.telemetry import read_log

    events = list(read_log(RunDirectory.find(run, results_dir).events))
    view = reduce(fold, events, RunView())
    if output.json:
        output.say("", _content(view))
    elif (console := Console()).is_terminal:
        console.print(render(view))
    else:
        lines = PlainView(sys.stdout, every=1 if output.verbose else 10, waits=output.verbose)
        for event in events:
            lines.write(event)


def _content(view: RunView) -> dict[str, Any]:
    return {
        "run_name": view.totals.run_name,
        "status": view.totals.status,
        "epoch": view.totals.epochs,
        "seeds_active": view.seeds_active,
        "seeds": {f"{layer}:{index}": dataclasses.asdict(seed) for (layer, index), seed in view.seeds.items()},
        "blending": view.blending.as_dict(),
        "metrics": view.totals.metrics,
    }
