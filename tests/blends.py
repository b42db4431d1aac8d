"""Events of blends, written by hand, and the log of a run whose seeds really blend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaslite.events import BlendCompleted, BlendStrategyChosen, GovernorRolledBack, SeedCulled, SeedRestored
from kaslite.experiment.config import resolve
from kaslite.experiment.run import run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kaslite.telemetry import Sink

BLENDING_RUN = {
    "problem_type": "spirals",
    "n_samples": 300,
    "warm_up_epochs": 1,
    "adaptation_epochs": 13,
    "controller": "schedule",
    "schedule": ["0 blocks.0:0 mlp", "2 blocks.1:0 mlp", "11 blocks.2:0 mlp"],
    "shadow_epochs": 1,
    "blend_steps": 20,
    "blending": {"high_drift_threshold": 1.5e-4},
}
"""Settings of a run of a few seconds, with blends by several strategies, of which one is still open at its end."""


def blending_run(results: Path, views: Sequence[Sink] = ()) -> Path:
    """Carry that run out and return its event log."""
    return run(resolve(BLENDING_RUN), results, views).run_dir / "events.jsonl"


def at(place: int = 0) -> dict[str, object]:
    """Return where the seed of a layer sits."""
    return {"epoch": 3, "layer": f"blocks.{place}", "seed": 1, "blueprint_id": "mlp"}


def chosen(place: int = 0, strategy_name: str = "FIXED_RAMP") -> BlendStrategyChosen:
    """Return the beginning of a blend."""
    return BlendStrategyChosen(**at(place), seed_id=(f"blocks.{place}", 1), strategy_name=strategy_name, telemetry={})


def completed(place: int = 0, **changes: object) -> BlendCompleted:
    """Return the good end of a blend of 30 epochs that brought the loss from 1.2 to .8."""
    blend = {
        "strategy_name": "FIXED_RAMP",
        "duration_epochs": 30,
        "initial_loss": 1.2,
        "final_loss": 0.8,
        "initial_drift": 0.02,
        "final_drift": None,
    }
    return BlendCompleted(**at(place), seed_id=(f"blocks.{place}", 1), **blend | changes)


def culled(place: int = 0) -> SeedCulled:
    """Return that a seed was culled."""
    return SeedCulled(**at(place), reason="it does harm", improvement=None)


def rolled_back(**states: str) -> GovernorRolledBack:
    """Return a rollback after which the seeds ``blocks_0=...`` are in these states."""
    seeds = tuple(
        SeedRestored(layer=layer.replace("_", "."), seed=1, state=state, blueprint_id=None, alpha=0.0)
        for layer, state in states.items()
    )
    return GovernorRolledBack(epoch=5, reason="the loss is not finite", to_epoch=4, seeds=seeds)
