"""Moves of seeds, carried out: each edits model and optimizer together, and returns the events that tell of it.

Not for: deciding on a move, or saying when a tick is due; the Grower does the one with its controller and the other with the
caller's loop.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypedDict

from kaslite import blueprints as catalogue
from kaslite.controllers.base import Advance, Cull, Decision, Fossilize, Germinate, Stop, Wait
from kaslite.errors import RefusedError, UsageError
from kaslite.events import Event, SeedCulled, SeedFossilized, SeedGerminated
from kaslite.lifecycle import ISOLATED, LIVE, SeedState
from kaslite.seeds.reconstruction import unmetered
from kaslite.seeds.shadow import ShadowTrainer
from kaslite.seeds.surgery import add_parameters, forget_moments, remove_parameters
from kaslite.training.blends import Blends
from kaslite.training.gates import check_can_grow_into, check_may_advance, check_may_fossilize

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from kaslite.blending import BlendingConfig
    from kaslite.seeds import Seed, SeededModel
    from kaslite.seeds.reconstruction import Metering
    from kaslite.training.durations import Durations
    from kaslite.training.observing import Observer

ROUNDING = 1e-9
"""A ramp that comes down share by share misses zero by less than this."""


class Transitions:
    """Moves the seeds of one model.

    Args:
        model: the seeded host.
        optimizer: trains the host and the seeds that take part in its forward pass.
        observer: knows the validation loss, which gates and events ask for.
        rng_seed: newborn modules draw from streams derived from it.
        shadow_lr: learning rate of seeds in shadow training.
        shadow_objective: what they learn there.
        progress_thresh: training progress, in [0, 1], at which a seed starts to blend by itself; 0: without any training.
        reset_moments: whether the optimizer forgets its moments when a seed joins it.
        blending: how they blend.
        durations: how long they stay in the states that they leave by time.
    """

    def __init__(
        self,
        model: SeededModel,
        optimizer: Optimizer,
        observer: Observer,
        *,
        rng_seed: int,
        shadow_lr: float,
        shadow_objective: str,
        progress_thresh: float,
        reset_moments: bool,
        blending: BlendingConfig,
        durations: Durations,
    ) -> None:
        self.epoch = 0  # the epoch that is running or has just ended; 0 before the first
        self.blending = blending
        self.metering: Metering = unmetered  # of shadow training beside the caller's passes
        self._model = model
        self._optimizer = optimizer
        self._observer = observer
        self._rng_seed = rng_seed
        self._shadow_lr = shadow_lr
        self._shadow_objective = shadow_objective
        self._progress_thresh = progress_thresh
        self._reset_moments = reset_moments
        self._durations = durations
        self._blends = Blends(blending, observer)
        # Not empty if the model is a copy, or was pickled, with seeds in training.
        self.trainers = {seed.place: self.trainer_of(seed) for seed in model.seeds if seed.state is SeedState.TRAINING}

    def carry_out(self, decision: Decision) -> list[Event]:
        """Carry out a decision, or refuse it and leave everything as it was."""
        if isinstance(decision, Wait | Stop):
            return []
        seed = self._model.seed_at(decision.layer, decision.seed)
        match decision:
            case Germinate():
                return self._germinate(seed, decision)
            case Advance():
                return self._advance(seed, decision.reason)
            case Fossilize():
                return self._fossilize(seed, decision.reason)
            case Cull():
                return self.cull(seed, decision.reason)

    def tick_step(self, seed: Seed) -> list[Event]:
        """Take what is due after an optimizer step: shadow training, or a tick of the ramp."""
        if seed.state is SeedState.TRAINING:
            self.trainers[seed.place].step(self.metering)
        elif seed.state is SeedState.GERMINATED:
            return self._start_training(seed)
        elif self.blending.tick == "step":
            return self._tick_ramp(seed)
        return []

    def tick_epoch(self, seed: Seed) -> list[Event]:
        """Take what is due after an epoch: a tick of the ramp, of a timer, the end of shadow training or of a late blend."""
        if seed.state is SeedState.BLENDING:
            return self._end_blending_epoch(seed)
        events = self._tick_ramp(seed) if self.blending.tick == "epoch" else []
        if seed.state is SeedState.TRAINING:
            return self._check_progress(seed)
        if seed.state in (SeedState.EMBARGOED, SeedState.RESETTING) and not events:
            return self._tick_timer(seed)
        return events

    def cull(self, seed: Seed, reason: str) -> list[Event]:
        """Reject a live seed; it fades out along its ramp."""
        if seed.state not in LIVE:
            raise RefusedError(f"{seed.layer_name}:{seed.index} is {seed.state}; only a live seed can be culled.")
        moved = seed.move(SeedState.CULLED, epoch=self.epoch, reason=reason)
        improvement = self._observer.improvement(seed)
        culled = SeedCulled(epoch=self.epoch, **_identity(seed), reason=reason, improvement=improvement)
        return [moved, culled, *(self._remove(seed) if seed.ramp == 0.0 else [])]

    def expel(self, seed: Seed, reason: str) -> list[Event]:
        """Cull a seed and take it out of the forward pass at once: what it computes cannot be let fade out."""
        seed.set_ramp(0.0)
        return self._remove(seed, reason) if seed.state is SeedState.CULLED else self.cull(seed, reason)

    def trainers_state(self) -> list[dict[str, Any]]:
        """Return the state of every shadow trainer."""
        return [{"place": list(place), "state": trainer.state_dict()} for place, trainer in self.trainers.items()]

    def load_trainers(self, states: list[dict[str, Any]]) -> None:
        """Make trainers anew for the seeds in training, as they were."""
        self.trainers = {}
        for entry in states:
            layer, index = entry["place"]
            trainer = self.trainer_of(self._model.seed_at(layer, index))
            trainer.load_state_dict(entry["state"])
            self.trainers[layer, index] = trainer

    def trainer_of(self, seed: Seed) -> ShadowTrainer:
        """Return a new trainer for a seed in TRAINING."""
        return ShadowTrainer(seed, self._shadow_lr, objective=self._shadow_objective, rng_seed=self._rng_seed)

    def _germinate(self, seed: Seed, decision: Germinate) -> list[Event]:
        catalogue.get(decision.blueprint)  # an unknown name is a mistake in any state
        if seed.state is not SeedState.DORMANT:
            raise RefusedError(f"{decision.layer}:{decision.seed} is {seed.state}; only a dormant seed germinates.")
        blueprint, shape = check_can_grow_into(seed, decision.blueprint, self._shadow_objective)
        beside = next(self._model.parameters_near(seed.layer_name), None)
        if beside is None:
            raise UsageError("the host has no parameters, so a newborn cannot tell which device and dtype to take.")
        seed.germinate(blueprint, shape, beside.detach(), self._rng_seed, self._shadow_objective)
        self._observer.measure_if_never()
        seed.record.baseline_loss = self._observer.val_loss
        seed.record.baseline_accuracy = self._observer.val_accuracy
        moved = seed.move(SeedState.GERMINATED, epoch=self.epoch, reason=decision.reason)
        return [SeedGerminated(epoch=self.epoch, **_identity(seed), params=_trainable(seed)), moved]

    def _start_training(self, seed: Seed) -> list[Event]:
        self.trainers[seed.place] = self.trainer_of(seed)
        event = seed.move(SeedState.TRAINING, epoch=self.epoch, reason="first tick")
        if self._progress_thresh == 0:  # no progress is asked for, so none is waited for
            return [event, *self._start_blending(seed, "progress_thresh is 0")]
        self._model.update_topology()
        return [event]

    def _check_progress(self, seed: Seed) -> list[Event]:
        progress = self.trainers[seed.place].read_progress()
        if progress is not None and not math.isfinite(progress):
            return self.cull(seed, "its output is not finite")
        seed.record.training_progress = progress
        if progress is not None and progress >= self._progress_thresh:
            return self._start_blending(seed, f"training progress {progress:.3f} >= {self._progress_thresh}")
        return []

    def _advance(self, seed: Seed, reason: str) -> list[Event]:
        check_may_advance(seed)
        if seed.state is SeedState.TRAINING:
            if not self.trainers[seed.place].is_finite:
                raise RefusedError("its output is not finite; in the forward pass it would destroy the host.")
            return self._start_blending(seed, reason)
        seed.record.held_epochs = 0
        return [seed.move(SeedState.PROBATIONARY, epoch=self.epoch, reason=reason)]

    def _start_blending(self, seed: Seed, reason: str) -> list[Event]:
        event = seed.move(SeedState.BLENDING, epoch=self.epoch, reason=reason)
        del self.trainers[seed.place]
        self._model.update_topology()
        own = {id(parameter) for parameter in seed.parameters() if parameter.requires_grad}
        newborns = [(name, parameter) for name, parameter in self._model.named_parameters() if id(parameter) in own]
        add_parameters(self._optimizer, newborns, self._model.parameters_near(seed.layer_name))
        if self._reset_moments:
            forget_moments(self._optimizer)
        return [event, self._blends.begin(seed, self.epoch)]

    def _tick_ramp(self, seed: Seed) -> list[Event]:
        if seed.state is SeedState.CULLED:
            lower = seed.ramp - 1 / self.blending.fixed_steps
            seed.set_ramp(lower if lower > ROUNDING else 0.0)
            if seed.ramp == 0.0:
                return self._remove(seed)
        elif seed.state is SeedState.BLENDING:
            return self._tick_blend(seed, epochs_over=self.epoch - 1)
        elif seed.ramp < 1 and seed.state in LIVE - ISOLATED:
            self._blends.finish(seed)
        return []

    def _tick_blend(self, seed: Seed, epochs_over: int) -> list[Event]:
        completed = self._blends.tick(seed, self.epoch)
        if completed is not None:
            return [completed, seed.move(SeedState.SHADOWING, epoch=self.epoch, reason="blend completed")]
        return self._cull_if_overdue(seed, epochs_over)

    def _end_blending_epoch(self, seed: Seed) -> list[Event]:
        self._blends.note_epoch(seed)
        if self.blending.tick == "epoch":
            return self._tick_blend(seed, epochs_over=self.epoch)
        return self._cull_if_overdue(seed, epochs_over=self.epoch)

    def _cull_if_overdue(self, seed: Seed, epochs_over: int) -> list[Event]:
        reason = self._blends.overdue(seed, epochs_over)
        return [] if reason is None else self.cull(seed, reason)

    def _fossilize(self, seed: Seed, reason: str) -> list[Event]:
        check_may_fossilize(seed, self._observer.val_loss, self._durations.probation_epochs)
        cost, gain = seed.record.removal_cost, seed.record.twin_gain
        moved = seed.move(SeedState.FOSSILIZED, epoch=self.epoch, reason=reason)
        fossilized = SeedFossilized(
            epoch=self.epoch,
            **_identity(seed),
            improvement=self._observer.improvement(seed),
            params_added=_trainable(seed),
            removal_cost=None if cost is None else cost.mean,
            twin_gain=None if gain is None else gain.mean,
        )
        return [moved, fossilized]

    def _remove(self, seed: Seed, reason: str = "it has left the forward pass") -> list[Event]:
        remove_parameters(self._optimizer, list(seed.parameters()))
        self.trainers.pop(seed.place, None)
        moved = seed.move(SeedState.EMBARGOED, epoch=self.epoch, reason=reason)
        seed.clear()
        seed.record.entered_epoch = self.epoch
        self._model.update_topology()
        return [moved]

    def _tick_timer(self, seed: Seed) -> list[Event]:
        epochs = self.epoch - seed.record.entered_epoch
        if seed.state is SeedState.RESETTING and epochs >= self._durations.reset_epochs:
            return [seed.move(SeedState.DORMANT, epoch=self.epoch, reason="ready again")]
        closed = self._durations.embargo_epochs
        if seed.state is SeedState.EMBARGOED and epochs >= closed:
            return [seed.move(SeedState.RESETTING, epoch=self.epoch, reason=f"closed for {closed} epochs")]
        return []


class _Identity(TypedDict):
    layer: str
    seed: int
    blueprint_id: str | None


def _identity(seed: Seed) -> _Identity:
    return {"layer": seed.layer_name, "seed": seed.index, "blueprint_id": seed.blueprint_id}


def _trainable(seed: Seed) -> int:
    return sum(parameter.numel() for parameter in seed.parameters() if parameter.requires_grad)
