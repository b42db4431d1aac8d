"""What choosing strategies and feeding them signals adds to an epoch.

Two ways, because 1 % of an epoch is less than a busy machine's own unrest. A stopwatch around every call that adaptive
blending makes and a bare ramp would not, without the time that it takes itself: its share of a whole run, and of the very
epochs in which a seed blends, or trains in the shadow, where the drift of the candidate is measured. What a blend costs once,
a look at loss and drift when it is complete, is printed apart there: one evaluation more in that epoch. And whole epochs in
pairs: of a run whose strategy reads a signal, against one on the fixed ramp; the two ramps rise alike, so both compute the same
numbers. The pairs need a quiet machine to tell 1 %.
"""

import time
from collections import defaultdict
from contextlib import ExitStack
from statistics import median
from unittest.mock import patch

import pytest

from benchmarks.paired import compare, no_garbage_collection, timed
from kaslite.blending import ADAPTIVE, STRATEGIES, FixedRampBlending
from kaslite.experiment.assembly import assemble
from kaslite.experiment.config import resolve
from kaslite.lifecycle import SeedState
from kaslite.seeds import Seed
from kaslite.seeds.layer import SeedLayer
from kaslite.seeds.probe import Probe
from kaslite.training.blends import Blends
from kaslite.training.gradients import GradientNorms
from kaslite.training.loop import Phase
from kaslite.training.observing import Observer

SHARE_BAR = 0.01
PEAK_BAR = 0.02  # in the very epochs in which a seed blends or trains in the shadow
RATIO_BAR = 1.01
RUNS = 5
EPOCHS = 14
HOSTS = {
    "digits": {"problem_type": "digits"},
    "digits, width 256": {"problem_type": "digits", "hidden_dim": 256, "num_layers": 4, "batch_size": 64},
}
EARLY = {
    "warm_up_epochs": 0,
    "adaptation_epochs": EPOCHS,
    "controller": "schedule",
    "schedule": ["1 blocks.1:0 mlp"],
    "shadow_epochs": 4,
}


class Stopwatch:
    """The seconds inside some functions, without those inside others that they call."""

    def __init__(self):
        self.seconds = 0.0
        self._running = False
        self._own_s = 0.0
        empty = self.around(lambda: None)
        for _ in range(10_000):
            empty()
        self._own_s, self.seconds = self.seconds / 10_000, 0.0

    def around(self, function, when=lambda *_: True):
        def call(*args):
            if self._running or not when(*args):
                return function(*args)
            self._running = True
            started = time.perf_counter()
            try:
                return function(*args)
            finally:
                self.seconds += time.perf_counter() - started - self._own_s
                self._running = False

        return call

    def leaving_out(self, function):
        def call(*args):
            if not self._running:
                return function(*args)
            started = time.perf_counter()
            try:
                return function(*args)
            finally:
                self.seconds -= time.perf_counter() - started - self._own_s

        return call


def put_around_what_was_added(stopwatch, looks, patches):
    """Time what a bare ramp would do without: it sets the ramp, and looks at the feature and at one gradient norm an epoch."""

    def swap(owner, name, function):
        patches.enter_context(patch.object(owner, name, function))

    for name in ("begin", "tick", "note_epoch", "overdue"):
        swap(Blends, name, stopwatch.around(getattr(Blends, name)))
    swap(Seed, "sample_drift", stopwatch.around(Seed.sample_drift))  # not `samples`: it is quicker than the stopwatch
    swap(Observer, "look_at", looks.around(stopwatch.leaving_out(Observer.look_at)))
    swap(SeedLayer, "_probe", stopwatch.around(SeedLayer._probe))
    swap(GradientNorms, "before_step", stopwatch.around(GradientNorms.before_step, lambda norms: norms._norms is not None))
    swap(Seed, "set_ramp", stopwatch.leaving_out(Seed.set_ramp))
    swap(Probe, "see", stopwatch.leaving_out(Probe.see))


