"""``kaslite analytics``: what the events of a run add up to, from its event log alone."""

from __future__ import annotations

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
    """Say how the blends of a run went, strategy by strategy: also of one that is still going, or was interrupted.

    Parameters
    ----------
    run
        Folder of the run, or its name under the results folder.
    results_dir
        Folder that holds the runs.
    """
    from rich.console import Console

    from kaslite.dashboard.fold import RunView, fold
    from kaslite.experiment.run_directory import RunDirectory
    from kaslite.telemetry import read_log

    view = reduce(fold, read_log(RunDirectory.find(run, results_dir).events), RunView())
    console = Console()
    if console.is_terminal and not output.json:
        _draw(view, console)
    else:
        output.say(_text(view), _content(view))


def _draw(view: RunView, console: Console) -> None:
    from kaslite.dashboard.blending import NOTHING, TITLE, blending_table

    console.print(TITLE, style="bold")
    console.print(blending_table(view.blending, console.width) if view.blending.strategies else NOTHING)


def _text(view: RunView) -> str:
    from kaslite.dashboard.blending import TITLE, blending_text

    return f"{TITLE}\n{blending_text(view.blending)}"


def _content(view: RunView) -> dict[str, object]:
    return {"run_name": view.run_name, "status": view.status, "blending": view.blending.as_dict()}
