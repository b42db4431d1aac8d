"""Grow, blend and prune modules inside a PyTorch network while it trains.

The names below are the public API; each is imported when it is first used, so that ``import kaslite`` is quick and
``kaslite --help`` loads no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kaslite import blueprints, testing
    from kaslite.blending import (
        STRATEGIES,
        BlendingConfig,
        BlendingStrategy,
        BlendSignals,
        DriftControlledBlending,
        FixedRampBlending,
        GradNormGatedBlending,
        PerformanceLinkedBlending,
        get_strategy,
    )
    from kaslite.blueprints import blueprint
    from kaslite.controllers import Advance, Cull, Decision, Fossilize, Germinate, Observation, Plateau, Stop, Wait
    from kaslite.errors import KasliteError, RefusedError, UsageError
    from kaslite.events import Event
    from kaslite.lifecycle import SeedState
    from kaslite.seeds import SeededModel, Span
    from kaslite.training import Durations, Evaluation, GovernorConfig, Grower, TwinTraining, load, save

__version__ = "0.1.0"

_HOME = {
    "Advance": "kaslite.controllers",
    "BlendSignals": "kaslite.blending",
    "BlendingConfig": "kaslite.blending",
    "BlendingStrategy": "kaslite.blending",
    "Cull": "kaslite.controllers",
    "Decision": "kaslite.controllers",
    "DriftControlledBlending": "kaslite.blending",
    "Durations": "kaslite.training",
    "Evaluation": "kaslite.training",
    "Event": "kaslite.events",
    "FixedRampBlending": "kaslite.blending",
    "Fossilize": "kaslite.controllers",
    "Germinate": "kaslite.controllers",
    "GovernorConfig": "kaslite.training",
    "GradNormGatedBlending": "kaslite.blending",
    "Grower": "kaslite.training",
    "KasliteError": "kaslite.errors",
    "Observation": "kaslite.controllers",
    "PerformanceLinkedBlending": "kaslite.blending",
    "Plateau": "kaslite.controllers",
    "RefusedError": "kaslite.errors",
    "STRATEGIES": "kaslite.blending",
    "SeedState": "kaslite.lifecycle",
    "SeededModel": "kaslite.seeds",
    "Span": "kaslite.seeds",
    "Stop": "kaslite.controllers",
    "TwinTraining": "kaslite.training",
    "UsageError": "kaslite.errors",
    "Wait": "kaslite.controllers",
    "blueprint": "kaslite.blueprints",
    "get_strategy": "kaslite.blending",
    "load": "kaslite.training",
    "save": "kaslite.training",
}

__all__ = [
    "STRATEGIES",
    "Advance",
    "BlendSignals",
    "BlendingConfig",
    "BlendingStrategy",
    "Cull",
    "Decision",
    "DriftControlledBlending",
    "Durations",
    "Evaluation",
    "Event",
    "FixedRampBlending",
    "Fossilize",
    "Germinate",
    "GovernorConfig",
    "GradNormGatedBlending",
    "Grower",
    "KasliteError",
    "Observation",
    "PerformanceLinkedBlending",
    "Plateau",
    "RefusedError",
    "SeedState",
    "SeededModel",
    "Span",
    "Stop",
    "TwinTraining",
    "UsageError",
    "Wait",
    "blueprint",
    "blueprints",
    "get_strategy",
    "load",
    "save",
    "testing",
]


def __getattr__(name: str) -> Any:
    if name in ("blueprints", "testing"):
        return importlib.import_module(f"kaslite.{name}")
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'kaslite' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
