"""A claim that is quickly run, for tests of the proof."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kaslite.proof.arm import Arm, Claim, Scale, Table, Trial
from kaslite.proof.finding import Finding
from kaslite.proof.intervals import paired_interval
from kaslite.proof.runner import prove

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TINY: Mapping[str, Any] = {
    "problem_type": "spirals",
    "n_samples": 80,
    "num_layers": 1,
    "hidden_dim": 4,
    "warm_up_epochs": 1,
    "adaptation_epochs": 2,
}
SCALE = Scale("tiny", rng_seeds=range(2))
GROWN = Arm("grown", "it may grow")
STATIC = Arm("static", "it may not", {"acc_threshold": 0.0})


def tiny_claim(*arms: Arm, **settings: Any) -> Claim:
    """Return a claim about some arms on one task."""

    def trials(_: Scale) -> tuple[Trial, ...]:
        return (Trial("spirals", {**TINY, **settings}, arms or (GROWN, STATIC)),)

    def judge(table: Table) -> list[Finding]:
        gain = paired_interval(table.differences("spirals", "grown", "static", "test_accuracy"))
        return [Finding("test accuracy gained", gain)]

    return Claim("X", "it pays", "interval excludes 0", trials, judge)


def prove_tiny(claim: Claim, folder: Path, *, scale: Scale = SCALE, workers: int = 0) -> Table:
    """Run a claim, in this process if nothing else is said."""
    return prove(claim, scale, folder, workers=workers, tell=lambda *_: None)
