"""The facts of a run, one frozen record each; `Event` is their tagged union.

An event is written once and never changed. Views, sinks and analytics are folds over events, so whatever they
show can be rebuilt from the log. Events are plain data: no tensors, and importing this module does not import torch.

An event log is one JSON object a line (`to_line`, `from_line`): strict JSON, so a number that is not finite becomes
``null``. ``None`` always means "not measured".
"""

from __future__ import annotations

import functools
import hashlib
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class _Fact:
    epoch: int  # the epoch in which it happened, from 1; 0 before the first
    sequence: int = 0  # its place in the run, from 1; 0 until it is numbered
    timestamp: float = field(default_factory=time.time)  # seconds since 1970


@dataclass(frozen=True, kw_only=True)
class _SeedFact(_Fact):
    layer: str  # name of the submodule that the seed writes to
    seed: int  # index of the seed in its layer
    blueprint_id: str | None  # what it grew into; None if nothing yet


@dataclass(frozen=True, kw_only=True)
class GitState:
    """A checkout as a run found it; files that git does not track are not looked at."""

    commit: str | None  # None before the first one
    changes: int  # how many tracked files differ from it
    changed: tuple[str, ...]  # the first hundred of them
    diff_sha256: str | None  # checksum of all differences; None without any, or if git did not say


@dataclass(frozen=True, kw_only=True)
class Submodule:
    """A part of the host."""

    name: str
    kind: str  # its class
    params: int  # of all that is in it


