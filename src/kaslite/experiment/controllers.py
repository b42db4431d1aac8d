"""Controllers of a run by name, without importing what builds them, so that ``kaslite run --help`` is quick.

Not for: rules of growth; those are `kaslite.controllers`.
"""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kaslite.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kaslite.controllers import Controller, Planned, Plateau, Schedule
    from kaslite.experiment.config import RunConfig
    from kaslite.seeds import SeededModel


@dataclass(frozen=True)
class ControllerKind:
    """A named controller."""

    source: str  # "module:function", called with the settings of the run
    summary: str
    plans: bool = (
        False  # whether it knows beforehand what grows: then it is asked before the first epoch and in the warm-up, too
    )

    def build(self, config: RunConfig) -> Controller:
        """Build the controller of a run."""
        controller: Controller = pkgutil.resolve_name(self.source)(config)
        return controller


CONTROLLERS: dict[str, ControllerKind] = {
    "plateau": ControllerKind("kaslite.experiment.controllers:build_plateau", "grows when the loss has stopped falling"),
    "schedule": ControllerKind(
        "kaslite.experiment.controllers:build_schedule", "grows what is planned beforehand: the setting schedule", plans=True
    ),
}


def build_plateau(config: RunConfig) -> Plateau:
    """Build the controller that waits for plateaus."""
    from kaslite.controllers import Plateau

    return Plateau(
        config.patience,
        config.delta,
        config.acc_threshold,
        shadow_epochs=config.shadow_epochs,
        probation_epochs=config.probation_epochs,
        trial_epochs=config.trial_epochs,
        stop_when_solved=config.stop_when_solved and not config.lr_decay and not config.rewarm_epochs,
    )


def build_schedule(config: RunConfig) -> Schedule:
    """Build the controller that follows a plan."""
    from kaslite.controllers import Schedule

    return Schedule(plan_of(config), shadow_epochs=config.shadow_epochs)


def plan_of(config: RunConfig) -> tuple[Planned, ...]:
    """Return the germinations that are planned beforehand.

    Raises:
        UsageError: if one is not written as it has to be.
    """
    if not config.schedule:
        return ()  # without importing what plans are made of
    from kaslite.controllers import Planned

    return tuple(map(Planned.parse, config.schedule))


def check_controller(config: RunConfig) -> None:
    """Refuse a controller that nobody knows, and a schedule that nobody could follow; layers and blueprints come later.

    Raises:
        UsageError: with the first thing that cannot be.
    """
    if config.controller not in CONTROLLERS:
        raise unknown_name("controller", config.controller, CONTROLLERS)
    if not config.schedule:
        return
    if config.controller != "schedule":
        raise UsageError(
            f"schedule is given, but controller {config.controller} does not read it; leave it out, or take "
            "controller schedule."
        )
    epochs = config.warm_up_epochs + config.adaptation_epochs
    late = next((planned for planned in build_schedule(config).plan if planned.epoch > epochs), None)
    if late is not None:
        raise UsageError(f"schedule {str(late)!r} comes after the run, which has {epochs} epochs.")


def check_places(plan: Sequence[Planned], model: SeededModel, objective: str) -> None:
    """Refuse a plan for seeds that the model has not, or with blueprints that cannot grow there.

    Args:
        plan: what is to germinate.
        model: where; the shapes of its features are known.
        objective: by which seeds learn in the shadow.

    Raises:
        UsageError: with the first that cannot germinate.
    """
    from kaslite.training.gates import check_can_grow_into

    for planned in plan:
        try:
            check_can_grow_into(model.seed_at(planned.layer, planned.seed), planned.blueprint, objective)
        except UsageError as error:
            raise UsageError(f"schedule {str(planned)!r}: {error}") from error
