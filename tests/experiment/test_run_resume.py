"""A run that was interrupted goes on to the same end; twenty kills of real processes are in tests/end_to_end."""

from __future__ import annotations

import copy
import dataclasses
import logging
import shutil

import numpy as np
import pytest
import yaml

from kaslite.errors import DataError, NewerFormatError, StorageError, UsageError
from kaslite.events import EpochCompleted
from kaslite.experiment import run as experiments
from kaslite.experiment.assembly import assemble
from kaslite.experiment.config import resolve
from kaslite.experiment.run import resume, run
from kaslite.experiment.run_directory import RunDirectory
from kaslite.telemetry import JsonlLog, read_log
from kaslite.training.checkpoint_file import read_tree, write_tree

GROWING = {"n_samples": 120, "warm_up_epochs": 2, "adaptation_epochs": 14, "patience": 3, "blend_steps": 4, "delta": 1.0}


@pytest.fixture(autouse=True)
def frequent_checkpoints(monkeypatch):
    monkeypatch.setattr(experiments, "CHECKPOINT_SHARE", 0.99)


class Stop:
    """A view that interrupts the run after an epoch, as Ctrl-C does."""

    def __init__(self, epoch, error=KeyboardInterrupt):
        self.epoch, self.error = epoch, error

    def write(self, event):
        if isinstance(event, EpochCompleted) and event.epoch == self.epoch:
            raise self.error

    def close(self):
        pass


class Seen:
    def __init__(self):
        self.past, self.events = [], []

    def recall(self, history):
        self.past = list(history)

    def write(self, event):
        self.events.append(event)

    def close(self):
        pass


def interrupted(tmp_path, epoch=9, error=KeyboardInterrupt, **settings):
    with pytest.raises(error):
        run(resolve(GROWING | settings), tmp_path / "results", [Stop(epoch, error)])
    (path,) = (tmp_path / "results").iterdir()
    return RunDirectory(path)


def test_wherever_a_run_is_cut_off_its_next_epoch_costs_the_same():
    config = resolve(GROWING)
    whole, spent, states = assemble(config), {}, {}

    def costs(experiment):
        return experiment.trainer.train_flops.total, experiment.trainer.eval_flops.total

    def after_epoch():
        epoch = whole.grower.epoch
        spent[epoch], states[epoch] = costs(whole), copy.deepcopy(whole.state_dict())

    whole.train(after_epoch)
    for epoch, state in list(states.items())[:-1]:
        resumed = assemble(config, resumes=True)
        resumed.load_state_dict(state)
        with pytest.raises(KeyboardInterrupt):
            resumed.train(raise_interrupt)
        assert (resumed.grower.epoch, costs(resumed)) == (epoch + 1, spent[epoch + 1])


def raise_interrupt():
    raise KeyboardInterrupt


def facts(directory):
    found = []
    for event in read_log(directory.events):
        fact = {name: v for name, v in dataclasses.asdict(event).items() if name not in ("timestamp", "epoch_duration_s")}
        if fact.get("metrics"):
            fact["metrics"].pop("wall_s")
        if event.type not in ("run_resumed", "run_started"):
            found.append(fact)
    return found


def whole(tmp_path, **settings):
    return RunDirectory(run(resolve(GROWING | settings), tmp_path / "whole").run_dir)


RECONSTRUCT = {"shadow_objective": "reconstruct", "blueprints": ("autoencoder",), "batch_size": 8}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"evidence": "twin"},
        {"seeds_per_layer": 2, "chunked": True},
        {"lr_warm_up": 5, "lr_decay": 0.5, "rewarm_epochs": (8, 10), "epoch_steps": 2, "evidence": "twin"},
        RECONSTRUCT,
        {"freeze_host": True, "evidence": "twin"},
        {"freeze_host": True, "warm_up_epochs": 12, "adaptation_epochs": 4},
        {"acc_threshold": 0.0, "patience": 8},  # it stops by itself after ten epochs
    ],
    ids=str,
)
def test_an_interrupted_run_goes_on_to_the_same_end(tmp_path, settings):
    directory = interrupted(tmp_path, **settings)
    resume(directory)
    assert facts(directory) == facts(whole(tmp_path, **settings))


@pytest.mark.parametrize("epoch", [5, 9, 11])
def test_a_seed_with_a_twin_that_germinated_before_the_host_freezes_is_weighed_to_the_same_end(tmp_path, epoch):
    settings = {"freeze_host": True, "evidence": "twin", "warm_up_epochs": 8, "adaptation_epochs": 8}
    settings |= {"controller": "schedule", "schedule": ("2 blocks.0:0 mlp",), "shadow_epochs": 8, "progress_thresh": 1.0}
    directory = interrupted(tmp_path, epoch, **settings)
    resume(directory)
    assert facts(directory) == facts(whole(tmp_path, **settings))


