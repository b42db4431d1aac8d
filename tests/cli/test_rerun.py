"""A run is carried out anew from its folder: a real command, from the first run to the exit code."""

import json

import numpy as np
import pytest

from kaslite.cli.main import call

FLAGS = ["--n_samples", "80", "--warm_up_epochs", "1", "--adaptation_epochs", "3"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, *flags):
    assert call(["run", *flags, "--json", "-q"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("folder")
def test_a_run_is_named_and_gives_the_same_again(capsys):
    first = run(capsys, *FLAGS)
    assert call(["rerun", first["run_dir"].removeprefix("results/"), "--json", "-q"]) == 0
    out, err = capsys.readouterr()
    again = json.loads(out)
    assert err == ""
    assert (again["same"], again["differences"], again["changes"], again["rerun_of"]) == (True, {}, [], first["run_dir"])
    assert all(again[name] == value for name, value in first.items() if name not in ("wall_s", "run_dir"))


def test_the_verdict_is_part_of_the_text_and_the_new_run_goes_where_it_is_told_to(folder, capsys):
    first = run(capsys, *FLAGS)
    assert call(["rerun", first["run_dir"], "--results_dir", "again"]) == 0
    out, err = capsys.readouterr()
    assert "the same?      yes, every metric is equal" in out
    assert "=== phase_2" in err
    assert [path.name for path in (folder / "again").iterdir()] == [f"{folder.joinpath(first['run_dir']).name}_rerun"]


def test_what_differs_is_told_and_the_exit_code_is_1(folder, capsys):
    first = run(capsys, *FLAGS)
    path = folder / first["run_dir"] / "metrics.json"
    path.write_text(path.read_text().replace(f'"epochs": {first["epochs"]}', '"epochs": 99'))
    assert call(["rerun", first["run_dir"], "--json", "-q"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["differences"] == {"epochs": [99, 4]}
    assert err == f"kaslite: {first['run_dir']} did not give the same again: epochs was 99, and is 4.\n"


def test_a_data_file_that_was_tampered_with_is_an_error_and_leaves_nothing_behind(folder, capsys):
    inputs = np.random.default_rng(0).normal(size=(60, 3))
    np.savez("mine.npz", X=inputs, y=inputs[:, 0] > 0)
    first = run(capsys, "--data", "mine.npz", *FLAGS[2:])
    assert call(["rerun", first["run_dir"], "-q"]) == 0
    capsys.readouterr()
    there = sorted((folder / "results").iterdir())
    np.savez("mine.npz", X=inputs + 1e-6, y=inputs[:, 0] > 0)
    assert call(["rerun", first["run_dir"], "-q"]) == 1
    assert "the data file mine.npz is not what it was" in capsys.readouterr().err
    assert sorted((folder / "results").iterdir()) == there


@pytest.mark.usefixtures("folder")
def test_a_run_that_is_not_there_is_wrong_usage(capsys):
    assert call(["rerun", "nothing"]) == 2
    assert "there is no run 'nothing'" in capsys.readouterr().err
