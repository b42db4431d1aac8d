import json
import logging
import shutil
from dataclasses import replace

import pytest
import torch

from kaslite.errors import DataError, UsageError
from kaslite.events import GitState, RunStarted, to_line
from kaslite.experiment import provenance
from kaslite.experiment import rerun as rerunning
from kaslite.experiment.config import resolve
from kaslite.experiment.provenance import Checkouts
from kaslite.experiment.rerun import rerun
from kaslite.experiment.run import run
from kaslite.experiment.run_directory import RunDirectory
from kaslite.telemetry import read_log

SMALL = {"n_samples": 80, "warm_up_epochs": 1, "adaptation_epochs": 4, "patience": 3, "delta": 10.0, "acc_threshold": 1.0}
HERE = GitState(commit="1" * 40, changes=0, changed=(), diff_sha256=None)


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    """On a busy machine git takes its time."""
    monkeypatch.setattr(provenance, "GIT_ANSWERS_WITHIN_S", 60)


@pytest.fixture
def first(tmp_path):
    return RunDirectory(run(resolve(SMALL), tmp_path / "results").run_dir)


def record(directory, **facts):
    """Let a run have recorded something else when it began."""
    _, rest = directory.events.read_text().split("\n", 1)
    started = replace(next(read_log(directory.events)), **facts)
    directory.events.write_text(f"{to_line(started)}\n{rest}")
    return started


def test_a_run_gives_the_same_again_in_a_folder_of_its_own_beside_it(first, caplog):
    files = {path: path.read_bytes() for path in first.path.rglob("*") if path.is_file()}
    done = rerun(first, first.path.parent)
    assert (done.differences, done.changes, caplog.text) == ({}, (), "")
    assert done.result.run_dir == first.path.parent / f"{first.path.name}_rerun"
    assert done.result.metrics["germinated"] > 0
    assert {path: path.read_bytes() for path in first.path.rglob("*") if path.is_file()} == files
    assert rerun(first, first.path.parent).result.run_dir.name.endswith("_rerun_2")


def test_a_config_that_was_edited_is_told_with_what_differs(first):
    first.config.write_text(first.config.read_text().replace("lr: 0.003", "lr: 0.01"))
    with pytest.raises(UsageError, match=r"config\.yaml is not what the run began with: lr was 0\.003, and is 0\.01"):
        rerun(first, first.path.parent)


def test_a_run_that_was_moved_gives_the_same_elsewhere(first, tmp_path):
    moved = RunDirectory(shutil.move(first.path, tmp_path / "kept"))
    assert rerun(moved, tmp_path / "new").result.run_dir == tmp_path / "new" / "kept_rerun"


def test_metrics_that_differ_are_told_with_both_values_and_time_is_not_compared(first):
    metrics = first.read_metrics()
    first.write_metrics({**metrics, "val_loss": 0.125, "wall_s": 1e6, "gone": None})
    done = rerun(first, first.path.parent)
    assert done.differences == {"val_loss": (0.125, metrics["val_loss"]), "gone": (None, None)}


def test_a_metric_that_the_old_run_did_not_have_yet_is_no_difference(first):
    first.write_metrics({name: value for name, value in first.read_metrics().items() if name != "test_loss"})
    assert not rerun(first, first.path.parent).differences


def test_other_versions_and_checkouts_are_warned_of_beforehand(first, monkeypatch, caplog):
    monkeypatch.setattr(rerunning, "checkouts", lambda: Checkouts(None, replace(HERE, commit="2" * 40)))
    there = replace(HERE, changes=4, changed=("a.py", "b.py", "c.py", "d.py"))
    started = record(first, versions={"torch": "1.0", "jax": "9", "python": "3"}, git=there, kaslite_git=HERE)
    monkeypatch.setattr(rerunning, "versions", lambda: {"torch": "2.0", "python": "3", "numpy": "2"})
    with caplog.at_level(logging.WARNING, "kaslite"):
        done = rerun(first, first.path.parent)
    assert done.changes == (
        "torch was 1.0, and is 2.0",
        "jax was 9, and is not installed",
        "the checkout was at commit 1111111111 with changes in 4 files (a.py, b.py, c.py, ...), and is not told by git now",
        "kaslite's checkout was at commit 1111111111, and is at commit 2222222222",
    )
    assert caplog.records[0].message == (f"this is not as it was when {started.run_name} ran: torch was 1.0, and is 2.0.")