def test_a_run_that_was_cut_off_after_it_had_stopped_by_itself_does_not_train_on(tmp_path, monkeypatch):
    def cut_off(*_):
        raise KeyboardInterrupt

    settings = {"acc_threshold": 0.0, "patience": 8}
    with monkeypatch.context() as patch:
        patch.setattr(experiments, "write_network", cut_off)  # the last checkpoint is there, and no result
        with pytest.raises(KeyboardInterrupt):
            run(resolve(GROWING | settings), tmp_path / "results")
    (path,) = (tmp_path / "results").iterdir()
    assert resume(RunDirectory(path)).metrics["epochs"] == 10
    assert facts(RunDirectory(path)) == facts(whole(tmp_path, **settings))


def test_the_log_for_people_tells_how_the_run_effectively_went(tmp_path):
    directory, undisturbed = interrupted(tmp_path), whole(tmp_path)
    resume(directory)

    def told(run):
        (log,) = run.path.glob("results_*.log")
        lines = [line.split("  ", 1)[1] for line in log.read_text().splitlines() if "wall_s" not in line]
        return [line for line in lines if not line.startswith(("resumed", "spirals_"))]

    assert told(directory) == told(undisturbed)
    assert sum(line.startswith("epoch ") for line in told(directory)) == 16


SCHEDULED = {
    "controller": "schedule",
    "schedule": ("0 blocks.3:0 mlp", "6 blocks.4:0 mlp", "6 blocks.0:0 mlp"),
    "spare_layers": 2,
    "evidence": "none",
    "reset_moments": True,
    "progress_thresh": 0.0,
}


@pytest.mark.parametrize("epoch", [1, 6, 7])
def test_a_scheduled_run_goes_on_to_the_same_end_even_if_there_is_no_checkpoint_yet(tmp_path, epoch):
    directory = interrupted(tmp_path, epoch, **SCHEDULED)
    assert (epoch == 1) == (not list(directory.checkpoints.glob("*.safetensors")))
    resume(directory)
    assert facts(directory) == facts(whole(tmp_path, **SCHEDULED))


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_whatever_interrupted_it(tmp_path, error):
    directory = interrupted(tmp_path, error=error)
    assert resume(directory).metrics["epochs"] == 16
    assert facts(directory) == facts(whole(tmp_path))


def test_an_interrupted_run_says_how_to_go_on(tmp_path):
    with pytest.raises(KeyboardInterrupt, match=r"to go on: kaslite resume .*results"):
        run(resolve(GROWING), tmp_path / "results", [Stop(3)])


def test_a_view_of_a_resumed_run_is_told_the_past_and_then_what_is_new(tmp_path):
    directory, seen = interrupted(tmp_path), Seen()
    resume(directory, [seen])
    assert seen.past[0].type == "run_started"
    assert seen.events[0].type == "run_resumed"
    assert seen.events[0].last_sequence == seen.past[-1].sequence
    assert [event.sequence for event in seen.events[1:3]] == [seen.past[-1].sequence + 1, seen.past[-1].sequence + 2]
    assert list(read_log(directory.events)) == [*seen.past, *seen.events]


def test_a_finished_run_is_left_as_it_is(tmp_path):
    directory = whole(tmp_path)
    before = directory.events.read_bytes()
    assert resume(directory).metrics == directory.read_metrics()
    assert directory.events.read_bytes() == before


def test_a_run_that_was_stopped_before_its_first_checkpoint_begins_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "CHECKPOINT_SHARE", 1e-9)
    directory = interrupted(tmp_path)
    assert not directory.checkpoints.exists()
    resume(directory)
    assert facts(directory) == facts(whole(tmp_path))
    assert [event.type for event in read_log(directory.events)][:3] == ["run_started", "run_resumed", "phase_started"]


def test_a_log_that_was_cut_off_in_its_first_line_begins_anew(tmp_path):
    directory = interrupted(tmp_path)
    for checkpoint in directory.checkpoints.iterdir():
        checkpoint.unlink()
    directory.events.write_text('{"epoch": 0, "seq')
    resume(directory)
    assert facts(directory) == facts(whole(tmp_path))
    assert next(read_log(directory.events)).type == "run_started"


def test_a_damaged_checkpoint_is_passed_over_and_the_end_is_the_same(tmp_path, caplog):
    directory = interrupted(tmp_path)
    newest = max(directory.checkpoints.iterdir())
    newest.write_bytes(newest.read_bytes()[:-5])
    with caplog.at_level(logging.WARNING, "kaslite"):
        resume(directory)
    assert newest.name in caplog.text
    assert facts(directory) == facts(whole(tmp_path))


def test_only_the_last_checkpoints_are_kept(tmp_path):
    result = run(resolve(GROWING | {"keep_checkpoints": 2}), tmp_path)
    assert len(list((result.run_dir / "checkpoints").iterdir())) == 2


def test_a_run_that_is_still_going_is_not_resumed(tmp_path):
    directory = interrupted(tmp_path)
    log = JsonlLog.resume(directory.events)
    with pytest.raises(UsageError, match="still going"):
        resume(directory)
    log.close()
    resume(directory)


