"""What choosing strategies and feeding them signals adds to an epoch.

Two ways, because 1 % of an epoch is less than what a machine's own unrest is. A stopwatch around every call that adaptive blending
makes and a bare ramp would not, without the time that the stopwatch itself takes: its share of the epochs in which a seed blends,
or trains in the shadow, where the drift of the candidate is measured. And whole epochs in pairs: of a run whose strategy reads every
signal, against one on the fixed ramp; the two ramps rise alike, so both compute the same numbers.
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
RATIO_BAR = 1.01
RUNS = 7
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


def put_around_what_was_added(stopwatch, patches):
    """Time what a bare ramp would do without: it sets the ramp, and looks at the feature and at one gradient norm an epoch."""

    def swap(owner, name, function):
        patches.enter_context(patch.object(owner, name, function))

    for owner, names in {Blends: ("begin", "tick", "note_epoch", "overdue"), Seed: ("samples", "sample_drift")}.items():
        for name in names:
            swap(owner, name, stopwatch.around(getattr(owner, name)))
    swap(Observer, "look_at", stopwatch.around(Observer.look_at))
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
    """Return the share of what was added, by kind of epoch, of one run."""
    stopwatch = Stopwatch()
    experiment = assemble(resolve({**settings, "rng_seed": rng_seed}))
    seed = experiment.model.seed_at("blocks.1", 0)
    spent, state, last = defaultdict(lambda: [0.0, 0.0]), seed.state, time.perf_counter()

    def after_epoch():
        nonlocal state, last
        added, whole = spent[kind_of(state, seed.state)]
        spent[kind_of(state, seed.state)] = [added + stopwatch.seconds, whole + time.perf_counter() - last]
        stopwatch.seconds, state, last = 0.0, seed.state, time.perf_counter()

    with no_garbage_collection(), ExitStack() as patches:
        put_around_what_was_added(stopwatch, patches)
        experiment.train(after_epoch)
    return {kind: added / whole for kind, (added, whole) in spent.items()}


@pytest.mark.parametrize("strategy", [ADAPTIVE, *STRATEGIES])
@pytest.mark.parametrize("host", HOSTS)
def test_share_of_the_epochs(host, strategy):
    settings = {**HOSTS[host], **EARLY, "blending": {"strategy": strategy}}
    runs = [shares(settings, rng_seed) for rng_seed in range(RUNS)]
    found = {kind: median(run[kind] for run in runs if kind in run) for kind in ("training", "blending")}
    line = ", ".join(f"{kind} {share:.2%}" for kind, share in found.items())
    print(f"\nstrategy and signals, share of an epoch, {host}, {strategy}: {line}; bar {SHARE_BAR:.0%}")  # noqa: T201
    assert max(found.values()) < SHARE_BAR


class ReadsAll(FixedRampBlending):
    """The fixed ramp, with every signal sampled that there is."""

    reads = frozenset({"loss", "drift", "grad_norm"})


@pytest.mark.parametrize("host", HOSTS)
def test_epochs_of_a_blend_whose_strategy_reads_every_signal(host, monkeypatch):
    monkeypatch.setitem(STRATEGIES, "READS_ALL", ReadsAll)

    def blending_by(strategy):
        endless = {"blend_steps": 10**6, "progress_thresh": 0.0, "blending": {"strategy": strategy}}
        experiment = assemble(resolve({**HOSTS[host], **EARLY, **endless}))

        def epoch():
            experiment.trainer.fit((Phase("phase_2", experiment.grower.epoch + 1, grows=True),))

        for _ in range(3):
            epoch()
        assert experiment.model.seed_at("blocks.1", 0).record.blend.strategy == strategy
        return experiment, epoch

    (experiment, epoch), (fixed, fixed_epoch) = blending_by("READS_ALL"), blending_by("FIXED_RAMP")
    paired = compare(timed(epoch), timed(fixed_epoch), rounds=150)
    assert experiment.trainer.val_loss == fixed.trainer.val_loss, "the two are not the same run"
    paired.report(f"an epoch of a blend that reads every signal / on the fixed ramp, {host}", RATIO_BAR)
