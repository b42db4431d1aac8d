"""Against MLflow's own way to make and to open a store."""

import sqlite3
import sys
from contextlib import closing
from subprocess import Popen, run

import pytest

from kaslite.errors import StorageError
from kaslite.telemetry.mlflow_file import check_usable, make_store

mlflow = pytest.importorskip("mlflow")

OPEN = """
from kaslite.telemetry.mlflow_store import MlflowAddress, MlflowStore
MlflowStore(MlflowAddress("sqlite:///mlflow.db"), key="{0}", name="{0}", started_s=1.0, tags={{}})
"""
DIE_IN_THE_MIDDLE = """
import os, signal
from pathlib import Path
from kaslite.telemetry import mlflow_file
def half():
    yield "CREATE TABLE experiments (x)"
    os.kill(os.getpid(), signal.SIGKILL)
mlflow_file._empty_store = half
mlflow_file.make_store(Path("mlflow.db"))
"""


def contents(file):
    """Return tables, indices, columns and version of a store; how tables are spelled differs from one process to the next."""
    with closing(sqlite3.connect(file)) as store:
        parts = sorted(store.execute("SELECT type, name, tbl_name FROM sqlite_master"))
        columns = {name: sorted(store.execute(f"PRAGMA table_info({name})")) for kind, name, _ in parts if kind == "table"}
        return parts, columns, list(store.execute("SELECT * FROM alembic_version"))


def names(folder):
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    return {run.info.run_name for run in client.search_runs(["0", "1"])}


@pytest.mark.slow
def test_a_store_is_the_one_that_mlflow_makes(tmp_path):
    mlflow.MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/its.db").search_experiments()
    (tmp_path / "ours.db").touch()  # as a program leaves it that was killed before anything was written
    make_store(tmp_path / "ours.db")
    assert contents(tmp_path / "ours.db") == contents(tmp_path / "its.db")


@pytest.mark.slow
def test_two_programs_that_begin_at_once_are_both_tracked(tmp_path):
    both = [Popen([sys.executable, "-c", OPEN.format(name)], cwd=tmp_path) for name in ("one", "two")]
    assert [program.wait() for program in both] == [0, 0]
    assert names(tmp_path) == {"one", "two"}


def test_a_program_that_is_killed_while_it_makes_a_store_leaves_none_that_is_broken(tmp_path):
    assert run([sys.executable, "-c", DIE_IN_THE_MIDDLE], cwd=tmp_path, check=False).returncode == -9
    make_store(tmp_path / "mlflow.db")
    assert names(tmp_path) == set()


def test_a_store_that_is_there_stays_as_it_is(empty_store):
    before = empty_store.read_bytes()
    make_store(empty_store)
    assert empty_store.read_bytes() == before


def test_a_store_that_is_not_there_yet_or_busy_is_usable(empty_store, tmp_path):
    check_usable(tmp_path / "none.db")
    with closing(sqlite3.connect(empty_store)) as other:
        other.execute("BEGIN IMMEDIATE")
        check_usable(empty_store)


def test_a_folder_or_something_else_is_no_store(tmp_path):
    with pytest.raises(StorageError, match=r"cannot be used: unable to open database file; make it a file"):
        check_usable(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"cannot be used: File exists; make it a file"):
        make_store(tmp_path / "file" / "mlflow.db")
