"""Where a run, or a sweep, is tracked beside its own folder: TensorBoard and MLflow, wherever they are installed.

Not for: views; `kaslite.cli.output` has those.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from collections.abc import Callable

    from kaslite.sweeps.directory import SweepDirectory
    from kaslite.sweeps.following import Fact
    from kaslite.sweeps.tracking import MlflowSweep
    from kaslite.telemetry import Sink
    from kaslite.telemetry.background import Background
    from kaslite.telemetry.mlflow_store import MlflowAddress
    from kaslite.telemetry.sinks.mlflow import MlflowSink

RUNS = Path("runs")
"""The folder that TensorBoard is told to show."""
_PATIENCE_S, _PATIENCE_EACH_S = 60.0, 2.0  # after a sweep, and of each of its runs


@Parameter(name="*")
@dataclass(frozen=True)
class Tracking:
    """Who takes a run in: TensorBoard and MLflow do, where they are installed."""

    no_mlflow: Annotated[bool, Parameter(env_var="KASLITE_NO_MLFLOW")] = False
    "Do not track the run in MLflow."
    no_tensorboard: Annotated[bool, Parameter(env_var="KASLITE_NO_TENSORBOARD")] = False
    "Do not write the run for TensorBoard."

    def sinks(self, folder: Callable[[str], Path]) -> list[Sink]:
        """Return the sinks of one run, each in a thread of its own; the last one is closed first.

        Args:
            folder: of the run, from its name.
        """
        from kaslite.telemetry.background import Background
        from kaslite.telemetry.mlflow_store import MlflowAddress, check_answers

        sinks: list[Sink] = []
        if not self.no_mlflow and find_spec("mlflow"):
            address = MlflowAddress.from_environment()
            open_it, answers = partial(_warm_sink, address, folder), partial(check_answers, address.uri)
            sinks.append(Background("MLflow", open_it, check=answers, remedy=partial(_upload_later, folder)))
        if not self.no_tensorboard and find_spec("tensorboard"):
            from kaslite.telemetry.sinks.tensorboard import TensorBoardSink

            sinks.append(Background("TensorBoard", lambda: TensorBoardSink(RUNS)))
        return sinks

    def followers(self, sweep: SweepDirectory, total: int) -> list[Background[Fact]]:
        """Return what tracks all runs of a sweep from their logs, each in a thread of this process.

        Args:
            sweep: its folder.
            total: how many runs it has; after the last one they are waited for accordingly.
        """
        from kaslite.sweeps.following import FollowedRuns
        from kaslite.telemetry.background import Background
        from kaslite.telemetry.mlflow_store import MlflowAddress, check_answers

        patience_s = _PATIENCE_S + _PATIENCE_EACH_S * total
        followers: list[Background[Fact]] = []
        if not self.no_tensorboard and find_spec("tensorboard"):
            from kaslite.telemetry.sinks.tensorboard import TensorBoardSink

            runs = RUNS / sweep.path.name
            follow = partial(FollowedRuns, sweep.path, lambda _: TensorBoardSink(runs))
            followers.append(Background("TensorBoard", follow, patience_s=patience_s, whose="sweep", gently=True))
        if not self.no_mlflow and find_spec("mlflow"):
            address = MlflowAddress.from_environment()
            track, answers = partial(mlflow_sweep, address, sweep), partial(check_answers, address.uri)
            later = f"upload it later: kaslite track {sweep.path}"
            followers.append(
                Background(
                    "MLflow", track, patience_s=patience_s, check=answers, remedy=lambda _: later, whose="sweep", gently=True
                )
            )
        return followers


def mlflow_sweep(address: MlflowAddress, sweep: SweepDirectory) -> MlflowSweep:
    """Return what tracks a sweep in MLflow: a run for itself, and under it one for each of its runs.

    Args:
        address: of the store.
        sweep: its folder.
    """
    from kaslite.sweeps.tracking import MlflowSweep

    open_sink = partial(mlflow_sink, address, lambda name: sweep.path / name, runs=RUNS / sweep.path.name)
    return MlflowSweep(address, sweep, open_sink)


def mlflow_sink(address: MlflowAddress, folder: Callable[[str], Path], runs: Path = RUNS, **nested: str) -> MlflowSink:
    """Return what tracks one run in MLflow, with its files and its network.

    Args:
        address: of the store.
        folder: of the run, from its name.
        runs: the folder in which it has one for TensorBoard.
        nested: of a run of a sweep: `parent_run_id` and `key` of an `MlflowSink`.
    """
    from kaslite.experiment.served import save_mlflow_model
    from kaslite.telemetry.sinks.mlflow import MlflowSink
    from kaslite.telemetry.sinks.tensorboard import event_files

    return MlflowSink(
        address,
        folder,
        more_files={"tensorboard": partial(event_files, runs)},
        save_model=save_mlflow_model,
        parent_run_id=nested.get("parent_run_id"),
        key=nested.get("key"),
    )


def _warm_sink(address: MlflowAddress, folder: Callable[[str], Path]) -> MlflowSink:
    """Return the same; what MLflow does once in a process it does now, while the run trains, and not when it is over."""
    from kaslite.experiment.served import warm_up
    from kaslite.telemetry.mlflow_store import check_answers, import_quietly

    check_answers(address.uri)
    import_quietly()
    warm_up()
    return mlflow_sink(address, folder)


def _upload_later(folder: Callable[[str], Path], name: str) -> str:
    return f"upload it later: kaslite track {folder(name)}"
