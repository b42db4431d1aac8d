"""C8: the spirals that an earlier system of this kind ran by default, and ended on below its own host without seeds.

A small host that grows, against that host as it is, trained longer, and born as what it has grown into; and against the
earlier system's own, eight layers of 128. What grown's settings are was chosen with rng seeds 100 to 103.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaslite.proof.arm import Arm, Claim, Trial
from kaslite.proof.derivations import SCHEDULED, final_topology, same_flops
from kaslite.proof.finding import Finding
from kaslite.proof.intervals import paired_interval

if TYPE_CHECKING:
    from kaslite.proof.arm import Scale, Settings, Table

LEAST_ACCURACY = 0.97

_DATA: Settings = {
    "problem_type": "spirals",
    "input_dim": 3,
    "n_samples": 2000,
    "noise": 0.25,
    "rotations": 4.0,
    "batch_size": 64,
    "num_layers": 3,
    "hidden_dim": 32,
    "keep_checkpoints": 1,
}
_GROWING: Settings = {"acc_threshold": 1.0, "delta": 3e-3}
_ARMS = (
    Arm("static", "the host that never grows, its learning rate constant", SCHEDULED),
    Arm("static_decay", "the same, its learning rate falling over the second half", {**SCHEDULED, "lr_decay": 0.5}),
    Arm(
        "static_flops",
        "the same at a constant rate, for as many FLOPs as `grown` spent",
        derive=same_flops("grown", like="static"),
    ),
    Arm("scratch", "what `grown` ended as, from scratch, for as many epochs", derive=final_topology("grown")),
    Arm("scratch_flops", "the same for as many FLOPs as `grown` spent", derive=same_flops("grown", like="scratch")),
    Arm("generation1", "its own host, 8 x 128, without seeds", {**SCHEDULED, "num_layers": 8, "hidden_dim": 128, "lr": 1e-3}),
)


def trials(scale: Scale) -> tuple[Trial, ...]:
    """Return the one trial."""
    durations = {
        "warm_up_epochs": scale.epochs(50),
        "adaptation_epochs": max(8, scale.epochs(200)),
        "shadow_epochs": scale.epochs(5),
        "trial_epochs": max(4, scale.epochs(20)),
    }
    growing = {**_GROWING, "patience": max(3, scale.epochs(6)), "blend_steps": max(1, round(100 * scale.effort))}
    grown = Arm("grown", "the plateau rule decides", growing)
    return (Trial("spirals", {**_DATA, **durations}, (grown, *_ARMS)),)


def judge(table: Table) -> list[Finding]:
    """Hold the validation accuracy after the last epoch against the bar, and against every control."""
    accuracy = paired_interval(list(table.column("spirals", "grown", "val_accuracy").values()))
    return [
        Finding("validation accuracy of `grown`, after the last epoch", accuracy, bar=LEAST_ACCURACY),
        *(_gain(table, arm.name, "validation") for arm in _ARMS),
        *(_gain(table, arm.name, "test", decides=False) for arm in _ARMS),
    ]


def _gain(table: Table, arm: str, split: str, *, decides: bool = True) -> Finding:
    name = {"validation": "val_accuracy", "test": "test_accuracy"}[split]
    gain = paired_interval([100 * gain for gain in table.differences("spirals", "grown", arm, name)])
    return Finding(f"{split} accuracy gained on `{arm}`, points", gain, decides=decides)


GENERATION_ONE = Claim(
    "C8",
    "Generation 1's default run is won.",
    ">= .97 mean validation accuracy, above every control",
    trials,
    judge,
)
