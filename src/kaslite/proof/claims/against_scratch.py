"""C3: a network that grows, against what it has grown into, trained from scratch.

Beside these two stand the controls of the whole project: the host that never grows, growth at random and at regular times,
the same schedule without its controller, that schedule without one of the mechanics, and a sweep of static widths.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaslite.proof.arm import Arm, Claim, Trial
from kaslite.proof.derivations import (
    AT_ONCE,
    SCHEDULED,
    final_topology,
    periodic_growth,
    random_growth,
    replay,
    rewarmed,
    same_flops,
    spent,
)
from kaslite.proof.finding import Finding
from kaslite.proof.intervals import paired_interval

if TYPE_CHECKING:
    from kaslite.proof.arm import Scale, Settings, Table

WIDTHS = (8, 16, 32, 64)
"""The grid of the static sweep, fixed before any run."""

TASKS: dict[str, Settings] = {
    "digits": {"problem_type": "digits", "hidden_dim": 12},
    "spirals": {"problem_type": "spirals", "hidden_dim": 8, "rotations": 2.0},
}
"""Hosts that are too small for their tasks, so that there is something to grow for."""
EPOCHS = {"digits": 60, "spirals": 150}
"""After the warm-up."""
_SHARED: Settings = {"keep_checkpoints": 1, "shadow_lr": 1e-2}

_CONTROLS = (
    Arm("static", "the host that never grows", SCHEDULED),
    Arm("scratch", "what `grown` ended as, from scratch, for as many epochs", derive=final_topology("grown")),
    Arm("scratch_flops", "the same for as many FLOPs as `grown` spent in all", derive=same_flops("grown", like="scratch")),
    Arm("random", "as many germinations as `grown`, at random", derive=random_growth("grown")),
    Arm("periodic", "as many germinations as `grown`, evenly spread, in turn", derive=periodic_growth("grown")),
    Arm("replay", "the seeds that `grown` kept, at the same epochs, no controller", derive=replay("grown")),
    Arm("no_shadow", "`replay` without shadow training", {"progress_thresh": 0.0}, derive=replay("grown")),
    Arm("no_ramp", "`replay` without a ramp", {"blend_steps": 1}, derive=replay("grown")),
    Arm("neither", "`replay` without either", AT_ONCE, derive=replay("grown")),
    Arm(
        "reset_moments", "`replay`, the optimizer's moments forgotten at each growth", {"reset_moments": True}, replay("grown")
    ),
    Arm(
        "rewarmed",
        "the host that never grows; its rate rises first and where `grown` germinated",
        derive=rewarmed("grown", 50),
    ),
)


def trials(scale: Scale) -> tuple[Trial, ...]:
    """Return a trial for each task."""
    sweep = tuple(
        Arm(f"width_{width}", f"a static network of width {width}", {**SCHEDULED, "hidden_dim": width})
        for width in (WIDTHS[:1] if scale.effort < 1 else WIDTHS)
    )
    grown = Arm("grown", "the plateau rule decides")
    return tuple(
        Trial(name, {**_SHARED, **settings, **_durations(scale, EPOCHS[name])}, (grown, *_CONTROLS, *sweep))
        for name, settings in TASKS.items()
    )


def _durations(scale: Scale, epochs: int) -> Settings:
    return {
        "warm_up_epochs": scale.epochs(20),
        "adaptation_epochs": max(8, scale.epochs(epochs)),
        "patience": max(3, scale.epochs(8)),
        "shadow_epochs": scale.epochs(5),
        "trial_epochs": max(4, scale.epochs(20)),
        "blend_steps": max(1, round(100 * scale.effort)),
    }


def judge(table: Table) -> list[Finding]:
    """Compare the accuracy with both networks from scratch, and the price with the one that has as many epochs."""
    findings = []
    for task in table.trials:
        for other, budget in (("scratch_flops", "FLOPs"), ("scratch", "epochs")):
            gain = paired_interval([100 * gain for gain in table.differences(task, "grown", other, "test_accuracy")])
            findings.append(Finding(f"{task}: test accuracy gained on scratch at equal {budget}, points", gain))
        ours = {row["rng_seed"]: spent(row) for row in table.rows if row["trial"] == task and row["arm"] == "grown"}
        theirs = table.column(task, "scratch", "train_flops")
        saved = paired_interval([1 - ours[seed] / theirs[seed] for seed in sorted(ours.keys() & theirs.keys())])
        findings.append(Finding(f"{task}: part of the FLOPs of scratch at equal epochs that is saved", saved))
    return findings + [_beside(table, task, *pair) for task in table.trials for pair in _PAIRS]


_PAIRS = (
    ("grown", "static", "the plateau rule against never growing"),
    ("grown", "random", "the plateau rule against growing at random (which keeps all that it grows)"),
    ("grown", "periodic", "the plateau rule against growing in turn (likewise)"),
    ("grown", "replay", "the plateau rule against its own schedule, without what it tried in vain"),
    ("replay", "scratch", "growing at that time against all at the start"),
    ("replay", "no_shadow", "shadow training"),
    ("replay", "no_ramp", "a ramp"),
    ("replay", "neither", "both"),
    ("replay", "reset_moments", "keeping the moments"),
    ("static", "rewarmed", "not rewarming the rate of a host that never grows"),
)


def _beside(table: Table, task: str, arm: str, other: str, says: str) -> Finding:
    gain = paired_interval(table.differences(task, other, arm, "test_loss"))
    return Finding(f"{task}: {says}: test loss saved, nats", gain, decides=False)


AGAINST_SCRATCH = Claim(
    "C3",
    "A network that grows beats what it has grown into, trained from scratch.",
    "a higher accuracy at fewer FLOPs, intervals exclude 0, on digits and on spirals",
    trials,
    judge,
)
