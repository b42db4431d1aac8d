"""What a run costs that everything watches, over the same loop written by hand: examples/generation1.yaml, all sinks on.

Time is the processor's, of all threads; whatever the threads of MLflow and TensorBoard do is the run's, also while the loop
by hand has its turn. So this is the most that they can delay it. Start-up (imports, a new store) is over before the first
pair; it is printed, and has no bar. Memory is that of whole processes; the one by hand imports what the sinks import.
"""

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from importlib.util import find_spec
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
STRETCH = 50  # epochs: seconds, so that each holds several batches of tracking
STRETCHES = 8
STEADY = {
    "warm_up_epochs": 0,
    "adaptation_epochs": STRETCHES * STRETCH,
    "acc_threshold": 1e-9,  # so that nothing germinates
    "stop_when_solved": False,
}
BY_KASLITE = "from kaslite.cli.main import main; main()"
BY_HAND = """
import mlflow, mlflow.pyfunc, mlflow.store.tracking.sqlalchemy_store, torch.utils.tensorboard
import torch
from itertools import islice
from benchmarks import by_hand
torch.set_num_threads(1)
list(islice(by_hand.epochs(by_hand.GENERATION1, by_hand.spirals), 250))
"""

pytestmark = pytest.mark.skipif(not find_spec("mlflow"), reason="MLflow is not installed")


class InTurn:
    """A view that runs an epoch by hand after each epoch of the run, and reads the processor's time before and after."""

    def __init__(self):
        self.by_hand = by_hand.epochs(by_hand.GENERATION1, by_hand.spirals)
        self.begun_s = self.start_up_s = None
        self.hand_s = [0.0]
        self.pairs = []

    def write(self, event):
        if event.type == "run_started":
            self.start_up_s = wait_for_the_store()
        if event.type == "phase_started":
            self.begun_s = time.process_time()
        if event.type != "epoch_completed":
            return
        started_s = time.thread_time()
        next(self.by_hand)
        self.hand_s.append(time.thread_time() - started_s)
        if event.epoch % STRETCH == 0:
            hand_s, now_s = sum(self.hand_s[-STRETCH:]), time.process_time()
            self.pairs.append(((now_s - self.begun_s - hand_s) / STRETCH, hand_s / STRETCH))
            self.begun_s = now_s

    def close(self):
        pass


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


def test_epochs_of_a_run_that_everything_watches(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    in_turn = InTurn()
    sinks = Tracking().sinks(lambda name: tmp_path / name)
    with no_garbage_collection():
        run(resolve(STEADY, EXAMPLE), tmp_path, [*Output().views(), *sinks, in_turn])
    print(f"\nstart-up of the sinks, beside the run: {in_turn.start_up_s:.1f} s")  # noqa: T201
    Paired.of(in_turn.pairs[1:]).report("an epoch of kaslite run, all sinks on / loop by hand", TIME_BAR)


def test_memory_of_a_run_that_everything_watches(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ours = peak_mib(BY_KASLITE, "run", "--config", str(EXAMPLE), "-q")
    theirs = peak_mib(BY_HAND)
    figures = f"{ours:.0f} / {theirs:.0f} MiB by hand, ratio {ours / theirs:.3f}, bar {MEMORY_BAR}"
    print(f"\npeak memory of generation1.yaml: {figures}")  # noqa: T201
    assert ours <= MEMORY_BAR * theirs
