import os
import subprocess
import time
from pathlib import Path

import pytest
import torch

import kaslite
from kaslite.experiment import provenance
from kaslite.experiment.assembly import assemble
from kaslite.experiment.config import resolve
from kaslite.experiment.provenance import checkouts, data_sha256, git_state, tensors_sha256, versions


def git(folder, *words):
    settings = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", folder, *settings, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout.strip()


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    """On a busy machine git takes its time."""
    monkeypatch.setattr(provenance, "GIT_ANSWERS_WITHIN_S", 60)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout of one commit, the present folder."""
    folder = tmp_path / "mine"
    folder.mkdir()
    monkeypatch.chdir(folder)
    git(folder, "init", "-q")
    for name in ("one.py", "two words.py"):
        (folder / name).write_text("x = 1\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


def test_the_versions_of_all_that_computes_are_there():
    found = versions()
    assert list(found) == ["kaslite", "torch", "numpy", "scikit-learn", "python"]
    assert (found["kaslite"], found["torch"]) == (kaslite.__version__, torch.__version__)


def test_a_clean_checkout_is_its_commit(checkout):
    state = git_state(checkout)
    assert (state.commit, state.changes, state.changed, state.diff_sha256) == (git(checkout, "rev-parse", "HEAD"), 0, (), None)


def test_what_differs_from_the_commit_is_named_and_told_apart(checkout):
    digests = set()
    for text in ("x = 2\n", "x = 3\n"):
        (checkout / "two words.py").write_text(text)
        state = git_state(checkout)
        assert (state.changes, state.changed) == (1, ("two words.py",))
        digests.add(state.diff_sha256)
    assert len(digests) == 2


def test_many_changes_are_counted_and_the_first_are_named(checkout, monkeypatch):
    monkeypatch.setattr(provenance, "MOST_PATHS", 1)
    (checkout / "one.py").unlink()
    git(checkout, "mv", "two words.py", "three.py")
    state = git_state(checkout)
    assert (state.changes, state.changed) == (3, ("one.py",))


def test_what_runs_write_beside_the_code_is_no_change_of_it(checkout):
    (checkout / "results").mkdir()
    (checkout / "results" / "metrics.json").write_text("{}")
    assert git_state(checkout).changes == 0


def test_a_checkout_without_a_commit_has_none(tmp_path):
    git(tmp_path, "init", "-q")
    assert git_state(tmp_path).commit is None


def test_a_folder_inside_a_checkout_belongs_to_it(checkout, monkeypatch):
    inside = checkout / "a" / "b"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    assert checkouts().git == git_state(checkout)


def test_a_folder_that_is_in_no_checkout_has_no_state(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert checkouts().git is None


def test_a_present_folder_that_was_removed_has_no_state(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert checkouts().git is None


def test_where_there_is_no_git_there_is_no_state(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert checkouts() == (None, None)
    assert git_state(checkout) is None


def test_a_broken_checkout_has_no_state(tmp_path, monkeypatch):
    (tmp_path / ".git").write_text("nonsense")
    monkeypatch.chdir(tmp_path)
    assert checkouts().git is None


def test_a_git_that_does_not_answer_is_not_waited_for(checkout, monkeypatch):
    slow = checkout.parent / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}:/usr/bin:/bin")
    monkeypatch.setattr(provenance, "GIT_ANSWERS_WITHIN_S", 0.2)
    started = time.perf_counter()
    assert git_state(checkout) is None
    assert time.perf_counter() - started < 5


def test_asking_git_changes_nothing(checkout):
    (checkout / "one.py").write_text("x = 1\n")  # a new time, the same content: git would refresh its index
    index = (checkout / ".git" / "index").read_bytes()
    git_state(checkout)
    assert (checkout / ".git" / "index").read_bytes() == index


def test_kaslites_own_checkout_is_told_if_it_is_imported_from_one(checkout, monkeypatch):
    assert checkouts().kaslite_git != checkouts().git
    package = checkout / "src" / "kaslite"
    package.mkdir(parents=True)
    monkeypatch.setattr(kaslite, "__file__", str(package / "__init__.py"))
    assert checkouts().kaslite_git == git_state(checkout)
    installed = Path("lib/python3.11/site-packages/kaslite/__init__.py")
    monkeypatch.setattr(kaslite, "__file__", str(checkout / installed))
    assert checkouts().kaslite_git is None


@pytest.mark.parametrize(
    "settings", [{}, {"problem_type": "wine"}, {"problem_type": "diabetes"}, {"host": "transformer"}], ids=str
)
def test_equal_data_has_an_equal_checksum_whatever_learns_it(settings):
    one, other = (assemble(resolve(settings | {"num_layers": layers})).task for layers in (1, 2))
    assert data_sha256(one) == data_sha256(other)


@pytest.mark.parametrize("change", [{"rng_seed": 1}, {"noise": 0.2}, {"train_frac": 0.8}], ids=str)
def test_other_data_has_another_checksum(change):
    one, other = (assemble(resolve(settings)).task for settings in ({}, change))
    assert data_sha256(one) != data_sha256(other)


def test_a_checksum_is_of_names_types_shapes_and_every_bit():
    tensor = torch.arange(4.0)
    others = [{"b": tensor}, {"a": tensor.double()}, {"a": tensor.reshape(2, 2)}, {"a": -tensor}, {"a": tensor[1:]}]
    digests = {tensors_sha256(tensors) for tensors in ({"a": tensor}, *others)}
    assert len(digests) == 6
    assert tensors_sha256({"a": torch.arange(8.0)[::2] / 2}) == tensors_sha256({"a": tensor})
    tensors_sha256({"a": torch.tensor(1), "b": torch.zeros(0, 3)})
