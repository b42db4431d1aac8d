"""Which strategy a blend gets: decided once, by the telemetry of the seed as its blend begins.

Not for: how a strategy works, or measuring what it is chosen by.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from kaslite.blending.base import ADAPTIVE

if TYPE_CHECKING:
    from kaslite.blending.base import BlendingConfig


@dataclass(frozen=True)
class BlendTelemetry:
    """What a strategy is chosen by; finite, or ``None`` = not measured."""

    health_signal: float | None = None  # mean variance of the layer's feature: low = hardly tells samples apart
    drift: float | None = None  # 1 - cosine between the feature without the seed and with all of it
    baseline_loss: float | None = None  # validation loss at germination
    current_loss: float | None = None  # the last validation loss


@dataclass(frozen=True)
class Choice:
    """The name of a strategy, and the numbers that it was chosen by."""

    strategy: str
    telemetry: dict[str, float | None]


def choose_strategy(telemetry: BlendTelemetry, cfg: BlendingConfig) -> Choice:
    """Return the strategy for one blend: that of the config, or, if that is `ADAPTIVE`, the one that fits.

    In this order: a seed that turns the feature far, a layer that hardly tells samples apart, a loss that has fallen far since
    germination; else the fixed ramp. What was not measured asks for nothing.

    >>> from kaslite.blending import BlendingConfig
    >>> choose_strategy(BlendTelemetry(drift=0.2, health_signal=0.0), BlendingConfig()).strategy
    'DRIFT_CONTROLLED'
    """
    name = _fitting(telemetry, cfg) if cfg.strategy == ADAPTIVE else cfg.strategy
    return Choice(name, asdict(telemetry))


def _fitting(telemetry: BlendTelemetry, cfg: BlendingConfig) -> str:
    drift, health = telemetry.drift, telemetry.health_signal
    baseline, current = telemetry.baseline_loss, telemetry.current_loss
    if drift is not None and drift > cfg.high_drift_threshold:
        return "DRIFT_CONTROLLED"
    if health is not None and health < cfg.low_health_threshold:
        return "PERFORMANCE_LINKED"
    if baseline is not None and current is not None and current < baseline * cfg.performance_loss_factor:
        return "GRAD_NORM_GATED"
    return "FIXED_RAMP"
