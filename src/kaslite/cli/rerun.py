"""``kaslite rerun``: carry a finished run out anew, and say whether it gave the same."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  read by the parser
from typing import TYPE_CHECKING

from kaslite.cli.output import Output
from kaslite.cli.run import RESULTS, summary
from kaslite.cli.tracking import Tracking
from kaslite.errors import KasliteError

if TYPE_CHECKING:
    from kaslite.experiment.rerun import Rerun


def rerun(
    run: str,
    /,
    *,
    results_dir: Path = RESULTS,
    tracking: Tracking = Tracking(),  # noqa: B008  frozen
    output: Output = Output(),  # noqa: B008  frozen
) -> None:
    """Carry a finished run out anew, from its recorded config, and compare: exit code 0 if all metrics are equal, 1 if not.

    Other versions or another checkout than the first time are warned of; data that has changed is refused.

    Parameters
    ----------
    run
        Folder of the run, or its name under results/.
    results_dir
        Folder under which the new run gets a folder of its own.
    """
    from kaslite.experiment.rerun import rerun as carry_out
    from kaslite.experiment.run_directory import RunDirectory

    output.hear_warnings()
    directory = RunDirectory.find(run, RESULTS)
    with tracking.of_run(lambda name: results_dir / name, output) as sinks:
        done = carry_out(directory, results_dir, [*output.views(), *sinks])
        verdict = _verdict(done)
        output.say(f"{summary(done.result)}\n{verdict}", {**done.result.metrics, **_content(done, directory.path)})
    if done.differences:
        around = f"; what has changed around it: {'; '.join(done.changes)}" if done.changes else ""
        raise KasliteError(f"{directory.path} did not give the same again: {_listed(done)}{around}.")


def _verdict(done: Rerun) -> str:
    return f"the same?      no: {_listed(done)}" if done.differences else "the same?      yes, every metric is equal"


def _listed(done: Rerun) -> str:
    return ", ".join(f"{name} was {before}, and is {now}" for name, (before, now) in done.differences.items())


def _content(done: Rerun, first: Path) -> dict[str, object]:
    return {
        "run_dir": str(done.result.run_dir),
        "rerun_of": str(first),
        "same": not done.differences,
        "differences": done.differences,
        "changes": done.changes,
    }
