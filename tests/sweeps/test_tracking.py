"""A sweep in a real SQLite store, read back by MLflow's own client."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from kaslite.sweeps.summary import Comparison, RunOutcome
from kaslite.sweeps.tracking import MlflowSweep, upload
from kaslite.telemetry.mlflow_store import MlflowAddress
from kaslite.telemetry.sinks.mlflow import MlflowSink
from tests.sweeping import begun, swept, written

if TYPE_CHECKING:
    from pathlib import Path

    from kaslite.sweeps.directory import SweepDirectory

mlflow = pytest.importorskip("mlflow")


def tracked(uri: str, directory: SweepDirectory) -> MlflowSweep:
    address = MlflowAddress(uri, "tests")
    return MlflowSweep(address, directory, partial(MlflowSink, address, lambda name: directory.path / name))


def sent(uri: str, directory: SweepDirectory) -> str:
    sweep = tracked(uri, directory)
    upload(sweep, directory)
    return sweep.run_id


def read(uri: str, run_id: str) -> tuple[Any, list[Any]]:
    """Return a run and those nested under it, by name."""
    client = mlflow.MlflowClient(tracking_uri=uri)
    parent = client.get_run(run_id)
    children = client.search_runs([parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run_id}'")
    return parent, sorted(children, key=lambda run: run.info.run_name)


def files(uri: str, run_id: str) -> set[str]:
    return {file.path for file in mlflow.MlflowClient(tracking_uri=uri).list_artifacts(run_id)}


def test_the_runs_are_nested_under_the_sweep_which_has_its_settings_its_best_and_its_comparison(
    store: str, tmp_path: Path
) -> None:
    directory = begun(written(tmp_path, "lr: [0.003, 0.01]\nbatch_size: 16\n"), tmp_path)
    comparison = swept(directory)
    parent, children = read(store, sent(store, directory))
    assert [run.info.run_name for run in children] == [run.planned.name for run in comparison.outcomes]
    assert [run.data.params["lr"] for run in children] == ["0.003", "0.01"]
    client = mlflow.MlflowClient(tracking_uri=store)
    assert all(len(client.get_metric_history(run.info.run_id, "val_acc")) == 3 for run in children)
    asked = parent.data.params
    assert (asked["lr"], asked["batch_size"], asked["hidden_dim"], asked["runs"]) == ("[0.003, 0.01]", "16", "4", "2")
    best = comparison.ranked[0]
    assert parent.data.tags["best_run"] == best.planned.name
    assert parent.data.metrics["best_val_accuracy"] == (best.metrics or {})["val_accuracy"]
    assert (parent.data.metrics["completed"], parent.info.status) == (2, "FINISHED")
    assert files(store, parent.info.run_id) == {"plan.json", "sweep_summary.csv", "comparison.txt", "comparison.png"}


def test_sent_again_nothing_is_there_twice(store: str, tmp_path: Path) -> None:
    directory = begun(written(tmp_path, "lr: [0.003, 0.01]\n"), tmp_path)
    swept(directory)
    first, before = read(store, sent(store, directory))
    second, after = read(store, sent(store, directory))
    assert [run.to_dictionary() for run in after] == [run.to_dictionary() for run in before]
    history = mlflow.MlflowClient(tracking_uri=store).get_metric_history(first.info.run_id, "completed")
    assert (second.info.run_id, [point.value for point in history]) == (first.info.run_id, [2])


def test_a_run_that_failed_before_it_began_is_nested_too_and_is_the_same_one_when_it_succeeds(
    store: str, tmp_path: Path
) -> None:
    data = tmp_path / "it.csv"
    data.write_text("x,y\n" + "".join(f"{row},{row % 2}\n" for row in range(60)))
    directory = begun(written(tmp_path, f"data: {data}\ntarget: y\nlr: 0.01\n"), tmp_path, n_samples=None)
    whole = data.read_text()
    data.write_text(f"{whole}60,0\n")
    swept(directory)
    parent, (failed,) = read(store, sent(store, directory))
    assert (parent.info.status, failed.info.status, parent.data.metrics["failed"]) == ("FAILED", "FAILED", 1)
    assert "is not what it was" in failed.data.tags["error"]
    data.write_text(whole)
    swept(directory)
    parent, (mended,) = read(store, sent(store, directory))
    assert (parent.info.status, mended.info.status) == ("FINISHED", "FINISHED")
    assert mended.info.run_id == failed.info.run_id
    assert parent.data.metrics["completed"] == 1
    assert parent.data.metrics["failed"] == 0


def test_a_search_has_its_ranges_and_the_best_of_each_objective(store: str, tmp_path: Path) -> None:
    search = "search: {n_trials: 2, objectives: [val_accuracy, final_params], ranges: {hidden_dim: {low: 4, high: 16}}}\n"
    directory = begun(written(tmp_path, search), tmp_path)
    comparison = swept(directory)
    parent, children = read(store, sent(store, directory))
    assert len(children) == 2
    assert (parent.data.params["hidden_dim.low"], parent.data.params["search.sweep.n_trials"]) == ("4", "2")
    sizes = [(run.metrics or {})["final_params"] for run in comparison.outcomes]
    assert parent.data.metrics["best_final_params"] == min(size for size in sizes if size is not None)


def test_a_sweep_that_is_cut_off_is_killed_there_and_goes_on_in_the_same_run(store: str, tmp_path: Path) -> None:
    directory = begun(written(tmp_path, "lr: [0.003, 0.01]\n"), tmp_path)
    first, second = swept(directory).outcomes
    cut = tracked(store, directory)
    cut.write(first)
    cut.close()
    parent, children = read(store, cut.run_id)
    assert (parent.info.status, len(children)) == ("KILLED", 1)
    again = tracked(store, directory)
    outcomes = [first, RunOutcome(second.planned, "completed", second.metrics)]
    for fact in (*outcomes, Comparison(outcomes)):
        again.write(fact)
    again.close()
    parent, children = read(store, cut.run_id)
    assert (again.run_id, parent.info.status, len(children)) == (cut.run_id, "FINISHED", 2)
