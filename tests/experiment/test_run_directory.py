import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from kaslite.errors import StorageError, UsageError
from kaslite.experiment.config import RunConfig, resolve
from kaslite.experiment.run_directory import RunDirectory, run_name, slug


def test_the_slug_is_the_documented_one():
    config = RunConfig(input_dim=3, hidden_dim=128, blend_steps=30)
    assert slug(config) == "spirals_dim3_cpu_h128_bs30_lr0.001_pt0.6_dw0.12"


def test_the_name_tells_apart_runs_that_differ_in_anything():
    names = {run_name(RunConfig(**change)) for change in ({}, {"lr": 0.1}, {"rng_seed": 1}, {"patience": 9})}
    assert len(names) == 4
    assert run_name(RunConfig(rng_seed=7)).startswith(slug(RunConfig()) + "_s7_")


def test_the_same_config_twice_gets_two_folders(tmp_path):
    first, second = (RunDirectory.create(tmp_path, RunConfig()).path for _ in range(2))
    assert second.name == first.name + "_2"


def test_runs_that_start_together_never_share_a_folder(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: RunDirectory.create(tmp_path, RunConfig()).path, range(32)))
    assert len(set(paths)) == 32


def test_the_resolved_config_is_written_and_can_be_read_back(tmp_path):
    config = resolve({"problem_type": "digits", "rng_seed": 5})
    directory = RunDirectory.create(tmp_path, config)
    assert resolve({}, directory.path / "config.yaml") == config
    assert yaml.safe_load((directory.path / "config.yaml").read_text())["weight_decay"] == config.weight_decay


def test_the_config_of_a_run_is_read_back_as_it_was(tmp_path):
    config = resolve({"problem_type": "digits", "rng_seed": 5, "lr": 1e-5})
    assert RunDirectory.create(tmp_path, config).read_config() == config


@pytest.mark.parametrize("content", ["lr: -1", "hiden_dim: 3", "- lr", "lr: [", "problem_type: nope"])
def test_a_config_that_does_not_do_is_named_with_its_run(tmp_path, content):
    directory = RunDirectory.create(tmp_path, RunConfig())
    directory.config.write_text(content)
    with pytest.raises(UsageError, match=directory.path.name):
        directory.read_config()


def test_a_config_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StorageError, match=r"config\.yaml: No such file"):
        RunDirectory(tmp_path).read_config()


def test_the_result_of_a_run_is_read_back_once_it_is_there(tmp_path):
    directory = RunDirectory.create(tmp_path, RunConfig())
    assert directory.read_metrics() is None
    directory.write_metrics({"epochs": 3, "val_loss": 0.1, "test_accuracy": None})
    assert directory.read_metrics() == {"epochs": 3, "val_loss": 0.1, "test_accuracy": None}


@pytest.mark.parametrize("content", [b"", b'{"a": ', b"[]", b"\xff"])
def test_a_damaged_result_is_named(tmp_path, content):
    directory = RunDirectory(tmp_path)
    directory.metrics.write_bytes(content)
    with pytest.raises(StorageError, match=r"metrics\.json is damaged"):
        directory.read_metrics()


def test_a_result_that_cannot_be_read_is_named(tmp_path):
    directory = RunDirectory(tmp_path)
    directory.metrics.mkdir()
    with pytest.raises(StorageError, match=r"metrics\.json: Is a directory"):
        directory.read_metrics()


def test_checkpoints_have_a_folder_of_their_own_in_the_run(tmp_path):
    assert RunDirectory(tmp_path).checkpoints == tmp_path / "checkpoints"


def test_a_results_folder_that_cannot_be_written_is_an_error_with_a_remedy(tmp_path):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    with pytest.raises(StorageError, match="--results_dir"):
        RunDirectory.create(in_the_way / "results", RunConfig())


def test_a_config_that_cannot_be_written_leaves_no_folder(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RunDirectory, "write_text", full)
    with pytest.raises(StorageError, match="No space left"):
        RunDirectory.create(tmp_path, RunConfig())
    assert list(tmp_path.iterdir()) == []


def test_metrics_are_strict_json_and_leave_no_half_written_file(tmp_path):
    directory = RunDirectory.create(tmp_path, RunConfig())
    directory.write_metrics({"a": 1.5, "b": None})
    assert json.loads(directory.metrics.read_text()) == {"a": 1.5, "b": None}
    with pytest.raises(ValueError, match="JSON"):
        directory.write_metrics({"a": float("nan")})
    assert {path.name for path in directory.path.iterdir()} == {"config.yaml", "metrics.json"}


def test_a_run_is_found_by_name_and_by_folder(tmp_path):
    made = RunDirectory.create(tmp_path, RunConfig())
    made.events.write_text("")
    assert RunDirectory.find(made.path.name, tmp_path).path == made.path
    assert RunDirectory.find(str(made.path), tmp_path / "elsewhere").path == made.path


def test_a_run_that_is_not_there_is_named_beside_those_that_are(tmp_path):
    made = RunDirectory.create(tmp_path, RunConfig())
    made.events.write_text("")
    with pytest.raises(UsageError, match=made.path.name):
        RunDirectory.find("nope", tmp_path)


def test_a_config_from_before_runs_could_end_early_is_one_that_does_not(tmp_path):
    directory = RunDirectory.create(tmp_path, resolve({}))
    assert directory.read_config() == resolve({"stop_when_solved": True})
    lines = directory.config.read_text().splitlines(keepends=True)
    directory.config.write_text("".join(line for line in lines if not line.startswith("stop_when_solved")))
    assert directory.read_config() == resolve({"stop_when_solved": False})
