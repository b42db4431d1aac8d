"""Checkpoints take at most 2 % of a run's wall time, however long its epochs are; the forced one at the end is counted too.

Beside it: what it costs to keep the state that the governor would go back to, which is paid at the end of every epoch.
"""

import time

import pytest

from benchmarks.paired import compare, no_garbage_collection, timed
from kaslite.experiment import run as experiments
from kaslite.experiment.assembly import assemble
from kaslite.experiment.config import resolve

SHARE_BAR = 0.02
SNAPSHOT_BAR = 0.03
RUNS = {
    "tiny epochs": {"n_samples": 40, "adaptation_epochs": 1500},
    "epochs of digits": {"problem_type": "digits", "adaptation_epochs": 100},
    "a wide host, slow writes": {"problem_type": "digits", "hidden_dim": 1024, "num_layers": 3, "adaptation_epochs": 15},
}


@pytest.mark.parametrize("name", RUNS)
def test_checkpoints_take_their_share_and_no_more(name, tmp_path, monkeypatch):
    writes, ends = [], []
    write = experiments._Course._write_checkpoint

    def measured(course):
        started = time.perf_counter()
        write(course)
        ends.append(time.perf_counter())
        writes.append(ends[-1] - started)

    monkeypatch.setattr(experiments._Course, "_write_checkpoint", measured)
    config = resolve({"warm_up_epochs": 1, "acc_threshold": 1e-9, "stop_when_solved": False, **RUNS[name]})
    with no_garbage_collection():
        started = time.perf_counter()
        result = experiments.run(config, tmp_path)
        wall_s = time.perf_counter() - started
    epoch_ms = 1e3 * wall_s / result.metrics["epochs"]
    during = [sum(writes[: n + 1]) / (end - started) for n, end in enumerate(ends)]
    print(  # noqa: T201
        f"\n{name} ({epoch_ms:.1f} ms an epoch): {len(writes)} checkpoints, the longest {1e3 * max(writes):.1f} ms; "
        f"share {sum(writes) / wall_s:.4f}, at most {max(during):.4f} at any time, bar {SHARE_BAR}"
    )
    assert sum(writes) / wall_s <= SHARE_BAR + writes[-1] / wall_s
    assert max(during[:-1], default=0) <= SHARE_BAR


def test_keeping_a_state_to_go_back_to_takes_a_small_share_of_an_epoch():
    experiment = assemble(resolve({"problem_type": "digits", "warm_up_epochs": 1, "adaptation_epochs": 1}))
    experiment.train(lambda: None)
    epochs = timed(lambda: experiment.trainer._train_epoch(1))
    paired = compare(timed(experiment.grower._recovery.keep), epochs, rounds=30)
    paired.report("keeping a snapshot / an epoch of digits", SNAPSHOT_BAR)
