"""Going back: what happens when the governor says that a run has come apart.

Host, seeds, moments and random streams become what they were at the end of the last healthy epoch; seeds that were blended in,
and not yet proven, are culled at once, because they are the first suspects. Not for: judging; that is `governor`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kaslite.events import Event, GovernorRolledBack, SeedRestored
from kaslite.lifecycle import GROWING, ISOLATED
from kaslite.training.governor import Governor
from kaslite.training.snapshot import Snapshot, is_finite

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch.optim import Optimizer

    from kaslite.seeds import SeededModel
    from kaslite.training.governor import GovernorConfig
    from kaslite.training.transitions import Transitions


class Recovery:
    """Keeps the last healthy state of a run, and goes back to it."""

    def __init__(self, config: GovernorConfig, model: SeededModel, optimizer: Optimizer, transitions: Transitions) -> None:
        self._governor = Governor(config)
        self._model = model
        self._optimizer = optimizer
        self._transitions = transitions
        self._snapshot: Snapshot | None = None
        self.is_healthy = True  # when it was last looked at
        optimizer.register_step_pre_hook(self._before_step)

    def keep(self) -> None:
        """Keep the present state as the one to go back to, if it is healthy."""
        self.is_healthy = self._governor.is_calm and is_finite(self._model)
        if self.is_healthy:
            self._snapshot = Snapshot(self._model, self._optimizer, self._transitions)

    def check(self, train_loss: float | None, val_loss: float | None, health: Mapping[str, float]) -> list[Event]:
        """Judge the epoch that has ended, and go back if it has to be.

        Raises:
            DivergedError: if going back does not help.
        """
        reason = self._governor.judge(train_loss=train_loss, val_loss=val_loss, health=health)
        if reason is None or self._snapshot is None:  # None: no step was ever taken
            return []
        suspects = self._suspects()
        self._snapshot.restore(self._model, self._optimizer, self._transitions)
        self._governor.note_rollback(reason)
        events = [self._rolled_back(reason)]
        # Those of then too: what was culled in the sick epochs does not come back.
        for seed in self._model.seeds:
            if seed.place in suspects | self._suspects() and seed.state in GROWING:
                events += self._transitions.expel(seed, f"the governor went back: {reason}")
        return events

    def state_dict(self) -> dict[str, Any]:
        """Return what the governor remembers; the state to go back to is the one that is loaded beside it."""
        return self._governor.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Remember what another one did; the state to go back to is kept anew."""
        self._governor.load_state_dict(state)
        self._snapshot = None

    def _suspects(self) -> set[tuple[str, int]]:
        return {seed.place for seed in self._model.seeds if seed.state in GROWING - ISOLATED}

    def _before_step(self, *_: Any) -> None:
        if self._snapshot is None and is_finite(self._model):  # the first step of all
            self._snapshot = Snapshot(self._model, self._optimizer, self._transitions)

    def _rolled_back(self, reason: str) -> Event:
        assert self._snapshot is not None, "there was something to go back to"
        return GovernorRolledBack(
            epoch=self._transitions.epoch,
            reason=reason,
            to_epoch=self._snapshot.epoch,
            seeds=tuple(
                SeedRestored(
                    layer=seed.layer_name,
                    seed=seed.index,
                    state=seed.state.value,
                    blueprint_id=seed.blueprint_id,
                    alpha=seed.blend_factor * seed.ramp,
                )
                for seed in self._model.seeds
            ),
        )