def kind_of(before, after):
    """Return what a seed did in an epoch, by its states at both ends."""
    if SeedState.BLENDING in (before, after):
        return "blending"
    if SeedState.TRAINING in (before, after):
        return "training"
    return "dormant" if (before, after) == (SeedState.DORMANT, SeedState.DORMANT) else "in"


def shares(settings, rng_seed):
    """Return the share of what was added, by kind of epoch, and of looks at complete blends, of one run."""
    stopwatch, looks = Stopwatch(), Stopwatch()
    experiment = assemble(resolve({**settings, "rng_seed": rng_seed}))
    seed = experiment.model.seed_at("blocks.1", 0)
    spent, state, last = defaultdict(lambda: [0.0, 0.0]), seed.state, time.perf_counter()

    def after_epoch():
        nonlocal state, last
        added, whole = spent[kind_of(state, seed.state)]
        spent[kind_of(state, seed.state)] = [added + stopwatch.seconds, whole + time.perf_counter() - last]
        stopwatch.seconds, state, last = 0.0, seed.state, time.perf_counter()

    with no_garbage_collection(), ExitStack() as patches:
        put_around_what_was_added(stopwatch, looks, patches)
        experiment.train(after_epoch)
    found = {kind: added / whole for kind, (added, whole) in spent.items()}
    added, whole = (sum(part) for part in zip(*spent.values(), strict=True))
    return found | {"look": looks.seconds / spent["blending"][1], "run": (added + looks.seconds) / whole}


@pytest.mark.parametrize("strategy", [ADAPTIVE, *STRATEGIES])
@pytest.mark.parametrize("host", HOSTS)
def test_share_of_the_epochs(host, strategy):
    settings = {**HOSTS[host], **EARLY, "blending": {"strategy": strategy}}
    runs = [shares(settings, rng_seed) for rng_seed in range(RUNS + 1)][1:]  # the first one warms up
    training, blending, look = (median(run[kind] for run in runs) for kind in ("training", "blending", "look"))
    line = f"training {training:.2%}, blending {blending:.2%}, bar {PEAK_BAR:.0%}; the look at its end {look:.2%} of the blend"
    print(f"\nstrategy and signals, share of an epoch, {host}, {strategy}: {line}")  # noqa: T201
    assert max(training, blending) < PEAK_BAR


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_share_of_a_whole_run_with_all_that_a_blend_costs(strategy):
    plan = {"schedule": ["5 blocks.1:0 mlp"], "adaptation_epochs": 60}  # one blend in 60 epochs; by default two in 120
    runs = [
        shares({**HOSTS["digits"], **EARLY, **plan, "blending": {"strategy": strategy}}, rng_seed)["run"]
        for rng_seed in range(3)
    ]
    print(f"\nstrategy and signals, share of a whole run of digits, {strategy}: {median(runs):.2%}; bar {SHARE_BAR:.0%}")  # noqa: T201
    assert median(runs) < SHARE_BAR


@pytest.mark.parametrize("signal", ["drift", "grad_norm"])
@pytest.mark.parametrize("host", HOSTS)
def test_epochs_of_a_blend_whose_strategy_reads_a_signal(host, signal, monkeypatch):
    class Reads(FixedRampBlending):
        reads = frozenset({signal})

    monkeypatch.setitem(STRATEGIES, "READS", Reads)

    def blending_by(strategy):
        endless = {"blend_steps": 10**6, "progress_thresh": 0.0, "blending": {"strategy": strategy}}
        experiment = assemble(resolve({**HOSTS[host], **EARLY, **endless}))

        def epoch():
            experiment.trainer.fit((Phase("phase_2", experiment.grower.epoch + 1, grows=True),))

        for _ in range(3):
            epoch()
        assert experiment.model.seed_at("blocks.1", 0).record.blend.strategy == strategy
        return experiment, epoch

    (reading, epoch), (fixed, fixed_epoch) = blending_by("READS"), blending_by("FIXED_RAMP")
    paired = compare(timed(epoch), timed(fixed_epoch), rounds=100)
    assert reading.trainer.val_loss == fixed.trainer.val_loss, "the two are not the same run"
    paired.report(f"an epoch of a blend that reads its {signal} / on the fixed ramp, {host}", RATIO_BAR)
