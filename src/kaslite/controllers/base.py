"""What a controller sees and what it may answer: frozen records, so that a log can be replayed through any controller.

Not for: carrying decisions out; only `kaslite.training` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kaslite.lifecycle import SeedState
    from kaslite.signals.evidence import Evidence
    from kaslite.signals.interval import Interval


@dataclass(frozen=True)
class SeedObservation:
    """One seed at the end of an epoch; ``None`` = not measured."""

    layer: str
    seed: int
    state: SeedState
    blueprint_id: str | None
    epochs_in_state: int
    held_epochs: int  # epochs in a row in which the evidence spoke surely for it
    alpha: float
    ramp: float
    blend_strategy: str | None  # by which it blends, or blended
    # 1 - cosine between its layer's feature without it and with it, beside the seeds before it; in TRAINING: with all of it
    drift: float | None
    scale_drift: float | None  # log ratio of the norms of these features
    training_progress: float | None  # in [0, 1]
    removal_cost: Interval | None  # validation loss without it minus with it, per sample
    twin_gain: Interval | None  # validation loss of its seedless twin minus the model's, per sample
    evidence: Evidence | None  # whichever of the two decides in this run
    grad_norm: float | None  # of its gradients, at one step of the epoch
    grad_ratio: float | None  # the same against the norm of the host's gradients
    baseline_loss: float | None  # validation loss when it germinated


@dataclass(frozen=True)
class Observation:
    """A run at the end of an epoch; ``None`` = not measured."""

    epoch: int
    train_loss: float | None
    val_loss: float | None
    val_accuracy: float | None
    health: Mapping[str, float | None]  # by layer; low = hardly tells samples apart
    blueprints: Mapping[str, tuple[str, ...]]  # by layer: what can grow there, in the user's order
    seeds: tuple[SeedObservation, ...]  # all seeds, the dormant ones too


@dataclass(frozen=True)
class Wait:
    """Do nothing."""

    reason: str = "by hand"


@dataclass(frozen=True)
class Germinate:
    """Build ``blueprint`` in a dormant seed."""

    layer: str
    seed: int
    blueprint: str
    reason: str = "by hand"


@dataclass(frozen=True)
class Advance:
    """Move a seed on: TRAINING to BLENDING, or SHADOWING to PROBATIONARY."""

    layer: str
    seed: int
    reason: str = "by hand"


@dataclass(frozen=True)
class Fossilize:
    """Commit a probationary seed."""

    layer: str
    seed: int
    reason: str = "by hand"


@dataclass(frozen=True)
class Cull:
    """Reject a live seed; it fades out along its ramp."""

    layer: str
    seed: int
    reason: str = "by hand"


@dataclass(frozen=True)
class Stop:
    """End the training: more of it would bring nothing. Who runs the loop carries it out."""

    reason: str = "by hand"


Decision = Wait | Germinate | Advance | Fossilize | Cull | Stop


class Controller(Protocol):
    """Decides once an epoch."""

    def decide(self, observation: Observation) -> Decision | Sequence[Decision]:
        """Return what to do now; several things are done in their order."""
        ...


@runtime_checkable
class Patient(Protocol):
    """A controller that counts how long learning has been stuck; who watches a run is told."""

    patience: int  # epochs
    plateau_counter: int  # epochs over which the loss has not surely fallen; at ``patience`` it grows something if it can
