"""``kaslite resume``: go on with a run that was interrupted."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  read by the parser

from kaslite.cli.output import Output
from kaslite.cli.run import RESULTS, summary
from kaslite.cli.tracking import Tracking


def resume(
    run: str,
    /,
    *,
    results_dir: Path = RESULTS,
    tracking: Tracking = Tracking(),  # noqa: B008  frozen
    output: Output = Output(),  # noqa: B008  frozen
) -> None:
    """Go on with a run that was interrupted, to the same end as if it had not been.

    It starts from the last checkpoint; events of the log after it are superseded. A run that is finished is left as it is.

    Parameters
    ----------
    run
        Folder of the run, or its name under the results folder.
    results_dir
        Folder that holds the runs.
    """
    from kaslite.experiment.run import resume as go_on
    from kaslite.experiment.run_directory import RunDirectory

    output.hear_warnings()
    directory = RunDirectory.find(run, results_dir)
    with tracking.of_run(lambda _: directory.path, output) as sinks:
        result = go_on(directory, [*output.views(), *sinks])
        output.say(summary(result), {**result.metrics, "run_dir": str(result.run_dir)})
