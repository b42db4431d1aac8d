"""What `kaslite run` costs over the same loop written by hand, while nothing grows.

An epoch is timed from the end of the one before it to its own end, so it holds the decision and the event log too.
Start-up is paid once; it is printed, and has no bar.
"""

import statistics
import sys
from itertools import count, pairwise
from subprocess import run as start

from benchmarks import by_hand
from benchmarks.paired import compare, timed
from kaslite.experiment.config import resolve
from kaslite.experiment.run import run
from kaslite.telemetry import read_log

RATIO_BAR = 1.10
SHORTEST_EPOCH_S = 0.02
UNSTEADY_EPOCHS = 3
EPOCHS = 20
CONFIG = resolve(
    # With any accuracy enough, nothing germinates.
    {"problem_type": "digits", "warm_up_epochs": 4, "adaptation_epochs": EPOCHS - 4, "acc_threshold": 1e-9}
)
BY_KASLITE = """
import pathlib, sys
from kaslite.experiment.config import resolve
from kaslite.experiment.run import run
run(resolve({"problem_type": "digits", "warm_up_epochs": 0, "adaptation_epochs": 1}), pathlib.Path(sys.argv[1]))
"""
# One thread, as kaslite sets by itself: two that wait for one another on a busy machine are many times slower.
BY_HAND = """
import torch
from benchmarks import by_hand
torch.set_num_threads(1)
by_hand.run(epochs=1)
"""


def views():
    """What shows the run meanwhile, as the command does."""
    return []


def kaslite_epoch_s(results):
    log = run(CONFIG, results, views()).run_dir / "events.jsonl"
    events = list(read_log(log))
    assert not [event for event in events if event.type == "seed_germinated"]
    return steady([event.timestamp for event in events if event.type == "epoch_completed"])


def steady(ends):
    assert len(ends) == EPOCHS
    return statistics.median(end - begin for begin, end in list(pairwise(ends))[UNSTEADY_EPOCHS:])


def test_epoch_of_a_run_in_which_nothing_grows(tmp_path):
    assert (CONFIG.hidden_dim, CONFIG.num_layers, CONFIG.batch_size) == (by_hand.WIDTH, by_hand.LAYERS, by_hand.BATCH)
    assert (CONFIG.lr, CONFIG.weight_decay, CONFIG.train_frac) == (by_hand.LR, by_hand.WEIGHT_DECAY, by_hand.TRAIN_FRACTION)
    numbers = count()
    paired = compare(
        lambda: kaslite_epoch_s(tmp_path / str(next(numbers))),
        lambda: steady(by_hand.run(EPOCHS)),
        rounds=24,
        warmup=1,
    )
    assert paired.b_s >= SHORTEST_EPOCH_S, "the epochs are too short to tell"
    paired.report("kaslite run / loop by hand, an epoch", RATIO_BAR)


def test_start_up_is_printed(tmp_path):
    numbers = count()
    paired = compare(
        timed(lambda: start([sys.executable, "-c", BY_KASLITE, str(tmp_path / str(next(numbers)))], check=True)),
        timed(lambda: start([sys.executable, "-c", BY_HAND], check=True)),
        rounds=5,
        warmup=1,
    )
    spread = f"{paired.ratio:.3f} [{paired.lower:.3f}, {paired.upper:.3f}]"
    print(f"\nstart-up to the end of the first epoch: {paired.a_s:.2f} s / {paired.b_s:.2f} s by hand, ratio {spread}")  # noqa: T201
