"""What `kaslite run` costs over the same loop written by hand, while nothing grows.

The loop by hand runs an epoch after each of the run's, from inside a view: so the two of a pair stand 50 ms apart. A
run's epoch lasts from the end of the one before it to its own end, so it holds the decision and the event log too.
Start-up is paid once; it is printed, and has no bar.
"""

import io
import sys
import time
from itertools import count, pairwise
from subprocess import run as start

from benchmarks import by_hand
from benchmarks.paired import Paired, compare, no_garbage_collection, timed
from kaslite.dashboard.plain import PlainView
from kaslite.experiment.config import resolve
from kaslite.experiment.run import run

RATIO_BAR = 1.10
SHORTEST_EPOCH_S = 0.02
UNSTEADY_EPOCHS = 5
EPOCHS = 400
CONFIG = resolve(
    {
        "problem_type": "digits",
        "hidden_dim": by_hand.DIGITS.width,
        "num_layers": by_hand.DIGITS.layers,
        "batch_size": by_hand.DIGITS.batch,
        "lr": by_hand.DIGITS.lr,
        "weight_decay": by_hand.DIGITS.weight_decay,
        "train_frac": by_hand.TRAIN_FRACTION,
        "warm_up_epochs": 50,
        "adaptation_epochs": EPOCHS - 50,
        "acc_threshold": 1e-9,  # any accuracy is enough, so nothing germinates
        "stop_when_solved": False,
    }
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
next(by_hand.epochs())
"""


def views():
    """What shows the run meanwhile: plain lines, as the command does where its output is not a terminal."""
    return [PlainView(io.StringIO())]


class InTurn:
    """A view that runs an epoch by hand after each epoch of the run."""

    def __init__(self):
        self.by_hand = by_hand.epochs()
        self.germinated = False
        self.ends, self.hand_s = [], []

    def write(self, event):
        self.germinated |= event.type == "seed_germinated"
        if event.type == "epoch_completed":
            self.ends.append(event.timestamp)
            started = time.perf_counter()
            next(self.by_hand)
            self.hand_s.append(time.perf_counter() - started)

    def close(self):
        pass

    def pairs(self):
        """Seconds of each of the run's epochs, without the one by hand inside it, and of that one."""
        epochs = zip(pairwise(self.ends), self.hand_s[:-1], strict=True)
        return [(end - begin - hand, hand) for (begin, end), hand in epochs][UNSTEADY_EPOCHS:]


def test_epoch_of_a_run_in_which_nothing_grows(tmp_path):
    in_turn = InTurn()
    with no_garbage_collection():
        run(CONFIG, tmp_path, [*views(), in_turn])
    assert len(in_turn.ends) == EPOCHS
    assert not in_turn.germinated
    paired = Paired.of(in_turn.pairs())
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
