"""What a Grower may be given: refused here, with the remedy, before anything is touched.

Not for: decisions about seeds; those meet the gates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaslite import blueprints as catalogue
from kaslite.errors import UsageError
from kaslite.seeds.model import SeededModel
from kaslite.seeds.objectives import can_learn, check_objective
from kaslite.seeds.surgery import check_can_grow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch.optim import Optimizer

    from kaslite.blueprints import Blueprint


def able_blueprints(names: Sequence[str], objective: str) -> tuple[Blueprint, ...]:
    """Return those of the named blueprints that can learn by the shadow objective."""
    if not names:
        raise UsageError(f"blueprints= is empty, so nothing could ever grow; known are: {', '.join(catalogue.names())}.")
    check_objective(objective)
    able = tuple(blueprint for blueprint in map(catalogue.get, names) if can_learn(blueprint, objective))
    if not able:
        raise UsageError(
            f"nothing of blueprints= can learn by shadow_objective={objective!r}, which takes a blueprint with a child; "
            "add 'autoencoder', or take another objective."
        )
    return able


def check_arguments(model: SeededModel, optimizer: Optimizer, shadow_lr: float, progress_thresh: float) -> None:
    """Refuse what no Grower could work with; arguments as those of the Grower.

    Raises:
        UsageError: with the first that does not do.
    """
    if not isinstance(model, SeededModel):
        raise UsageError(f"the Grower was given a {type(model).__name__}; wrap it first: kaslite.SeededModel(host, at=...).")
    check_can_grow(optimizer)
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    if not any(id(parameter) in held for parameter in model.parameters()):
        raise UsageError("the optimizer holds no parameter of the model; make it from model.parameters().")
    if not shadow_lr > 0:
        raise UsageError(f"shadow_lr is {shadow_lr}; a learning rate is positive.")
    if not 0 <= progress_thresh <= 1:
        raise UsageError(f"progress_thresh is {progress_thresh}; training progress lies in [0, 1].")
