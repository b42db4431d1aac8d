"""What is remembered of a seed from germination on: plain data, so that a checkpoint holds it.

Not for: the seed's place in the network; that is `kaslite.seeds.seed`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kaslite.blending.base import WINDOW

if TYPE_CHECKING:
    from kaslite.signals.evidence import Evidence
    from kaslite.signals.interval import Interval

SAMPLE_TICKS = 10
"""A blend that ticks with the steps is measured at every tenth of them: at each it would cost percents of a small step."""

SAMPLES = 10
"""A short blend is measured more often: as many times as this in its planned duration, or it would be over unseen."""


def sample_ticks(fixed_steps: int) -> int:
    """Return how many ticks of a blend lie between two that are measured.

    Args:
        fixed_steps: planned duration, in ticks.
    """
    return max(1, min(SAMPLE_TICKS, fixed_steps // SAMPLES))


@dataclass
class Blend:
    """One blend of a seed, from the choice of its strategy on; ``None`` = not measured."""

    strategy: str
    initial_loss: float | None  # held-out loss when it began
    initial_drift: float | None  # of the whole seed, when it began
    samples: list[str] = field(default_factory=list)  # signals that are measured between epochs: "drift", "grad_norm"
    sample_ticks: int = SAMPLE_TICKS  # of which one is measured
    start_epoch: int | None = None  # of its first tick
    ticks: int = 0
    drifts: list[float] = field(default_factory=list)  # the last few, newest last
    drift_tick: int = 0  # how many ticks it had had when the newest was measured
    grad_norm: float | None = None  # of its gradients, as it would be at alpha 1; the last that was measured

    def is_sampled(self, signal: str) -> bool:
        """Say whether a signal is measured in the step before the next tick: never before the first, where alpha is 0."""
        return signal in self.samples and (self.ticks == 1 or (self.ticks % self.sample_ticks == 0 and self.ticks > 0))

    def note_drift(self, drift: float | None) -> None:
        """Add a drift to the window, if there is one."""
        if drift is not None:
            self.drifts, self.drift_tick = [*self.drifts, drift][-WINDOW:], self.ticks

    @property
    def has_fresh_drift(self) -> bool:
        """Whether the newest drift is no older than samples are apart: in compiled passes none are taken between epochs."""
        return self.ticks - self.drift_tick <= self.sample_ticks


@dataclass
class SeedRecord:
    """What is remembered of a seed; ``None`` = not measured."""

    entered_epoch: int = 0  # epoch in which it entered its present state
    baseline_loss: float | None = None  # validation loss at germination
    baseline_accuracy: float | None = None  # validation accuracy at germination
    training_progress: float | None = None  # in [0, 1]; of the last epoch
    # 1 - cosine between its layer's feature without it and with it, beside the seeds before it; in TRAINING: with all of it
    drift: float | None = None
    scale_drift: float | None = None  # log of the ratio of the norms of these features
    blend: Blend | None = None  # its blend, also when that is over
    removal_cost: Interval | None = None  # of the last epoch
    twin_gain: Interval | None = None  # of the last epoch
    evidence: Evidence | None = None  # whichever of the two decides
    held_epochs: int = 0  # epochs in a row in which the evidence spoke surely for it
    grad_norm: float | None = None  # of its gradients, at one step of the last epoch
    grad_ratio: float | None = None  # the same against the host's
