"""Going back: what happens when the governor says that a run has come apart.

Host, seeds, moments and torch's random streams become what they were at the end of the last healthy epoch; seeds that were
blended in, and not yet proven, are culled at once: they are the first suspects. Not for: judging; that is `governor`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaslite.events import Event, GovernorRolledBack, SeedCulled, SeedRestored
from kaslite.lifecycle import GROWING, ISOLATED, LIVE, SeedState
from kaslite.training.governor import Governor
from kaslite.training.optimizer_state import optimizer_names
from kaslite.training.snapshot import Snapshot, is_finite, live_state, live_topology, masks_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch.optim import Optimizer

    from kaslite.seeds import Seed, SeededModel
    from kaslite.training.governor import GovernorConfig
    from kaslite.training.state import Tree
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
        self._masks = masks_of(model.host)
        self._snapshot: Snapshot | None = None
        self._judged: Tree | None = None  # the state that was just judged
        self._named: tuple[object, list[list[str]]] = None, []
        self._is_first_step = True
        self._is_outdated = False  # how the seeds are in the snapshot
        self._is_now = False  # whether the snapshot is the present state
        self._rolled_back_in = -1  # epoch of the last rollback
        self._loaded_epoch: int | None = None
        self.is_healthy = True  # when it was last looked at

    def keep(self) -> None:
        """Keep the present state as the one to go back to, if it is healthy."""
        judged, self._judged = self._judged, None
        self.is_healthy = self._governor.is_calm
        if self.is_healthy:
            self._take(self._healthy_epoch(), judged)
            self._is_outdated = False

    def check(self, train_loss: float | None, val_loss: float | None, health: Mapping[str, float]) -> list[Event]:
        """Judge the epoch that has ended, and go back if it has to be; the events tell of it."""
        self._judged = live_state(self._model, self._optimizer, self._transitions, self._names())
        finite = is_finite(self._judged, self._masks)
        reason = self._governor.judge(train_loss=train_loss, val_loss=val_loss, health=health, is_finite=finite)
        if reason is None or self._snapshot is None:  # None: nothing was ever stepped on
            return []
        self._judged = None
        self._update()
        # Those that were culled since are suspects too: what is restored of them must not live on.
        suspects = {seed.place for seed in self._model.seeds if seed.state in _SUSPECT | _CULLED}
        told = {seed.place for seed in self._model.seeds if seed.state in _CULLED}  # as culled, since
        grown = {seed.place: seed.blueprint_id for seed in self._model.seeds if seed.state in LIVE}
        self._snapshot.restore(self._model, self._optimizer, self._transitions)
        self._governor.note_rollback(reason)
        self._rolled_back_in = self._transitions.epoch
        events = [self._rolled_back(reason)]
        why = f"the governor went back: {reason}"
        for seed in self._model.seeds:
            if seed.state in _SUSPECT or (seed.place in suspects and seed.state in LIVE):
                ends = self._transitions.expel(seed, why)
                events += [event for event in ends if not (seed.place in told and isinstance(event, SeedCulled))]
            elif seed.place in grown and seed.state not in LIVE:  # back to before it germinated: that was its end
                events.append(self._undone(seed, grown[seed.place], why))
        return events

    def raise_if_hopeless(self) -> None:
        """Raise `DivergedError` if going back does not help; called when all that a rollback changes is in order."""
        self._governor.raise_if_hopeless()

    def state_dict(self) -> Tree:
        """Return what the governor remembers, and the state to go back to where that is not the present one."""
        kept = None
        if self._snapshot is not None and not self._is_now:
            kept = {"tree": self._snapshot.tree, "streams": self._snapshot.streams}
        return {
            "governor": self._governor.state_dict(),
            "epoch": None if self._snapshot is None else self._snapshot.epoch,
            "rolled_back_in": self._rolled_back_in,
            "is_healthy": self.is_healthy,
            "is_outdated": self._is_outdated,
            "snapshot": kept,
        }

    def load_state_dict(self, state: Tree) -> None:
        """Remember what another one did; a state to go back to that is the present one is taken by `keep_loaded`."""
        self._governor.load_state_dict(state["governor"])
        self._rolled_back_in = state["rolled_back_in"]
        self.is_healthy = state["is_healthy"]
        self._loaded_epoch, self._snapshot, self._is_now = state["epoch"], None, False
        if state["snapshot"] is not None:
            self._snapshot = Snapshot(state["snapshot"]["tree"], state["epoch"])
            self._snapshot.streams = state["snapshot"]["streams"]
        self._is_first_step = state["epoch"] is None
        self._is_outdated = state["is_outdated"]

    def keep_loaded(self) -> None:
        """Take the state that was loaded as the one to go back to, if it was that when it was saved."""
        if self._snapshot is None and self._loaded_epoch is not None:
            self._take(self._loaded_epoch)

    def note_decision(self) -> None:
        """Take that a decision between two epochs has changed how the seeds are."""
        self._is_outdated = True

    def before_step(self) -> None:
        """Take in what changes between two epochs: how the seeds are, or, before the very first step, everything.

        Germinating must not wait for a copy, so a decision does not make one.
        """
        if self._is_first_step:
            self._is_first_step = False
            if self._snapshot is None:
                self._take(self._transitions.epoch)
        if self._is_outdated:
            self._update()
        self._is_now = False

    def _update(self) -> None:
        if self._is_outdated and self._snapshot is not None:
            self._snapshot.update_topology(live_topology(self._model, self._optimizer, self._transitions))
        self._is_outdated = False

    def _names(self) -> list[list[str]]:
        """Return the names of the optimizer's parameters, worked out anew only where some came or went."""
        held = self._model.topology_changes, tuple(len(group["params"]) for group in self._optimizer.param_groups)
        if held != self._named[0]:
            self._named = held, optimizer_names(self._model, self._optimizer)
        return self._named[1]

    def _healthy_epoch(self) -> int:
        """Return the epoch after which the host was as it is: in one that was rolled back, an earlier one."""
        now = self._transitions.epoch
        return self._snapshot.epoch if self._snapshot is not None and now == self._rolled_back_in else now

    def _take(self, epoch: int, state: Tree | None = None) -> None:
        state = state or live_state(self._model, self._optimizer, self._transitions)
        snapshot, self._snapshot = self._snapshot, None  # what is interrupted here must not be gone back to
        if snapshot is None:
            snapshot = Snapshot(state, epoch)
        else:
            snapshot.renew(state, epoch)
        self._snapshot = snapshot
        self._is_now = True

    def _undone(self, seed: Seed, blueprint_id: str | None, reason: str) -> Event:
        return SeedCulled(
            epoch=self._transitions.epoch,
            layer=seed.layer_name,
            seed=seed.index,
            blueprint_id=blueprint_id,
            reason=reason,
            improvement=None,
        )

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
                    alpha=seed.weight,
                )
                for seed in self._model.seeds
            ),
        )