@dataclass(frozen=True, kw_only=True)
class RunStarted(_Fact):
    """First line of every log."""

    type: Literal["run_started"] = "run_started"
    schema_version: int = SCHEMA_VERSION
    run_name: str
    config: dict[str, Any]
    seeds: tuple[tuple[str, int], ...]  # every place where a seed can grow: (layer, seed)
    host_params: int
    num_threads: int
    versions: dict[str, str]
    git: GitState | None = None  # of the folder in which it was started; None: no checkout, or git did not answer
    kaslite_git: GitState | None = None  # likewise of kaslite itself, if it is not an installed package
    data_sha256: str | None = None  # checksum of the three splits, as they were loaded
    host_sha256: str | None = None  # of the trained host that it began with, if there is one
    submodules: tuple[Submodule, ...] = ()  # of the host, each before its own parts; empty: not told

    @property
    def key(self) -> str:
        """What tells this run from every other, also from one of the same name; it stays when the run is resumed or copied."""
        return hashlib.sha256(f"{self.run_name} {self.timestamp!r}".encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class PhaseStarted(_Fact):
    """``phase_1`` is the warm-up, in which nothing grows; ``phase_2`` the adaptation."""

    type: Literal["phase_started"] = "phase_started"
    phase: str
    epochs: int  # planned


@dataclass(frozen=True, kw_only=True)
class SeedReading:
    """What was measured of one live seed at the end of an epoch."""

    layer: str
    seed: int
    state: str
    blueprint_id: str | None
    alpha: float  # its weight in the forward pass
    ramp: float  # progress of its blend, in [0, 1]
    # 1 - cosine between its layer's feature without it and with it, beside the seeds before it; in TRAINING: with all of it
    drift: float | None
    health: float | None  # variance of its layer's feature over the validation samples
    training_progress: float | None  # cosine between its delta and the descent direction, in [0, 1]
    removal_cost: float | None  # mean rise of the validation loss when it is switched off
    scale_drift: float | None = None  # log of the ratio of the norms of these features
    grad_norm: float | None = None  # of the seed's own gradients
    grad_ratio: float | None = None  # norm of the seed's gradients : norm of the host's
    twin_gain: float | None = None  # what it adds to a twin of the network without it
    blend_strategy: str | None = None  # by which it blends, or blended


@dataclass(frozen=True, kw_only=True)
class EpochCompleted(_Fact):
    """One epoch of training and validation."""

    type: Literal["epoch_completed"] = "epoch_completed"
    phase: str
    train_loss: float | None
    val_loss: float | None
    val_accuracy: float | None
    best_accuracy: float | None
    learning_rate: float | None
    epoch_duration_s: float
    seeds: tuple[SeedReading, ...]
    train_flops: int | None = None  # spent on training from the beginning of the run to the end of this epoch


@dataclass(frozen=True, kw_only=True)
class DecisionMade(_Fact):
    """A controller decided, and why; ``refusal`` is the gate's reason where it was not carried out."""

    type: Literal["decision_made"] = "decision_made"
    decision: Literal["wait", "germinate", "advance", "fossilize", "cull", "stop"]
    reason: str
    layer: str | None = None
    seed: int | None = None
    blueprint_id: str | None = None
    refusal: str | None = None
    plateau_counter: int | None = None  # epochs over which the loss has not surely fallen, once this was decided
    patience: int | None = None  # how many of them are a plateau; None, like the counter: the controller counts none


@dataclass(frozen=True, kw_only=True)
class SeedGerminated(_SeedFact):
    """A seed's module was built."""

    type: Literal["seed_germinated"] = "seed_germinated"
    params: int  # trainable


@dataclass(frozen=True, kw_only=True)
class SeedStateChanged(_SeedFact):
    """A seed moved along the table of transitions."""

    type: Literal["seed_state_changed"] = "seed_state_changed"
    from_state: str
    to_state: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class BlendStrategyChosen(_SeedFact):
    """A blend begins; told once a blend, before its ramp first moves."""

    type: Literal["blend_strategy_chosen"] = "blend_strategy_chosen"
    seed_id: tuple[str, int]  # (layer, seed)
    strategy_name: str
    telemetry: dict[str, float | None]  # what it was chosen by: health_signal, drift, baseline_loss, current_loss


@dataclass(frozen=True, kw_only=True)
class BlendCompleted(_SeedFact):
    """A ramp has reached .99: its seed is in. A blend that does not get there ends with `SeedCulled`."""

    type: Literal["blend_completed"] = "blend_completed"
    seed_id: tuple[str, int]  # (layer, seed)
    strategy_name: str
    duration_epochs: int  # that of its first tick and this one included
    initial_loss: float | None  # held-out loss when it began
    final_loss: float | None  # held-out loss now
    initial_drift: float | None  # of the whole seed, when it began
    final_drift: float | None  # of the seed now


@dataclass(frozen=True, kw_only=True)
class DriftWarned(_SeedFact):
    """A seed changed its layer's feature further than a threshold: turned it (cosine), or stretched or shrank it (scale)."""

    type: Literal["drift_warned"] = "drift_warned"
    drift: float
    threshold: float
    measure: Literal["cosine", "scale"] = "cosine"


@dataclass(frozen=True, kw_only=True)
class SeedFossilized(_SeedFact):
    """A seed was committed."""

    type: Literal["seed_fossilized"] = "seed_fossilized"
    improvement: float | None  # validation accuracy since germination, percentage points; never evidence
    params_added: int
    removal_cost: float | None
    twin_gain: float | None = None


@dataclass(frozen=True, kw_only=True)
class SeedCulled(_SeedFact):
    """A seed was rejected."""

    type: Literal["seed_culled"] = "seed_culled"
    reason: str
    improvement: float | None  # as in `SeedFossilized`


@dataclass(frozen=True, kw_only=True)
class SeedRestored:
    """One seed as a rollback left it."""

    layer: str
    seed: int
    state: str
    blueprint_id: str | None
    alpha: float


@dataclass(frozen=True, kw_only=True)
class GovernorRolledBack(_Fact):
    """Training went wrong, and the model was set back to what it was at the end of an earlier epoch."""

    type: Literal["governor_rolled_back"] = "governor_rolled_back"
    reason: str
    to_epoch: int
    seeds: tuple[SeedRestored, ...]  # every seed of the model, as it is now; what is culled after this has events of its own


@dataclass(frozen=True, kw_only=True)
class RunResumed(_Fact):
    """A run that had been cut off went on from the end of ``epoch``; events after that, in the log before this one, are void.

    It bears the ``sequence`` of the last valid event and takes no number of its own, so that all later events have the
    numbers that they would have had without the interruption.
    """

    type: Literal["run_resumed"] = "run_resumed"
    last_sequence: int


@dataclass(frozen=True, kw_only=True)
class RunFinished(_Fact):
    """Last line of the log of a run that was not killed."""

    type: Literal["run_finished"] = "run_finished"
    status: Literal["completed", "interrupted", "failed"]
    metrics: dict[str, float | int | None] | None  # content of metrics.json if completed
    error: str | None = None


Event = (
    RunStarted
    | PhaseStarted
    | EpochCompleted
    | DecisionMade
    | SeedGerminated
    | SeedStateChanged
    | BlendStrategyChosen
    | BlendCompleted
    | DriftWarned
    | SeedFossilized
    | SeedCulled
    | GovernorRolledBack
    | RunResumed
    | RunFinished
)


@functools.cache
def _adapter() -> TypeAdapter[Event]:
    from pydantic import Field, TypeAdapter

    return TypeAdapter(Annotated[Event, Field(discriminator="type")])


_ADAPTERS: dict[type[Event], TypeAdapter[Event]] = {}


def _adapter_of(kind: type[Event]) -> TypeAdapter[Event]:
    """Return what writes one type of event; the union would try them one after the other."""
    from pydantic import TypeAdapter

    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def finite_or_none(value: float | None) -> float | None:
    """Return the number, or ``None`` where it is not one: strict JSON has no word for infinity.

    >>> finite_or_none(float("inf")) is None
    True
    """
    return value if value is not None and math.isfinite(value) else None


def to_line(event: Event) -> str:
    """Return ``event`` as one line of strict JSON, without the line break."""
    return _adapter_of(type(event)).dump_json(event).decode()


def from_line(line: str | bytes) -> Event:
    """Read one line of an event log back; raises ``ValueError`` if it is not an event."""
    return _adapter().validate_json(line)
