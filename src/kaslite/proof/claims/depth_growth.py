"""C1: a language model that grows its depth while it trains, against its final depth from scratch, at equal FLOPs.

One block becomes two after 30 % of the run and four after 60 %, before the learning rate decays; when and where is fixed
beforehand, so nothing of it is paid for a controller. Three budgets, because growing stops paying where compute is plenty.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from kaslite.controllers import Planned
from kaslite.proof.arm import Arm, Claim, Trial
from kaslite.proof.derivations import AT_ONCE, SCHEDULED
from kaslite.proof.finding import Finding
from kaslite.proof.intervals import paired_interval

if TYPE_CHECKING:
    from kaslite.proof.arm import Lane, Scale, Settings, Table

BUDGETS = {"middle": 20, "small": 10, "large": 40}
"""Epochs, of 50 steps, of the final depth from scratch; 20 are 3.0 TFLOP, the budget of the claim."""
DEPTHS = ((0.0, 1), (0.3, 2), (0.6, 4))
"""From which part of the run on there are how many blocks."""
MOST_LOSS_GAP = 0.005

_TASK: Settings = {
    "problem_type": "topics",
    "host": "transformer",
    "n_samples": 5800,
    "train_frac": 0.9,
    "context": 64,
    "hidden_dim": 64,
    "batch_size": 32,
    "lr": 4e-3,  # of 2e-3, 4e-3 and 8e-3 the best from scratch, at the small budget and another rng seed; as good as any grown
    "weight_decay": 0.01,
    "lr_decay": 0.2,
    "warm_up_epochs": 0,
    "controller": "schedule",
    "evidence": "none",
    "keep_checkpoints": 1,
}


def blocks_at(epoch: int, epochs: int) -> int:
    """Return how many blocks there are in an epoch, from 1, of a run of ``epochs``.

    >>> [blocks_at(epoch, 10) for epoch in range(1, 11)]
    [1, 1, 1, 2, 2, 2, 4, 4, 4, 4]
    """
    return max(blocks for part, blocks in DEPTHS if epoch > round(part * epochs))


def _grown(_: Settings, lane: Lane) -> Settings:
    """Derive the schedule, and as many epochs as the final depth from scratch pays for."""
    one, four = _flops_an_epoch(lane)
    cost = {blocks: one + (four - one) * (blocks - 1) / 3 for blocks in (1, 2, 4)}  # all blocks cost the same
    epochs, paid = 1, lane["scratch"].row["train_flops"]
    while sum(cost[blocks_at(epoch, epochs + 1)] for epoch in range(1, epochs + 2)) <= paid:
        epochs += 1
    schedule = [
        str(Planned(round(part * epochs), f"blocks.{block}", 0, "block"))
        for (_, before), (part, after) in pairwise(DEPTHS)
        for block in range(before, after)
    ]
    return {**SCHEDULED, **AT_ONCE, "adaptation_epochs": epochs, "schedule": schedule}


def _longer(_: Settings, lane: Lane) -> Settings:
    """Derive as many epochs of one block as the final depth from scratch pays for."""
    one, _four = _flops_an_epoch(lane)
    return {"adaptation_epochs": max(1, int(lane["scratch"].row["train_flops"] / one))}


def _flops_an_epoch(lane: Lane) -> tuple[float, float]:
    """Return what an epoch of one block costs, and one of all."""
    one, four = (lane[arm].row["train_flops"] / lane[arm].row["epochs"] for arm in ("pilot", "scratch"))
    return one, four


_ARMS = (
    Arm("pilot", "one block for one epoch: tells what it costs", {"num_layers": 1, "adaptation_epochs": 1}),
    Arm("scratch", "four blocks from the first step on", {"num_layers": 4}),
    Arm(
        "grown",
        "1 -> 2 -> 4 blocks at 30 % and 60 % of the run, at the FLOPs of `scratch` or just below",
        {"num_layers": 1, "spare_layers": 3, "blueprints": ("block",)},
        derive=_grown,
    ),
)
_ZEROS = Arm(
    "scratch_zeros",
    "as `scratch`, three of the blocks born as `grown`'s are: they return zeros at first",
    {"num_layers": 1, "spare_layers": 3, **AT_ONCE, "schedule": [f"0 blocks.{block}:0 block" for block in (1, 2, 3)]},
)
_HOST = Arm("host", "one block to the end, at the FLOPs of `scratch` or just below", {"num_layers": 1}, derive=_longer)


def trials(scale: Scale) -> tuple[Trial, ...]:
    """Return one trial for each budget."""
    steps = {"epoch_steps": max(10, round(50 * scale.effort)), "lr_warm_up": max(1, round(100 * scale.effort))}
    return tuple(
        Trial(name, {**_TASK, **steps, "adaptation_epochs": scale.epochs(epochs)}, arms)
        for (name, epochs), arms in zip(BUDGETS.items(), ((*_ARMS, _HOST), (*_ARMS, _HOST, _ZEROS), _ARMS), strict=True)
    )


def judge(table: Table) -> list[Finding]:
    """Compare at each budget, and with a run from scratch that may spend twice as much."""
    gains = {
        name: paired_interval(table.differences(name, "scratch", "grown", "test_loss")) for name in ("middle", "small", "large")
    }
    at_equal = [
        Finding(f"{name} budget: test loss saved at equal FLOPs, nats", gain, decides=name == "middle")
        for name, gain in gains.items()
    ]
    grown, dear = table.column("middle", "grown", "test_loss"), table.column("large", "scratch", "test_loss")
    saved = paired_interval([(dear[seed] - grown[seed]) / dear[seed] for seed in sorted(grown.keys() & dear.keys())])
    spared = "half of the FLOPs (middle grown, large from scratch): part of the test loss saved"
    others = {
        ("middle", "host"): "one block, trained longer",
        ("small", "host"): "one block, trained longer",
        ("small", "scratch_zeros"): "four blocks from scratch that start as grown ones do",
    }
    beside = [
        Finding(
            f"{name} budget: test loss saved against {says}, nats",
            paired_interval(table.differences(name, other, "grown", "test_loss")),
            decides=False,
        )
        for (name, other), says in others.items()
    ]
    return [at_equal[0], Finding(spared, saved, bar=-MOST_LOSS_GAP), *at_equal[1:], *beside]


DEPTH_GROWTH = Claim(
    "C1",
    "A small character transformer that grows its depth beats its final depth from scratch.",
    "at equal FLOPs a lower loss, interval excludes 0; and >= 50 % of the FLOPs saved at <= .5 % more loss",
    trials,
    judge,
)
