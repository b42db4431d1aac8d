"""What a run costs that everything watches, over the same loop written by hand: examples/generation1.yaml, all sinks on.

Time is the product of two ratios of the processor's time: an epoch of the thread that trains over one by hand right after it,
and, in a run by itself, all threads over that one. Threads of MLflow and TensorBoard can delay training by no more than that.
Start-up (imports, a new store) is over before the first pair; it is printed, and has no bar. Memory is that of whole
processes; the one by hand imports what the sinks import.
"""

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks import by_hand
from benchmarks.paired import Paired, no_garbage_collection
from kaslite.cli.output import Output
from kaslite.cli.tracking import Tracking
from kaslite.experiment.config import resolve
from kaslite.experiment.run import run

TIME_BAR, MEMORY_BAR = 1.10, 1.15
ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "generation1.yaml"
STRETCH = 40  # epochs: seconds, so that each holds several batches of tracking
STRETCHES = 7
UNSTEADY_EPOCHS = 20
STEADY = {
    "warm_up_epochs": 0,
    "adaptation_epochs": STRETCHES * STRETCH,
    "acc_threshold": 1e-9,  # so that nothing germinates
    "stop_when_solved": False,
}
BY_KASLITE = "from kaslite.cli.main import main; main()"
BY_HAND = """
import prometheus_client
import mlflow, mlflow.pyfunc, mlflow.store.tracking.sqlalchemy_store, torch.utils.tensorboard
import torch
from itertools import islice
from benchmarks import by_hand
torch.set_num_threads(1)
list(islice(by_hand.epochs(by_hand.GENERATION1, by_hand.spirals), 250))
"""

pytestmark = pytest.mark.skipif(not find_spec("mlflow"), reason="MLflow is not installed")


class InTurn:
    """A view that runs an epoch by hand after each epoch of the run, and reads the time of the thread that trains."""

    def __init__(self):
        self.by_hand = by_hand.epochs(by_hand.GENERATION1, by_hand.spirals)
        self.begun_s = None
        self.pairs = []

    def write(self, event):
        if event.type == "run_started":
            wait_for_the_store()
        if event.type == "epoch_completed":
            ended_s = time.thread_time()
            next(self.by_hand)
            now_s = time.thread_time()
            if self.begun_s is not None:
                self.pairs.append((ended_s - self.begun_s, now_s - ended_s))
            self.begun_s = now_s

    def close(self):
        pass


class Threads:
    """A view that reads the time of all threads, and of the one that trains, at the end of each stretch."""

    def __init__(self):
        self.start_up_s = None
        self.readings = []

    def write(self, event):
        if event.type == "run_started":
            self.start_up_s = wait_for_the_store()
        if event.type == "epoch_completed" and event.epoch % STRETCH == 0:
            self.readings.append((time.process_time(), time.thread_time()))

    def close(self):
        pass

    def pairs(self):
        return [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(self.readings)]


def wait_for_the_store():
    began = time.perf_counter()
    while not has_parameters():
        time.sleep(0.1)
    return time.perf_counter() - began


def has_parameters():
    try:
        with closing(sqlite3.connect("mlflow.db")) as store:
            return store.execute("select count(*) from params").fetchone()[0] > 0
    except sqlite3.OperationalError:
        return False


def peak_mib(code, *arguments):
    """The most memory that a Python process has had resident."""
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], env={**os.environ, "PYTHONPATH": str(ROOT)})
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss / 1024


def watched(tmp_path, view):
    output = Output()
    with Tracking().of_run(lambda name: tmp_path / name, output) as sinks, no_garbage_collection():
        run(resolve(STEADY, EXAMPLE), tmp_path, [*output.views(), *sinks, view])


def test_epochs_of_a_run_that_everything_watches(tmp_path, monkeypatch):
    ratios = []
    for number, view in enumerate((Threads(), InTurn())):
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.chdir(folder)
        watched(folder, view)
        ratios.append(Paired.of(view.pairs() if number == 0 else view.pairs[UNSTEADY_EPOCHS:]))
        if number == 0:
            print(f"\nstart-up of the sinks, beside the run: {view.start_up_s:.1f} s")  # noqa: T201
    threads, training = ratios
    figures = f"{training.ratio:.4f} [{training.lower:.4f}, {training.upper:.4f}] x {threads.ratio:.4f} for the sinks' threads"
    whole = training.ratio * threads.ratio
    print(f"\nan epoch of kaslite run, all sinks on / loop by hand: {figures} = {whole:.4f}, bar {TIME_BAR}")  # noqa: T201
    assert whole <= TIME_BAR


def test_memory_of_a_run_that_everything_watches(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ours = peak_mib(BY_KASLITE, "run", "--config", str(EXAMPLE), "-q")
    theirs = peak_mib(BY_HAND)
    figures = f"{ours:.0f} / {theirs:.0f} MiB by hand, ratio {ours / theirs:.3f}, bar {MEMORY_BAR}"
    print(f"\npeak memory of generation1.yaml: {figures}")  # noqa: T201
    assert ours <= MEMORY_BAR * theirs
