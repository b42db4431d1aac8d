"""Sweeps that are quickly run, for their tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kaslite.sweeps.directory import SweepDirectory
from kaslite.sweeps.plan import PlannedRun, base_settings
from kaslite.sweeps.summary import RunOutcome
from kaslite.sweeps.sweeping import carry_out_sweep, plan_sweep

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kaslite.sweeps.summary import Comparison
    from kaslite.sweeps.sweeping import Executor

TINY: Mapping[str, Any] = {"n_samples": 60, "num_layers": 1, "hidden_dim": 4, "warm_up_epochs": 1, "adaptation_epochs": 2}
UNSTABLE = ("wall_s",)


def written(folder: Path, text: str, name: str = "sweep.yaml") -> Path:
    """Write a sweep file."""
    path = folder / name
    path.write_text(text)
    return path


def begun(source: Path, folder: Path, **flags: Any) -> SweepDirectory:
    """Plan a sweep of tiny runs."""
    return SweepDirectory.create(folder, plan_sweep(source, base_settings({**TINY, **flags})).as_json())


def swept(directory: SweepDirectory, workers: int = 0, executor: Executor = "processes") -> Comparison:
    """Carry a sweep out, in this process if nothing else is said."""
    return carry_out_sweep(directory, workers=workers, tell=lambda *_: None, executor=executor)


def results(comparison: Comparison) -> dict[str, Mapping[str, Any]]:
    """Return what came out of each run, but what it took."""
    return {
        run.planned.name: {name: value for name, value in (run.metrics or {}).items() if name not in UNSTABLE}
        for run in comparison.outcomes
    }


def outcome(number: int, status: str = "completed", **values: Any) -> RunOutcome:
    """Return how a run might have ended: parameters begin with a letter that no metric has."""
    metrics = {name: value for name, value in values.items() if name in {"val_accuracy", "val_loss", "final_params"}}
    parameters = {name: value for name, value in values.items() if name not in metrics}
    planned = PlannedRun(f"run_{number:03d}_00000000", "sweep.yaml", parameters, {**parameters, "rng_seed": 0})
    return RunOutcome(planned, status, metrics if status == "completed" else None, None if status == "completed" else "why")
