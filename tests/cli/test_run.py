import json
import os
import subprocess
import sys

import pytest
import yaml

from kaslite.cli.main import call

QUICK = "n_samples: 60\nwarm_up_epochs: 1\nadaptation_epochs: 1\n"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_dry_run_prints_the_resolved_config_as_yaml_that_run_reads_back(tmp_path, capsys):
    call(["run", "--problem_type", "digits", "--lr", "0.01", "--dry_run"])
    printed = capsys.readouterr().out
    (tmp_path / "again.yaml").write_text(printed)
    call(["run", "--config", "again.yaml", "--dry_run"])
    assert capsys.readouterr().out == printed
    assert yaml.safe_load(printed)["lr"] == 0.01


def test_flags_win_over_the_config_file(tmp_path, capsys):
    (tmp_path / "c.yaml").write_text("lr: 0.5\nbatch_size: 8\n")
    call(["run", "--config", "c.yaml", "--lr", "0.25", "--dry_run", "--json"])
    config = json.loads(capsys.readouterr().out)
    assert (config["lr"], config["batch_size"]) == (0.25, 8)


def test_a_run_says_its_accuracy_its_growth_and_where_it_is(tmp_path, capsys):
    (tmp_path / "c.yaml").write_text(QUICK)
    assert call(["run", "--config", "c.yaml"]) == 0
    out, err = capsys.readouterr()
    (run_dir,) = (tmp_path / "results").iterdir()
    metrics = json.loads((run_dir / "metrics.json").read_text())
    assert f"{metrics['test_accuracy']:.4f}" in out
    assert f"{metrics['host_params']:,} -> {metrics['final_params']:,}" in out
    assert str(run_dir.relative_to(tmp_path)) in out
    assert "run completed" in err


def test_a_regression_says_what_it_explains_instead_of_an_accuracy(tmp_path, capsys):
    (tmp_path / "it.csv").write_text("x,y\n" + "".join(f"{row},{row / 7}\n" for row in range(60)))
    flags = ["--data", "it.csv", "--target", "y", "--warm-up-epochs", "1", "--adaptation-epochs", "1"]
    assert call(["run", *flags, "-v"]) == 0
    out, err = capsys.readouterr()
    (run_dir,) = (tmp_path / "results").iterdir()
    metrics = json.loads((run_dir / "metrics.json").read_text())
    assert f"test R2        {metrics['test_r2']:.4f}   (loss {metrics['test_loss']:.4f})" in out
    assert metrics["test_accuracy"] is None
    assert "val accuracy -, best -" in err


def test_a_host_alone_is_enough_and_dry_run_says_what_it_learns(capsys):
    call(["run", "--host", "cnn", "--dry_run", "--json"])
    config = json.loads(capsys.readouterr().out)
    assert (config["host"], config["problem_type"]) == ("cnn", "digits")


def test_several_blueprints_are_given_by_repeating_the_flag(capsys):
    call(["run", "--blueprints", "low_rank", "--blueprints", "mlp", "--dry_run", "--json"])
    assert json.loads(capsys.readouterr().out)["blueprints"] == ["low_rank", "mlp"]


def test_a_schedule_is_given_by_repeating_the_flag_or_as_a_list_in_the_file(tmp_path, capsys):
    plan = ["0 blocks.0:0 mlp", "30 blocks.1:0 low_rank"]
    call(["run", "--controller", "schedule", "--schedule", plan[0], "--schedule", plan[1], "--dry_run"])
    printed = capsys.readouterr().out
    assert yaml.safe_load(printed)["schedule"] == plan
    (tmp_path / "c.yaml").write_text("controller: schedule\nschedule:\n- 0 blocks.0:0 mlp\n- 30 blocks.1:0 low_rank\n")
    call(["run", "--config", "c.yaml", "--dry_run"])
    assert capsys.readouterr().out == printed


def test_cuda_that_is_not_there_is_a_warning_and_the_cpu(tmp_path):
    (tmp_path / "c.yaml").write_text(QUICK)
    command = [sys.executable, "-m", "kaslite", "run", "--config", "c.yaml", "--device", "cuda", "--json"]
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, check=True, text=True, env=hidden)
    assert "CUDA is not available" in done.stderr
    assert "_cpu_" in json.loads(done.stdout)["run_dir"]


DOCUMENTED = {
    "problem_type": "spirals",
    "input_dim": 2,
    "device": "cpu",
    "batch_size": 32,
    "train_frac": 0.7,
    "blend_steps": 100,
    "shadow_lr": 0.001,
    "progress_thresh": 0.6,
    "n_samples": 500,
    "noise": 0.1,
    "rotations": 4,
    "hidden_dim": 32,
    "num_layers": 3,
    "seeds_per_layer": 1,
    "lr": 0.003,
    "warm_up_epochs": 20,
    "adaptation_epochs": 100,
    "acc_threshold": 0.95,
    "drift_warn": 0.12,
    "patience": 15,
    "delta": 1e-4,
}
OF_CLUSTERS = {"n_centers": 2, "cluster_std": 1.0}


def dry_run(capsys, *flags):
    assert call(["run", "--dry_run", "--json", *flags]) == 0
    return json.loads(capsys.readouterr().out)


def test_no_arguments_are_the_documented_defaults(capsys):
    config = dry_run(capsys)
    assert {name: config[name] for name in DOCUMENTED} == DOCUMENTED
    config = dry_run(capsys, "--problem_type", "clusters")
    assert {name: config[name] for name in OF_CLUSTERS} == OF_CLUSTERS


@pytest.mark.parametrize("write", [str, lambda name: name.replace("_", "-")], ids=["underscores", "dashes"])
def test_every_documented_flag_is_understood_in_both_spellings(capsys, write):
    values = {"problem_type": "moons", "device": "cuda", "train_frac": 0.5, "progress_thresh": 0.5, "acc_threshold": 0.5}
    for name, default in (DOCUMENTED | OF_CLUSTERS).items():
        value = values.get(name, default + 1 if isinstance(default, int) else None) or 2 * default
        problem = ["--problem-type", "clusters"] if name in OF_CLUSTERS else []
        assert dry_run(capsys, *problem, f"--{write(name)}", str(value))[name] == value
