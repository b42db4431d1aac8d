"""What MLflow and TensorBoard cost a run on its way: stretches of epochs that they are told of, beside others.

The stretches of a pair follow one another in one run, and their order turns from pair to pair. Counted is processor time, of
all threads: also that which the sinks take on another core. After each stretch they get the time to send what they have, so
that each pays for its own. Start-up (imports, a new store) is over before the first; it is printed, and has no bar.
"""

import sqlite3
import time
from importlib.util import find_spec

import pytest

from benchmarks.paired import Paired, no_garbage_collection
from kaslite.cli.tracking import Tracking
from kaslite.experiment.config import resolve
from kaslite.experiment.run import run

RATIO_BAR = 1.03
PAIRS = 8
STRETCH = 60  # epochs
SETTLED_S = 6.0  # longer than any pause between two batches
CONFIG = resolve(
    {
        "problem_type": "spirals",
        "n_samples": 2000,
        "hidden_dim": 128,
        "num_layers": 8,
        "batch_size": 64,
        "warm_up_epochs": 0,
        "adaptation_epochs": 2 * PAIRS * STRETCH,
        "acc_threshold": 1e-9,  # any accuracy is enough, so nothing germinates
    }
)


class InTurn:
    """A view that passes some stretches of epochs on to sinks, and others not."""

    def __init__(self, sinks):
        self.sinks = sinks
        self.seconds = {True: [], False: []}  # of each stretch, by whether they were told
        self.epochs, self.began_s, self.start_up_s = 0, 0.0, 0.0

    @property
    def tells(self):
        pair, half = divmod(self.epochs // STRETCH, 2)
        return (pair + half) % 2 == 0

    def write(self, event):
        if event.type == "run_started":
            self.tell(event)
            self.start_up_s = wait_for_the_store()
        elif event.type == "phase_started":
            self.began_s = time.process_time()
        elif event.type == "epoch_completed":
            self.take_epoch(event)

    def take_epoch(self, event):
        told = self.tells
        if told:
            self.tell(event)
        self.epochs += 1
        if self.epochs % STRETCH == 0:
            time.sleep(SETTLED_S)
            self.seconds[told].append((time.process_time() - self.began_s) / STRETCH)
            self.began_s = time.process_time()

    def tell(self, event):
        for sink in self.sinks:
            sink.write(event)

    def close(self):
        for sink in self.sinks:
            sink.close()


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
    in_turn = InTurn(Tracking().sinks(lambda name: tmp_path / name))
    with no_garbage_collection():
        run(CONFIG, tmp_path, [in_turn])
    assert len(in_turn.seconds[True]) == len(in_turn.seconds[False]) == PAIRS
    print(f"\nstart-up of the sinks, beside the run: {in_turn.start_up_s:.1f} s")  # noqa: T201
    paired = Paired.of(list(zip(in_turn.seconds[True], in_turn.seconds[False], strict=True)))
    paired.report("processor time of an epoch, tracked / not tracked", RATIO_BAR)
