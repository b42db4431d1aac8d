from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from kaslite.cli.main import call
from tests.sweeping import TINY, written

EXAMPLES = Path(__file__).parents[2] / "examples"
FLAGS = [f"--{name}={value}" for name, value in TINY.items()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sweeps(folder: Path) -> list[Path]:
    return sorted((folder / "results" / "sweeps").glob("*"))


def test_a_sweep_says_the_best_runs_and_where_all_of_them_are(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(folder, "lr: [0.003, 0.01]\n")
    assert call(["sweep", "sweep.yaml", *FLAGS, "--workers", "0"]) == 0
    out, err = capsys.readouterr()
    (directory,) = sweeps(folder)
    assert "2 runs: 2 completed" in out
    assert str(directory.relative_to(folder)) in out
    assert f"{directory.name} 2/2: run_002_" in err
    assert len(list(csv.DictReader((directory / "sweep_summary.csv").read_text().splitlines()))) == 2


@pytest.mark.parametrize("flag", ["--sweep_config", "--sweep-config", "-s"])
def test_run_takes_a_sweep_file_too_and_its_flags_are_defaults(
    folder: Path, capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    written(folder, "lr: [0.003, 0.01]\n")
    assert call(["run", flag, "sweep.yaml", "--lr", "0.001", "--batch_size", "64", "--dry_run", "--json"]) == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert [(run["settings"]["lr"], run["settings"]["batch_size"]) for run in runs] == [(0.003, 64), (0.01, 64)]


def test_dry_run_lists_the_runs_and_makes_none(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(folder, "lr: [0.003, 0.01]\ndevice: cpu\n")
    assert call(["sweep", "sweep.yaml", "--dry-run"]) == 0
    first, second, total = capsys.readouterr().out.splitlines()
    assert (first.split()[1:], second.split()[1:], total) == (["lr=0.003"], ["lr=0.01"], "2 runs")
    assert sweeps(folder) == []


def test_json_goes_to_stdout_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(folder, "lr: [0.003, 0.01]\n")
    assert call(["sweep", "sweep.yaml", *FLAGS, "--workers", "0", "--json", "-q"]) == 0
    out, err = capsys.readouterr()
    content = json.loads(out)
    assert (len(content["runs"]), content["objectives"], err) == (2, ["val_accuracy"], "")
    assert content["best"]["run"] in {run["run"] for run in content["runs"]}


def test_a_failing_run_is_exit_code_1_and_a_resumed_sweep_tries_it_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(folder, "n_samples: [60, 1]\n")
    assert call(["sweep", "sweep.yaml", *FLAGS, "--workers", "0"]) == 1
    out, err = capsys.readouterr()
    assert "1 completed, 1 failed" in out
    assert "1 of 2 runs failed, the first was run_002_" in err
    (directory,) = sweeps(folder)
    assert call(["sweep", "--resume", str(directory), "--workers", "0"]) == 1
    assert sweeps(folder) == [directory]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["sweep"], "needs a sweep file or a folder"),
        (["sweep", "wrong.yaml"], "unknown setting 'lrr': did you mean 'lr'"),
        (["sweep", "empty.yaml"], "is empty"),
        (["sweep", "text.yaml"], "is not YAML"),
        (["sweep", "results"], "holds no sweep files"),
        (["sweep", "many.yaml"], "give fewer values, or --yes"),
        (["sweep", "--resume", "nowhere"], "is not the folder of a sweep"),
        (["sweep", "sweep.yaml", "--resume", "nowhere"], "--resume goes on with the plan in its folder"),
        (["sweep", "sweep.yaml", "--workers", "-1"], "workers is -1"),
        (["sweep", "sweep.yaml", "--executor", "ray", "--workers", "0"], "with --executor ray it has to be 1 or more"),
        (["sweep", "grid.yaml"], "lr is an empty list"),
        (["sweep", "sweep.yaml", "--storage", "x"], "has no search section"),
        (["run", "--workers", "2"], "--workers and --yes are for sweeps"),
    ],
)
def test_bad_usage_is_one_sentence_and_nothing_is_made(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    texts = {
        "wrong": "lrr: [1]",
        "empty": "",
        "text": "lr: [",
        "grid": "lr: []",
        "many": f"rng_seed: {list(range(10_001))}",
        "sweep": "lr: 0.1",
    }
    for name, text in texts.items():
        written(folder, text, f"{name}.yaml")
    (folder / "results").mkdir()
    assert call(arguments) == 2
    out, err = capsys.readouterr()
    assert complaint in err
    assert (err.count("\n"), out, sweeps(folder)) == (1, "", [])


def test_a_results_folder_that_cannot_be_written_to_is_exit_code_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(folder, "lr: 0.1\n")
    (folder / "results").write_text("in the way")
    assert call(["sweep", "sweep.yaml"]) == 1
    assert "cannot write results/sweeps: " in capsys.readouterr().err


@pytest.mark.parametrize(("name", "runs"), [("quick_test", 4), ("basic_sweep", 9), ("architecture_search", 12)])
def test_the_examples_of_the_document_are_there(folder: Path, capsys: pytest.CaptureFixture[str], name: str, runs: int) -> None:
    assert call(["run", "-s", str(EXAMPLES / f"{name}.yaml"), "--dry_run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["total"] == runs
    assert sweeps(folder) == []


def test_the_folder_of_examples_is_one_sweep(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["run", "--sweep_config", str(EXAMPLES), "--dry_run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["total"] == 26
    assert sweeps(folder) == []


@pytest.mark.slow
@pytest.mark.parametrize(("name", "runs"), [("quick_test", 4), ("basic_sweep", 9), ("architecture_search", 12)])
def test_the_examples_of_the_document_run(folder: Path, capsys: pytest.CaptureFixture[str], name: str, runs: int) -> None:
    assert call(["run", "-s", str(EXAMPLES / f"{name}.yaml"), "--workers", "2", "--json", "-q"]) == 0
    found = json.loads(capsys.readouterr().out)["runs"]
    assert len(found) == runs
    assert all(run["objective_value"] is not None for run in found if run["status"] == "completed")
    assert len(sweeps(folder)) == 1