def test_a_checkout_that_is_kaslites_own_is_told_once(first, monkeypatch):
    monkeypatch.setattr(rerunning, "checkouts", lambda: Checkouts(None, None))
    record(first, git=HERE, kaslite_git=HERE)
    assert len(rerun(first, first.path.parent).changes) == 1


def test_data_that_has_changed_is_refused_and_nothing_is_written(first):
    record(first, data_sha256="0" * 64)
    before = sorted(first.path.parent.iterdir())
    with pytest.raises(DataError, match=r"the data has changed since .* ran: spirals now gives other samples"):
        rerun(first, first.path.parent)
    assert sorted(first.path.parent.iterdir()) == before


def test_a_run_of_a_cuda_device_is_compared_on_the_cpu_where_there_is_none(first, monkeypatch, caplog):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    config = first.config.read_text()
    first.config.write_text(config.replace("device: cpu", "device: cuda"))
    record(first, config=next(read_log(first.events)).config | {"device": "cuda"})
    done = rerun(first, first.path.parent)
    assert done.changes == ("the device was cuda, and is cpu",)
    assert "CUDA is not available" in caplog.text
    assert not done.differences


def test_a_run_without_a_result_is_refused_with_the_way_to_one(first):
    first.metrics.unlink()
    with pytest.raises(UsageError, match=r"has no metrics.json, so there is nothing to compare with; finish it with"):
        rerun(first, first.path.parent)


@pytest.fixture
def second(tmp_path):
    """A run that begins with the host of the first one, which does not grow."""
    host = run(resolve(SMALL | {"controller": "schedule"}), tmp_path / "hosts").run_dir
    shutil.move(host, tmp_path / "hosts" / "one")
    return RunDirectory(
        run(resolve(SMALL | {"host_from": tmp_path / "hosts" / "one", "rng_seed": 3}), tmp_path / "second").run_dir
    )


def test_a_run_that_began_with_a_trained_host_gives_the_same_again(second):
    started = next(read_log(second.events))
    assert isinstance(started, RunStarted)
    assert len(started.host_sha256) == 64
    assert not rerun(second, second.path.parent).differences


def test_a_trained_host_that_has_changed_is_refused_and_nothing_is_written(second, tmp_path):
    shutil.rmtree(tmp_path / "hosts" / "one")
    other = run(resolve(SMALL | {"controller": "schedule", "rng_seed": 1}), tmp_path / "others").run_dir
    shutil.move(other, tmp_path / "hosts" / "one")
    with pytest.raises(DataError, match=r"the trained host has changed since .*one now holds another one"):
        rerun(second, second.path.parent)
    assert len(list(second.path.parent.iterdir())) == 1


def test_a_trained_host_that_is_gone_is_named(second, tmp_path):
    shutil.rmtree(tmp_path / "hosts" / "one")
    with pytest.raises(UsageError, match=r"host_from is .*one, which is not the folder of a run"):
        rerun(second, second.path.parent)


def test_a_run_of_a_kaslite_that_recorded_less_is_carried_out_anew_as_it_was(first):
    line, rest = first.events.read_text().split("\n", 1)
    known = ("git", "kaslite_git", "data_sha256", "host_sha256")
    old = {name: value for name, value in json.loads(line).items() if name not in known}
    first.events.write_text(f"{json.dumps(old)}\n{rest}")
    done = rerun(first, first.path.parent)
    assert (done.differences, done.changes) == ({}, ())
