"""How long the training loop stands still when a seed grows: at germination, at its first tick, and when it joins the model.

One seed goes round and round the real path (germinate, train, blend, cull, embargo, dormant), with nothing compiled. These
are absolute times, since the bar is what a user feels; so they are the processor time of this thread, in which nothing
waits: a neighbour's turn on a shared core (some 4 ms each) is in the wall time beside them.
"""

import statistics
from collections import defaultdict
from time import perf_counter, thread_time

import pytest
import torch

import kaslite
from benchmarks.paired import no_garbage_collection
from kaslite.lifecycle import SeedState
from kaslite.tasks.hosts.mlp import MLP

BAR_MS = 10.0
ROUNDS = 120
WARMUP = 3
PLACE = ("blocks.1", 0)
HOSTS = {  # width and layers; the size of an `mlp` seed, 4 * width ** 2, is what its germination costs
    "13 thousand parameters, width 64": (64, 3),
    "25 million parameters, width 512": (512, 95),
    "25 million parameters, width 1024": (1024, 24),
}
TOO_WIDE = pytest.mark.xfail(
    strict=False, reason="4 million parameters are initialised in the training thread; a kernel built beforehand would not be"
)


class Growth:
    """A grower that is given its decisions by hand, and a stopwatch on each."""

    def __init__(self, width, layers):
        self.inputs = torch.randn(8, width)
        self.model = kaslite.SeededModel(MLP(width, width, layers, 10), at="blocks.*", example_input=self.inputs)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4)
        self.grower = kaslite.Grower(
            self.model, self.optimizer, controller=kaslite.Plateau(), blueprints=["mlp"], progress_thresh=1.0
        )
        self.seed = self.model.seed_at(*PLACE)
        self.stalls = defaultdict(list)  # (processor ms, wall ms) by what was done

    def time(self, name, work, *args):
        wall, own = perf_counter(), thread_time()
        work(*args)
        self.stalls[name].append((1e3 * (thread_time() - own), 1e3 * (perf_counter() - wall)))

    def step(self):
        self.optimizer.zero_grad()
        self.model(self.inputs).square().mean().backward()
        self.optimizer.step()

    def go_round(self):
        self.time("germinate", self.grower.apply, kaslite.Germinate(*PLACE, "mlp"))
        self.step()
        self.time("start training", self.grower.after_step)
        assert self.seed.state is SeedState.TRAINING
        self.step()
        self.grower.after_step()
        self.time("start blending", self.grower.apply, kaslite.Advance(*PLACE))
        assert self.seed.state is SeedState.BLENDING
        self.grower.apply(kaslite.Cull(*PLACE))
        while self.seed.state is not SeedState.DORMANT:
            self.grower.after_epoch()


def p50_p99(numbers):
    cuts = statistics.quantiles(numbers, n=100)
    return cuts[49], cuts[98]


@pytest.mark.parametrize("host", [pytest.param(name, marks=[TOO_WIDE] if name.endswith("1024") else []) for name in HOSTS])
def test_growth_is_not_felt(host):
    growth = Growth(*HOSTS[host])
    with no_garbage_collection():
        for _ in range(WARMUP + ROUNDS):
            growth.go_round()
    worst = 0.0
    for name, stalls in growth.stalls.items():
        (p50, p99), (wall_p50, wall_p99) = map(p50_p99, zip(*stalls[WARMUP:], strict=True))
        worst = max(worst, p99)
        figures = f"p50 {p50:.2f} ms, p99 {p99:.2f} ms (wall {wall_p50:.2f}, {wall_p99:.2f})"
        print(f"\n{name}, {host}: {figures}, bar {BAR_MS} ms, {'ok' if p99 < BAR_MS else 'over'}")  # noqa: T201
    assert worst < BAR_MS
