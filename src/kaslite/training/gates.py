"""The gates: they can refuse a decision, with the reason, and never move a seed by themselves.

Deltas since germination never let anything pass: the host improves by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaslite import blueprints as catalogue
from kaslite.errors import RefusedError, UsageError
from kaslite.lifecycle import SeedState
from kaslite.seeds.objectives import check_can_learn

if TYPE_CHECKING:
    from kaslite.blueprints import Blueprint, SeedShape
    from kaslite.seeds import Seed


def check_can_grow_into(seed: Seed, name: str, objective: str) -> tuple[Blueprint, SeedShape]:
    """Return a blueprint and the shape that a seed would grow it for.

    Args:
        seed: the seed, in any state.
        name: of the blueprint.
        objective: by which it would learn in the shadow.

    Raises:
        UsageError: if there is no such blueprint, or if it does not grow there or cannot learn by the objective.
    """
    blueprint, shape = catalogue.get(name), seed.shape
    if shape is None:
        raise UsageError(
            "the shapes of the host's features are unknown: run one eager forward pass first, or give SeededModel "
            "example_input=."
        )
    refusal = blueprint.refusal(shape)
    if refusal is not None:
        raise UsageError(
            f"blueprint {blueprint.name!r} does not grow on the {shape.kind} feature of {seed.layer_name!r}: {refusal}; "
            f"these do: {', '.join(catalogue.fitting(shape)) or 'none'}."
        )
    check_can_learn(blueprint, shape, objective)
    return blueprint, shape


def check_may_advance(seed: Seed) -> None:
    """Refuse to move a seed on that is neither training nor proven."""
    if seed.state is SeedState.SHADOWING:
        _check_proven(seed)
    elif seed.state is not SeedState.TRAINING:
        raise RefusedError(f"a {seed.state} seed moves on by itself or by another decision; TRAINING and SHADOWING advance.")


def check_may_fossilize(seed: Seed, val_loss: float | None, probation_epochs: int) -> None:
    """Refuse to commit a seed that is not on probation, that is not proven, or with which the run got worse.

    Args:
        seed: the seed.
        val_loss: of the last epoch.
        probation_epochs: epochs in a row that its evidence has to have held.
    """
    if seed.state is not SeedState.PROBATIONARY:
        raise RefusedError(f"a {seed.state} seed cannot be fossilized; it has to be probationary.")
    _check_proven(seed)
    record = seed.record
    if record.held_epochs < probation_epochs:
        raise RefusedError(f"its evidence held for {record.held_epochs} epochs in a row; {probation_epochs} are needed.")
    if val_loss is None or record.baseline_loss is None:
        raise RefusedError("the validation loss, now or at germination, is unmeasured.")
    if not val_loss <= record.baseline_loss:  # so that a loss that is not a number does not pass
        raise RefusedError(f"validation loss {val_loss:.4f} is above the {record.baseline_loss:.4f} at germination.")


def _check_proven(seed: Seed) -> None:
    evidence = seed.record.evidence
    if evidence is None:
        raise RefusedError(
            "its worth is unmeasured: it is measured at the end of an epoch, if the Grower has evaluate=, which returns "
            "per-sample losses, and not weigh=False (a run: evidence 'none')."
        )
    if not evidence.proves:
        raise RefusedError(f"it is not surely missed: {evidence}.")
