"""Going back: what happens when the governor says that a run has come apart.

Host, seeds, moments and torch's random streams become what they were at the end of the last healthy epoch; seeds that were blended in,
and not yet proven, are culled at once, because they are the first suspects. Not for: judging; that is `governor`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kaslite.events import Event, GovernorRolledBack, SeedRestored
from kaslite.lifecycle import GROWING, ISOLATED, LIVE, SeedState
from kaslite.training.governor import Governor
from kaslite.training.snapshot import Snapshot, is_finite, live_state, live_topology

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch.optim import Optimizer

    from kaslite.seeds import SeededModel
    from kaslite.training.governor import GovernorConfig
    from kaslite.training.transitions import Transitions

_SUSPECT = GROWING - ISOLATED
_CULLED = {SeedState.CULLED, SeedState.EMBARGOED}


class Recovery:
    """Keeps the last healthy state of a run, and goes back to it."""

    def __init__(self, config: GovernorConfig, model: SeededModel, optimizer: Optimizer, transitions: Transitions) -> None:
        self._governor = Governor(config)
        self._model = model
        self._optimizer = optimizer
        self._transitions = transitions
        self._snapshot: Snapshot | None = None
        self._is_outdated = False  # the topology in the snapshot
        self.is_healthy = True  # when it was last looked at
        self._rolled_back_in = -1  # epoch of the last rollback

    def keep(self) -> None:
        """Keep the present state as the one to go back to, if it is healthy."""
        self.is_healthy = self._governor.is_calm and self._take()

    def check(self, train_loss: float | None, val_loss: float | None, health: Mapping[str, float]) -> list[Event]:
        """Judge the epoch that has ended, and go back if it has to be.

        Raises:
            DivergedError: if going back does not help.
        """
        reason = self._governor.judge(train_loss=train_loss, val_loss=val_loss, health=health)
        if reason is None or self._snapshot is None:  # None: no step was ever taken
            return []
        self._update()
        # Those that were culled since are suspects too: what is restored of them must not live on.
        suspects = {seed.place for seed in self._model.seeds if seed.state in _SUSPECT | _CULLED}
        self._snapshot.restore(self._model, self._optimizer, self._transitions)
        self._governor.note_rollback(reason)
        self._rolled_back_in = self._transitions.epoch
        events = [self._rolled_back(reason)]
        for seed in self._model.seeds:
            if seed.state in _SUSPECT or (seed.place in suspects and seed.state in LIVE):
                events += self._transitions.expel(seed, f"the governor went back: {reason}")
        return events

    def state_dict(self) -> dict[str, Any]:
        """Return what the governor remembers; the state to go back to is the one that is loaded beside it."""
        return self._governor.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Remember what another one did; the state to go back to is kept anew."""
        self._governor.load_state_dict(state)
        self._snapshot = None

    def note_decision(self) -> None:
        """Remember that a decision between two epochs has changed the topology.

        It goes into the snapshot before the next step: germinating must not wait for a copy.
        """
        self._is_outdated = True

    def before_step(self) -> None:
        """Keep the very first state, from which the run may have to start again, or what a decision has changed."""
        if self._snapshot is None:
            self._take()
        elif self._is_outdated:
            self._update()

    def _update(self) -> None:
        if self._snapshot is not None and self._is_outdated and self.is_healthy:
            self._snapshot.update_topology(live_topology(self._model, self._optimizer, self._transitions))
        self._is_outdated = False

    def _take(self) -> bool:
        """Take a snapshot if it is finite, and say whether it was."""
        now = self._transitions.epoch
        # In an epoch that was rolled back the host is as it was after an earlier one.
        epoch = self._snapshot.epoch if self._snapshot is not None and now == self._rolled_back_in else now
        state = live_state(self._model, self._optimizer, self._transitions)
        if not is_finite(state):
            return False
        if self._snapshot is None:
            self._snapshot = Snapshot(state, epoch)
        else:
            self._snapshot.renew(state, epoch)
        self._is_outdated = False
        return True

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
