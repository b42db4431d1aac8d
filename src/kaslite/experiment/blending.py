"""The ``blending`` section of a run's config. Without one, every blend of the run takes the fixed ramp.

Not for: the strategies; those are `kaslite.blending`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from kaslite.blending import ADAPTIVE, STRATEGIES, BlendingConfig, get_strategy
from kaslite.errors import UsageError, unknown_name

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


def merged(file: Mapping[str, Any], flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a config file and flags say of blending, as settings of the run; flags win, setting by setting.

    The documented ``fixed_steps`` is the run's ``blend_steps``.

    Args:
        file: all settings of the file.
        flags: all flags.

    Raises:
        UsageError: if a section is none or has a setting that there is not, or if one of the two gives the ramp's length under
            both its names, and differently.
    """
    settings: dict[str, Any] = {}
    for given in (file, flags):
        section, steps = given.get("blending"), given.get("blend_steps")
        if section is not None:
            said = _as_dict(section)
            steps = _one_length(said.pop(_FIXED_STEPS, None), steps)
            settings["blending"] = {**settings.get("blending", {}), **said}
        if steps is not None:
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


def _one_length(fixed_steps: Any, blend_steps: Any) -> Any:
    if None not in (fixed_steps, blend_steps) and fixed_steps != blend_steps:
        raise UsageError(
            f"blending.fixed_steps is {fixed_steps}, and blend_steps {blend_steps}: they are the same; give one of them."
        )
    return blend_steps if fixed_steps is None else fixed_steps


def _as_dict(section: Any) -> dict[str, Any]:
    """Return what a section says, without what is null."""
    if isinstance(section, BlendingSection):
        return section.model_dump(exclude_unset=True, exclude_none=True)
    if not isinstance(section, dict):
        raise UsageError(f"blending is {section!r}; it has to be a section of settings, such as 'strategy: {ADAPTIVE}'.")
    known = {*BlendingSection.model_fields, _FIXED_STEPS}
    for name in section:
        if name not in known:
            raise unknown_name("setting of blending", str(name), known)
    return {name: value for name, value in section.items() if value is not None}
