"""What every blending strategy is given, and what it owes.

A strategy maps the signals of one seed to the next value of its ramp: in [0, 1], never lower than it was.
Not for: ending a blend, which the Grower does when the ramp reaches `COMPLETE`, or when the blend takes too long.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

from kaslite.errors import UsageError

COMPLETE = 0.99
"""A blend is complete at this ramp; the last hundredth is ticked while the seed is already shadowing."""

ADAPTIVE = "ADAPTIVE"
"""In place of a strategy's name: each blend gets the strategy that its telemetry asks for; see `kaslite.blending.selection`."""

WINDOW = 5
"""How many of the last drifts a seed remembers."""

PATIENCE = 3
"""A blend may take this many times its planned duration, unless ``max_blend_epochs`` says otherwise."""


@dataclass(frozen=True)
class BlendingConfig:
    """Settings of a blend.

    >>> BlendingConfig(grad_norm_lower=2.0)
    Traceback (most recent call last):
        ...
    kaslite.errors.UsageError: grad_norm_lower is 2.0 and grad_norm_upper 1.0; the lower bound has to be below the upper one.
    """

    fixed_steps: int = 30  # ticks from 0 to 1 on the fixed ramp
    high_drift_threshold: float = 0.12  # drift (1 - cosine) above which a blend is controlled by it
    low_health_threshold: float = 1e-3  # health (variance of the layer's feature) below which the loss decides
    performance_loss_factor: float = 0.8  # loss now : loss at germination, below which the gradient is the gate
    grad_norm_lower: float = 0.1  # the gate is open strictly between these norms of the seed's gradients
    grad_norm_upper: float = 1.0
    max_blend_epochs: int | None = None  # after which a blend that is not complete is culled; None: 3 * fixed_steps ticks
    tick: Literal["step", "epoch"] = "epoch"  # what a tick is: an optimizer step, or an epoch
    strategy: str = ADAPTIVE  # or the name of the one strategy for every blend

    def __post_init__(self) -> None:
        """Refuse what could never work."""
        if not isinstance(self.strategy, str):
            raise UsageError(f"strategy is {self.strategy!r}; it has to be the name of a strategy, or {ADAPTIVE}.")
        if self.tick not in ("step", "epoch"):
            raise UsageError(f"tick is {self.tick!r}; a tick is a 'step' or an 'epoch'.")
        if not _is_count(self.fixed_steps):
            raise UsageError(f"fixed_steps is {self.fixed_steps!r}; a blend needs at least 1 tick, in whole numbers.")
        if self.max_blend_epochs is not None and not _is_count(self.max_blend_epochs):
            raise UsageError(
                f"max_blend_epochs is {self.max_blend_epochs!r}; a blend needs at least 1 epoch, in whole numbers."
            )
        for name in (
            "high_drift_threshold",
            "low_health_threshold",
            "performance_loss_factor",
            "grad_norm_lower",
            "grad_norm_upper",
        ):
            value = getattr(self, name)
            if type(value) not in (int, float) or not (math.isfinite(value) and value >= 0):
                raise UsageError(f"{name} is {value!r}; it has to be a number, 0 or more.")
        if not self.grad_norm_lower < self.grad_norm_upper:
            raise UsageError(
                f"grad_norm_lower is {self.grad_norm_lower} and grad_norm_upper {self.grad_norm_upper}; "
                "the lower bound has to be below the upper one."
            )

    def overdue(self, *, ticks: int, epochs: int) -> str | None:
        """Say that a blend has taken too long, if it has.

        Args:
            ticks: it has had.
            epochs: that are over since its first tick, that of the first tick included.
        """
        if self.max_blend_epochs is not None:
            return f"{epochs} epochs (max_blend_epochs)" if epochs >= self.max_blend_epochs else None
        most = PATIENCE * self.fixed_steps
        return f"{ticks} ticks, {PATIENCE} times the {self.fixed_steps} planned" if ticks >= most else None


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 1


class BlendSignals(NamedTuple):  # made at every tick: a frozen dataclass takes six times as long
    """What a strategy may look at; ``None`` = not measured."""

    ramp: float  # where the seed's ramp stands, in [0, 1]
    initial_loss: float | None = None  # held-out loss when the blend began
    current_loss: float | None = None  # the last held-out loss
    drifts: tuple[float, ...] = ()  # 1 - cosine between its layer's feature without the seed and with it; newest last
    grad_norm: float | None = None  # of the seed's gradients over its alpha: as it would be at alpha 1


Signal = Literal["loss", "drift", "grad_norm"]


class BlendingStrategy(ABC):
    """Decides how far a ramp rises at one tick.

    ``reads`` names the signals that `update` looks at: between two epochs only those are measured.
    """

    reads: ClassVar[frozenset[Signal]] = frozenset({"loss", "drift", "grad_norm"})

    def __init__(self, cfg: BlendingConfig) -> None:
        self.cfg = cfg

    @abstractmethod
    def update(self, signals: BlendSignals) -> float:
        """Return the next value of the ramp, in [``signals.ramp``, 1]."""