def test_a_config_that_was_changed_since_is_refused_by_its_setting(tmp_path):
    directory = interrupted(tmp_path)
    config = yaml.safe_load(directory.config.read_text())
    directory.config.write_text(yaml.safe_dump(config | {"lr": 0.5}))
    before = directory.events.read_bytes()
    with pytest.raises(UsageError, match=r"config.yaml was changed since the run began: lr is 0.5, and was 0.003"):
        resume(directory)
    assert directory.events.read_bytes() == before


def test_a_checkpoint_of_another_run_is_refused_by_its_name_and_the_log_is_as_it_was(tmp_path):
    directory = interrupted(tmp_path)
    other = RunDirectory(run(resolve(GROWING | {"hidden_dim": 16}), tmp_path / "other").run_dir)
    newest = max(directory.checkpoints.iterdir())
    shutil.copy(max(other.checkpoints.iterdir()), newest)
    before = directory.events.read_bytes()
    with pytest.raises(StorageError, match=rf"{newest.name} does not fit the run's config.yaml: it is of another host"):
        resume(directory)
    assert directory.events.read_bytes() == before


def test_a_log_that_lacks_events_is_refused(tmp_path):
    directory = interrupted(tmp_path)
    lines = directory.events.read_bytes().splitlines(keepends=True)
    directory.events.write_bytes(b"".join(lines[:5]))
    with pytest.raises(StorageError, match="lacks event 6"):
        resume(directory)


def test_a_file_that_is_no_checkpoint_of_a_run_is_refused_by_its_name(tmp_path):
    directory = interrupted(tmp_path)
    newest = max(directory.checkpoints.iterdir())
    write_tree(newest, {"a": 1})
    with pytest.raises(StorageError, match=rf"{newest.name} is not one of a run"):
        resume(directory)


def test_a_checkpoint_of_a_newer_kaslite_asks_for_an_update(tmp_path, monkeypatch):
    directory = interrupted(tmp_path)
    newest = max(directory.checkpoints.iterdir())
    tree = read_tree(newest)
    monkeypatch.setattr("kaslite.training.checkpoint_file.FORMAT_VERSION", 2)
    write_tree(newest, tree)
    monkeypatch.setattr("kaslite.training.checkpoint_file.FORMAT_VERSION", 1)
    with pytest.raises(NewerFormatError, match="newer"):
        resume(directory)


def test_the_time_of_a_resumed_run_is_that_of_its_parts(tmp_path):
    directory = interrupted(tmp_path)
    before = read_tree(max(directory.checkpoints.iterdir()))["wall_s"]
    assert resume(directory).metrics["wall_s"] > before > 0


def test_a_run_that_began_with_a_trained_host_goes_on_without_the_other_run(tmp_path):
    first = run(resolve(GROWING | {"acc_threshold": 0.0}), tmp_path / "first").run_dir
    settings = {"host_from": first, "freeze_host": True, "rng_seed": 1}
    expected = facts(whole(tmp_path, **settings))
    directory = interrupted(tmp_path, **settings)
    shutil.rmtree(first)
    resume(directory)
    assert facts(directory) == expected


def test_a_run_that_was_stopped_before_its_first_checkpoint_takes_the_trained_host_anew(tmp_path, monkeypatch):
    first = run(resolve(GROWING | {"acc_threshold": 0.0}), tmp_path / "first").run_dir
    monkeypatch.setattr(experiments, "CHECKPOINT_SHARE", 1e-9)
    directory = interrupted(tmp_path, host_from=first)
    resume(directory)
    assert facts(directory) == facts(whole(tmp_path, host_from=first))


@pytest.fixture
def table(tmp_path):
    inputs = np.random.default_rng(0).normal(size=(120, 3))
    np.savez(tmp_path / "it.npz", X=inputs, y=inputs[:, 0] + inputs[:, 1] ** 2)
    return tmp_path / "it.npz"


OF_A_TABLE = {"n_samples": None, "warm_up_epochs": 2, "adaptation_epochs": 14}


def test_a_regression_on_a_table_goes_on_to_the_same_end(tmp_path, table):
    settings = {**GROWING, **OF_A_TABLE, "data": table}
    whole = run(resolve(settings), tmp_path / "whole")
    stopped = interrupted(tmp_path, **OF_A_TABLE, data=table)
    resume(stopped)
    assert facts(stopped) == facts(RunDirectory(whole.run_dir))
    assert stopped.read_metrics()["test_r2"] == whole.metrics["test_r2"]


def test_a_run_whose_data_was_changed_does_not_go_on(tmp_path, table):
    stopped = interrupted(tmp_path, **OF_A_TABLE, data=table)
    log = stopped.events.read_bytes()
    np.savez(table, X=np.zeros((120, 3)), y=np.zeros(120))
    with pytest.raises(DataError, match=r"it\.npz is not what it was: .* put the old file back, or start a new run"):
        resume(stopped)
    assert stopped.events.read_bytes() == log
