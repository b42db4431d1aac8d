"""What watching costs a run: event log, text log, metrics and TensorBoard, over the rest of what its training thread does.

Everything is read inside one run, whose seeds grow, by the processor's time: that of the training thread inside the sinks,
and all that other threads take, over what is left of the training thread's. A scraper, in a process of its own, asks every
second in every other stretch. Importing TensorBoard is over before the first.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from statistics import median

import pytest

from benchmarks.paired import no_garbage_collection
from kaslite.cli.output import Output
from kaslite.cli.tracking import RUNS, Tracking
from kaslite.experiment.config import resolve
from kaslite.experiment.run import run
from kaslite.telemetry.background import Background
from kaslite.telemetry.sinks.jsonl import JsonlLog
from kaslite.telemetry.sinks.prometheus import PrometheusSink
from kaslite.telemetry.sinks.text_log import TextLog

BAR = 1.02
SHORTEST_EPOCH_S = 0.02
STRETCH = 200  # epochs: seconds, so that each holds several scrapes and batches for TensorBoard
STRETCHES = 8
SETTINGS = {
    "problem_type": "digits",
    "hidden_dim": 24,
    "num_layers": 3,
    "batch_size": 64,
    "warm_up_epochs": 0,
    "adaptation_epochs": (STRETCHES + 1) * STRETCH,
    "acc_threshold": 1.0,  # never reached, so that it grows whenever the loss does not fall
    "stop_when_solved": False,
}
SCRAPER = """
import sys, time, urllib.request
while True:
    time.sleep(1)
    urllib.request.urlopen(sys.argv[1], timeout=10).read()
"""
SINKS = [JsonlLog, TextLog, PrometheusSink, Background]

pytestmark = pytest.mark.skipif(
    not (find_spec("tensorboard") and find_spec("prometheus_client")),
    reason="TensorBoard or prometheus-client is not installed",
)


@dataclass(frozen=True)
class Reading:
    """Seconds so far, as a stretch ends."""

    process_s: float
    thread_s: float  # of the one that trains
    inside_s: dict  # of it, inside each sink
    scraped: bool  # in the stretch that ends


class Stretches:
    """A view that reads the clocks at the end of each stretch, and lets the scraper work in every other one."""

    def __init__(self, inside_s, scraper):
        self.inside_s, self.scraper = inside_s, scraper
        self.readings = []
        self.is_scraped = False

    def write(self, event):
        if event.type == "run_started":
            wait_for_tensorboard()
        if event.type == "epoch_completed" and event.epoch % STRETCH == 0:
            self.readings.append(Reading(time.process_time(), time.thread_time(), dict(self.inside_s), self.is_scraped))
            self.is_scraped = not self.is_scraped
            self.scraper.send_signal(signal.SIGCONT if self.is_scraped else signal.SIGSTOP)

    def close(self):
        pass


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_for_tensorboard():
    deadline = time.monotonic() + 60
    while not list(RUNS.rglob("events.out.tfevents.*")):
        assert time.monotonic() < deadline
        time.sleep(0.1)


@contextmanager
def scraping(url):
    """Start what scrapes, stopped."""
    with subprocess.Popen([sys.executable, "-c", SCRAPER, url], env=os.environ) as process:
        process.send_signal(signal.SIGSTOP)
        yield process
        process.kill()


def timed(monkeypatch, sinks):
    """Return the seconds of the training thread's time inside ``write`` of each of these classes, as they grow."""
    inside_s = {sink.__name__: 0.0 for sink in sinks}

    def measured(name, write):
        def measure(sink, event):
            began_s = time.thread_time()
            write(sink, event)
            inside_s[name] += time.thread_time() - began_s

        return measure

    for sink in sinks:
        monkeypatch.setattr(sink, "write", measured(sink.__name__, sink.write))
    return inside_s


def shares(before, after):
    """Return what each part took of a stretch, over what the training itself took."""
    inside = {name: after.inside_s[name] - before.inside_s[name] for name in after.inside_s}
    thread_s = after.thread_s - before.thread_s
    inside["other threads"] = after.process_s - before.process_s - thread_s
    training_s = thread_s - sum(after.inside_s.values()) + sum(before.inside_s.values())
    return {name: seconds / training_s for name, seconds in inside.items()}


def report(what, stretches):
    """Print the median share of the whole and of its parts, and return that of the whole as a ratio."""
    whole = 1 + median(sum(stretch.values()) for stretch in stretches)
    worst = 1 + max(sum(stretch.values()) for stretch in stretches)
    parts = ", ".join(f"{name} {100 * median(stretch[name] for stretch in stretches):.2f} %" for name in stretches[0])
    print(f"\na watched run, {what}: ratio {whole:.4f}, worst stretch {worst:.4f} ({parts}), bar {BAR}")  # noqa: T201
    return whole


def test_what_watching_costs_a_run_whose_epochs_take_20_ms(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    port = free_port()
    inside_s = timed(monkeypatch, SINKS)
    tracking = Tracking(no_mlflow=True, metrics_port=port)
    with (
        scraping(f"http://127.0.0.1:{port}/metrics") as scraper,
        tracking.of_run(lambda name: tmp_path / name, Output(quiet=True)) as sinks,
        no_garbage_collection(),
    ):
        stretches = Stretches(inside_s, scraper)
        metrics = run(resolve(SETTINGS), tmp_path, [*sinks, stretches]).metrics
        assert scraper.poll() is None, "it was answered each time"
    pairs = list(pairwise(stretches.readings))
    epoch_s = median((after.thread_s - before.thread_s) / STRETCH for before, after in pairs)
    grown = ", ".join(f"{metrics[name]} {name}" for name in ("germinated", "fossilized", "culled"))
    print(f"\n{1e3 * epoch_s:.1f} ms an epoch; {grown}")  # noqa: T201
    assert epoch_s >= SHORTEST_EPOCH_S, "the epochs are too short to tell"
    assert metrics["germinated"] > 0
    with_it = report("scraped every second", [shares(*pair) for pair in pairs if pair[1].scraped])
    without = report("not scraped", [shares(*pair) for pair in pairs if not pair[1].scraped])
    assert max(with_it, without) <= BAR
