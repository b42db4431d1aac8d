"""Where a run, or a sweep, is tracked beside its own folder: TensorBoard, MLflow and Prometheus, wherever they are installed.

Not for: views; `kaslite.cli.output` has those.
"""

from __future__ import annotations

import sys
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from kaslite.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.registry import Collector

    from kaslite.cli.output import Output
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
_LONGEST_S = 1e9  # a computer can wait for


@Parameter(name="*")
@dataclass(frozen=True)
class Tracking:
    """Who takes a run in: TensorBoard and MLflow do, and Prometheus may, where they are installed."""

    no_mlflow: Annotated[bool, Parameter(env_var="KASLITE_NO_MLFLOW")] = False
    "Do not track the run in MLflow."
    no_tensorboard: Annotated[bool, Parameter(env_var="KASLITE_NO_TENSORBOARD")] = False
    "Do not write the run for TensorBoard."
    no_metrics: Annotated[bool, Parameter(env_var="KASLITE_NO_METRICS")] = False
    "Do not serve metrics for Prometheus."
    metrics_port: Annotated[int | None, Parameter(validator=Number(gte=0, lte=65535))] = None
    "Port of this machine's loopback at which metrics are; 0: any free one. By default 8000, or a free one if that is busy."
    linger: Annotated[float, Parameter(validator=Number(gte=0, lt=_LONGEST_S))] = 0.0
    "Seconds for which the metrics stay there after the result; Ctrl-C ends them."

    def __post_init__(self) -> None:
        if self.no_metrics and self._asks_for_metrics:
            raise UsageError(
                "--metrics_port and --linger are about metrics, and --no_metrics, or KASLITE_NO_METRICS, turns these off; "
                "leave one out."
            )

    @contextmanager
    def of_run(self, folder: Callable[[str], Path], output: Output) -> Iterator[list[Sink]]:
        """Yield the sinks of one run; while they are open, its metrics are served, and after the result for as long as asked.

        Args:
            folder: of the run, from its name.
            output: where it is said where the metrics are.

        Raises:
            UsageError: if metrics are asked for, and cannot be served.
        """
        from kaslite.telemetry.sinks.prometheus import PrometheusSink

        run = PrometheusSink()
        with self._served(run, output) as is_served:
            yield [*([run] if is_served else []), *self.sinks(folder)]

    @contextmanager
    def of_sweep(self, output: Output) -> Iterator[Callable[[SweepDirectory, int], list[Background[Fact]]]]:
        """Yield what makes the followers of a sweep, as `followers` does; meanwhile metrics of the runs that go are served.

        Args:
            output: where it is said where the metrics are.

        Raises:
            UsageError: if metrics are asked for, and cannot be served.
        """
        from kaslite.sweeps.following import FollowedRuns
        from kaslite.telemetry.background import Background
        from kaslite.telemetry.sinks.prometheus import ExportedRuns

        runs = ExportedRuns()

        def followers(sweep: SweepDirectory, total: int) -> list[Background[Fact]]:
            export = partial(FollowedRuns, sweep.path, runs.begin)
            exporting = Background("metrics", export, whose="sweep", gently=True)
            return [*([exporting] if is_served else []), *self.followers(sweep, total)]

        with self._served(runs, output) as is_served:
            yield followers

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

    @property
    def _asks_for_metrics(self) -> bool:
        return self.metrics_port is not None or self.linger > 0

    @contextmanager
    def _served(self, collector: Collector, output: Output) -> Iterator[bool]:
        """Serve metrics, if they are to be; yield whether they are. What ends well lingers."""
        if not find_spec("prometheus_client") and self._asks_for_metrics:
            raise UsageError("metrics need prometheus-client; install it with `pip install kaslite[tracking]`.")
        if self.no_metrics or not find_spec("prometheus_client"):
            yield False
            return
        from kaslite.telemetry.metrics_endpoint import MetricsEndpoint

        with closing(MetricsEndpoint(collector, self.metrics_port)) as endpoint:
            output.note(f"metrics        {endpoint.url}")
            yield True
            if self.linger:
                self._linger(output)

    def _linger(self, output: Output) -> None:
        output.note(f"metrics stay   {self.linger:g} s; Ctrl-C ends them")
        with suppress(KeyboardInterrupt):
            sys.stdout.flush()  # whoever reads the result need not wait
            time.sleep(self.linger)


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
