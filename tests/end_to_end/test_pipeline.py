"""The DVC pipeline of this repository, small, in a project of its own: what is run again, what is kept, what is shared."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DVC = Path(sys.executable).with_name("dvc")
SMALL = {"n_samples": 120, "rotations": 1}, {"hidden_dim": 8, "warm_up_epochs": 1, "adaptation_epochs": 4}

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not DVC.exists(), reason="dvc is not installed")]


class Project:
    """A folder with the pipeline."""

    def __init__(self, path):
        self.path = path

    @classmethod
    def copied(cls, path):
        """Take what the pipeline consists of from this repository, with small settings."""
        path.mkdir()
        for name in ("dvc.yaml", "params.yaml", ".dvcignore", ".gitignore"):
            shutil.copy(ROOT / name, path)
        shutil.copytree(ROOT / "src", path / "src", ignore=shutil.ignore_patterns("__pycache__"))
        project = cls(path)
        project.set(generate_data=SMALL[0], train=SMALL[1])
        return project

    def set(self, **sections):
        params = yaml.safe_load((self.path / "params.yaml").read_text())
        params = {
            name: {**value, **sections.get(name, {})} if isinstance(value, dict) else value for name, value in params.items()
        }
        (self.path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))

    def run(self, *command, status=0):
        env = {**os.environ, "DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(self.path.parent / "site")}
        env |= {"PATH": f"{DVC.parent}{os.pathsep}{env['PATH']}", "PYTHONPATH": str(self.path / "src")}
        env |= {f"GIT_{who}_{what}": "it@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        done = subprocess.run(command, cwd=self.path, env=env, text=True, check=False, capture_output=True)
        assert done.returncode == status, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout if status == 0 else done.stderr

    def dvc(self, *arguments, status=0):
        return self.run(str(DVC), *arguments, status=status)

    def read(self, name):
        return (self.path / name).read_text()

    @property
    def folder(self):
        """That of the run."""
        (run,) = (self.path / "results" / "pipeline" / "train").iterdir()
        return run

    def outputs(self):
        roots = [self.path / "data", self.path / "results" / "pipeline"]
        files = [file for root in roots for file in root.rglob("*") if file.is_file()]
        return {str(file.relative_to(self.path)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def stages(told):
    """Return the stages that were run."""
    return [line.split("'")[1] for line in told.splitlines() if line.startswith("Running stage")]


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """A project under git whose pipeline was run once."""
    project = Project.copied(tmp_path_factory.mktemp("pipeline") / "project")
    project.run("git", "init", "--quiet")
    project.dvc("init", "--quiet")
    assert stages(project.dvc("repro")) == ["generate_data", "train", "evaluate"]
    project.run("git", "add", ".")
    project.run("git", "commit", "--quiet", "-m", "it")
    return project


@pytest.fixture
def project(once, tmp_path):
    shutil.copytree(once.path, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project")


def test_a_second_time_nothing_is_run_and_nothing_changes(project):
    before = project.outputs()
    assert stages(project.dvc("repro")) == []
    assert project.outputs() == before
    assert project.run("git", "status", "--short") == ""


def test_training_reads_the_file_that_was_generated(project):
    config = yaml.safe_load((project.folder / "config.yaml").read_text())
    data = (project.path / "data" / "points.csv").read_bytes()
    assert (config["data"], config["data_sha256"]) == ("data/points.csv", hashlib.sha256(data).hexdigest())
    assert len(data.splitlines()) == 1 + SMALL[0]["n_samples"]


def test_what_is_evaluated_is_the_test_split_that_the_run_held_back(project):
    found = json.loads(project.read("results/pipeline/evaluation/metrics.json"))
    metrics = json.loads((project.folder / "metrics.json").read_text())
    assert found["test_accuracy"] == metrics["test_accuracy"]
    assert found["test_loss"] == pytest.approx(metrics["test_loss"], rel=1e-5)
    assert found["final_params"] == metrics["final_params"]


def test_metrics_and_plots_are_shown_and_compared(project):
    with (project.path / "results" / "pipeline" / "evaluation" / "learning_curve.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2", "3", "4", "5"]
    project.set(train={"lr": 0.003})
    assert stages(project.dvc("repro")) == ["train", "evaluate"]
    shown = json.loads(project.dvc("metrics", "show", "--json"))[""]["data"]
    assert shown["results/pipeline/evaluation/metrics.json"]["data"]["test_samples"] == 18
    assert "test_loss" in project.dvc("metrics", "diff")
    assert "train.lr" in project.dvc("params", "diff")
    for command in ("show", "diff"):
        page = project.dvc("plots", command, "--out", command)
        assert page.strip().endswith("index.html")
        drawn = project.read(f"{command}/index.html")
        assert all(f'"{column}"' in drawn for column in ("train_loss", "val_loss", "val_accuracy"))


def test_a_change_runs_what_depends_on_it_and_leaves_other_results_alone(project):
    other = project.path / "results" / "mine" / "metrics.json"
    other.parent.mkdir(parents=True)
    other.write_text("{}")
    first = yaml.safe_load(project.read("params.yaml"))["generate_data"]
    project.set(generate_data={"noise": first["noise"] + 0.1})
    assert stages(project.dvc("repro")) == ["generate_data", "train", "evaluate"]
    assert other.read_text() == "{}"
    project.set(generate_data=first)
    assert stages(project.dvc("repro")) == []  # DVC has kept what came out before


def test_what_was_pushed_is_pulled_to_the_last_byte(project, tmp_path):
    project.dvc("remote", "add", "-d", "storage", str(tmp_path / "storage"))
    project.dvc("push")
    before = project.outputs()
    for gone in (".dvc/cache", "data", "results"):
        shutil.rmtree(project.path / gone)
    project.dvc("pull")
    assert project.outputs() == before
    assert stages(project.dvc("repro")) == []


def test_it_works_without_git(tmp_path):
    project = Project.copied(tmp_path / "project")
    project.dvc("init", "--no-scm", "--quiet")
    assert stages(project.dvc("repro")) == ["generate_data", "train", "evaluate"]
    assert stages(project.dvc("repro")) == []
    assert "test_accuracy" in project.dvc("metrics", "show")


def test_a_stage_that_fails_says_why_and_the_next_time_begins_anew(project):
    lock, before = project.read("dvc.lock"), project.outputs()
    settings = yaml.safe_load(project.read("params.yaml"))["train"]
    project.set(train={"lr": 1e30})
    assert "lower the learning rate" in project.dvc("repro", status=255)
    assert project.read("dvc.lock") == lock
    project.set(train={"lr": settings["lr"]})
    assert stages(project.dvc("repro")) == []
    assert project.outputs() == before


def test_a_data_file_that_was_changed_since_is_refused(project):
    before = project.outputs()
    with (project.path / "data" / "points.csv").open("a") as file:
        file.write("0.0,0.0,1\n")
    complaint = project.dvc("repro", "--single-item", "evaluate", status=255)
    assert "the data file data/points.csv is not what it was" in complaint
    project.dvc("repro")
    assert project.outputs() == before  # it is put right
