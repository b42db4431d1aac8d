"""What MLflow and TensorBoard cost a run on its way: the processor time of their threads, on top of that of the training.

Each stretch of epochs is compared with itself, without those threads; so a neighbour on the machine slows both of a pair.
Training waits for them only while they hold Python's lock, so this is the most that they can delay it. Start-up (imports, a
new store) is over before the first stretch; it is printed, and has no bar.
"""

import sqlite3
import time
from importlib.util import find_spec
from itertools import pairwise

import pytest

from benchmarks.paired import Paired, no_garbage_collection
from kaslite.cli.tracking import Tracking
from kaslite.experiment.config import resolve
from kaslite.experiment.run import run

RATIO_BAR = 1.03
STRETCHES = 12
STRETCH = 60  # epochs: seconds, so that each holds several batches
CONFIG = resolve(
    {
        "problem_type": "spirals",
        "n_samples": 2000,
        "hidden_dim": 128,
        "num_layers": 8,
        "batch_size": 64,
        "warm_up_epochs": 0,
        "adaptation_epochs": STRETCHES * STRETCH,
        "acc_threshold": 1e-9,  # any accuracy is enough, so nothing germinates
        "stop_when_solved": False,
    }
)


class Meter:
    """A view that reads the processor time at the end of each stretch: of all threads, and of the one that trains."""

    def __init__(self):
        self.start_up_s = None
        self.readings = []

    def write(self, event):
        if event.type == "run_started":
            self.start_up_s = wait_for_the_store()
        if event.type == "phase_started" or (event.type == "epoch_completed" and event.epoch % STRETCH == 0):
            self.readings.append((time.process_time(), time.thread_time()))

    def close(self):
        pass

    def pairs(self):
        """Seconds of an epoch in each stretch: with those of other threads, and without."""
        return [((b[0] - a[0]) / STRETCH, (b[1] - a[1]) / STRETCH) for a, b in pairwise(self.readings)]


def wait_for_the_store():
    began = time.perf_counter()
    while not has_parameters():
        time.sleep(0.1)
    return time.perf_counter() - began


def has_parameters():
    try:
        return sqlite3.connect("mlflow.db").execute("select count(*) from params").fetchone()[0] > 0
    except sqlite3.OperationalError:
        return False


def test_epochs_of_a_run_that_is_tracked(tmp_path, monkeypatch):
    if not find_spec("mlflow"):
        pytest.skip("MLflow is not installed")
    monkeypatch.chdir(tmp_path)
    meter = Meter()
    with no_garbage_collection():
        run(CONFIG, tmp_path, [*Tracking().sinks(lambda name: tmp_path / name), meter])
    print(f"\nstart-up of the sinks, beside the run: {meter.start_up_s:.1f} s")  # noqa: T201
    Paired.of(meter.pairs()).report("an epoch with the threads of MLflow and TensorBoard / without", RATIO_BAR)
