"""The ``blending`` section of a run's config. Without one, every blend of the run takes the fixed ramp.

Not for: the strategies; those are `kaslite.blending`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from kaslite.blending import ADAPTIVE, STRATEGIES, BlendingConfig, get_strategy
from kaslite.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kaslite.experiment.config import RunConfig

_FIXED_STEPS = "fixed_steps"


class BlendingSection(BaseModel):
    """How seeds blend; the ramp's own length is the run's ``blend_steps``."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    strategy: str = Field(
        ADAPTIVE,
        description=f"{ADAPTIVE}: each blend by its telemetry; or one for all: {', '.join(STRATEGIES)}. Without any setting of "
        "blending it is FIXED_RAMP.",
    )
    high_drift_threshold: float = Field(
        BlendingConfig.high_drift_threshold, description="Drift above which a blend is DRIFT_CONTROLLED."
    )
    low_health_threshold: float = Field(
        BlendingConfig.low_health_threshold, description="Health of its layer below which a blend is PERFORMANCE_LINKED."
    )
    performance_loss_factor: float = Field(
        BlendingConfig.performance_loss_factor,
        description="Validation loss, against that at germination, below which a blend is GRAD_NORM_GATED.",
    )
    grad_norm_lower: float = Field(BlendingConfig.grad_norm_lower, description="The gate opens above this gradient norm.")
    grad_norm_upper: float = Field(BlendingConfig.grad_norm_upper, description="The gate closes at this gradient norm.")
    max_blend_epochs: int | None = Field(
        BlendingConfig.max_blend_epochs,
        description="Epochs after which a blend that is not complete is culled; by default three times the planned duration.",
    )
    tick: Literal["step", "epoch"] = Field("step", description="Whether the ramp ticks with the steps or with the epochs.")


def merged(flags: Any, file: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what flags and config file say of blending, as settings of the run; flags win, setting by setting.

    The documented ``fixed_steps`` is the run's ``blend_steps``.

    Args:
        flags: the section of the flags, if there is one.
        file: that of the file, likewise.
        given: the settings of the run that are given beside it.

    Raises:
        UsageError: if the section is none, or if both names of the ramp's length are given and differ.
    """
    sections = [_as_dict(section) for section in (file, flags) if section is not None]
    if not sections:
        return {}
    section = {name: value for part in sections for name, value in part.items() if value is not None}
    settings: dict[str, Any] = {"blending": section}
    if _FIXED_STEPS in section:
        steps = section.pop(_FIXED_STEPS)
        if given.get("blend_steps", steps) != steps:
            raise UsageError(
                f"blending.fixed_steps is {steps}, and blend_steps {given['blend_steps']}: they are the same; give one of them."
            )
        settings["blend_steps"] = steps
    return settings


def blending_of(config: RunConfig) -> BlendingConfig:
    """Return how seeds of a run blend.

    Raises:
        UsageError: if a setting is out of range, or the strategy unknown.
    """
    if config.blending is None:
        return BlendingConfig(fixed_steps=config.blend_steps, tick="step", strategy="FIXED_RAMP")
    blending = BlendingConfig(fixed_steps=config.blend_steps, **config.blending.model_dump())
    if blending.strategy != ADAPTIVE:
        get_strategy(blending.strategy, blending)
    return blending


def _as_dict(section: Any) -> dict[str, Any]:
    if isinstance(section, BlendingSection):
        return section.model_dump(exclude_unset=True)
    if not isinstance(section, dict):
        raise UsageError(f"blending is {section!r}; it has to be a section of settings, such as 'strategy: {ADAPTIVE}'.")
    return section
