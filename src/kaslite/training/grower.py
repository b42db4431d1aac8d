"""The Grower carries decisions out: it ticks seeds, asks the controller once an epoch, and edits model and optimizer.

    for each step:    forward, backward, optimizer.step()
                      after_step()     shadow training; alpha ticks
    for each epoch:   after_epoch()    observe -> decide -> apply; returns the events

What moves a seed without a decision: GERMINATED to TRAINING (one tick), TRAINING to BLENDING (progress over the
threshold), BLENDING to SHADOWING (ramp complete), and the way of a culled seed back to DORMANT (timers).
Not for: running the loop (`kaslite.training.loop`), or deciding.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, TypedDict

from kaslite import blueprints as catalogue
from kaslite.blending import BlendingConfig, BlendSignals, FixedRampBlending
from kaslite.blending.base import COMPLETE
from kaslite.controllers.base import Advance, Cull, Decision, Fossilize, Germinate, Observation, Wait
from kaslite.errors import RefusedError, UsageError
from kaslite.events import DecisionMade, Event, SeedCulled, SeedFossilized, SeedGerminated
from kaslite.lifecycle import ISOLATED, LIVE, SeedState
from kaslite.seeds.model import SeededModel
from kaslite.seeds.objectives import can_learn, check_objective
from kaslite.seeds.shadow import ShadowTrainer
from kaslite.seeds.surgery import add_parameters, check_can_grow, remove_parameters
from kaslite.training.gates import check_may_advance, check_may_fossilize
from kaslite.training.observing import Observer
from kaslite.training.step_order import StepOrder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch.optim import Optimizer

    from kaslite.controllers.base import Controller
    from kaslite.seeds import Seed
    from kaslite.training.evaluation import Evaluate

EMBARGO_EPOCHS = 5
"""How long the place of a culled seed stays closed."""
ROUNDING = 1e-9
"""A ramp that comes down share by share misses zero by less than this."""
_NAMES: dict[type[Decision], Literal["wait", "germinate", "advance", "fossilize", "cull"]] = {
    Wait: "wait",
    Germinate: "germinate",
    Advance: "advance",
    Fossilize: "fossilize",
    Cull: "cull",
}


def _ignore(event: Event) -> None:
    """Let an event pass unheard."""


class Grower:
    """Grows a model while the caller's loop trains it.

    Args:
        model: the seeded host.
        optimizer: the one that trains the host; grown parameters join it, and leave it, in place.
        controller: decides once an epoch.
        blueprints: names of what may grow, in the order in which controllers should try them.
        rng_seed: newborn modules draw from streams derived from it.
        evaluate: called with nothing, returns the validation losses of the model as it now is, (samples,), or an `Evaluation`;
            without it evidence is unmeasured, and nothing is fossilized.
        shadow_lr: learning rate of seeds in shadow training.
        shadow_objective: what they learn from: ``task``, ``gradient`` or ``reconstruct``.
        progress_thresh: training progress, in [0, 1], at which a seed starts to blend by itself.
        blending: how seeds blend.
        emit: called with each event as it happens.

    Raises:
        UsageError: if a blueprint is unknown, or if the optimizer cannot take new parameters.
    """

    def __init__(
        self,
        model: SeededModel,
        optimizer: Optimizer,
        *,
        controller: Controller,
        blueprints: Sequence[str],
        rng_seed: int = 0,
        evaluate: Evaluate | None = None,
        shadow_lr: float = 1e-3,
        shadow_objective: str = "task",
        progress_thresh: float = 0.6,
        blending: BlendingConfig | None = None,
        emit: Callable[[Event], None] = _ignore,
    ) -> None:
        _check_arguments(model, optimizer, blueprints, shadow_lr, progress_thresh)
        check_objective(shadow_objective)
        self.model = model
        self.optimizer = optimizer
        self.controller = controller
        self.blueprints = tuple(catalogue.get(name) for name in blueprints)
        if not any(can_learn(blueprint, shadow_objective) for blueprint in self.blueprints):
            raise UsageError(
                f"nothing of blueprints= can learn by shadow_objective={shadow_objective!r}, which takes a blueprint with a "
                "child; add 'autoencoder', or take another objective."
            )
        self.rng_seed = rng_seed
        self.shadow_lr = shadow_lr
        self.shadow_objective = shadow_objective
        self.progress_thresh = progress_thresh
        self.blending = blending or BlendingConfig()
        self._strategy = FixedRampBlending(self.blending)
        self._emit = emit
        self._events: list[Event] = []
        # Not empty if the model is a copy, or was pickled, with seeds in training.
        self._trainers = {s.place: self._trainer(s) for s in model.seeds if s.state is SeedState.TRAINING}
        self._order = StepOrder(optimizer, model.watch)
        self._observer = Observer(model, evaluate)
        self.epoch = 0  # the epoch that is running or has just ended; 0 before the first
        self._between_epochs = True

    def after_step(self) -> None:
        """Tick every live seed; call it after ``optimizer.step()``.

        Raises:
            UsageError: between forward and backward pass, where a changed alpha would make the gradients wrong.
        """
        self._order.check()
        self._enter_epoch()
        for seed in self.model.seeds:
            if seed.state is SeedState.DORMANT:  # most seeds, at every step
                continue
            if seed.state is SeedState.TRAINING:
                self._trainers[seed.place].step()
            elif seed.state is SeedState.GERMINATED:
                self._start_training(seed)
            elif self.blending.tick == "step":
                self._tick_ramp(seed)

    def after_epoch(self, **metrics: float) -> list[Event]:
        """Observe, ask the controller, carry its decision out; return the events since the last call.

        Args:
            metrics: ``train_loss``, ``val_loss``, ``val_accuracy``, each optional; what is missing is
                taken from ``evaluate`` if the Grower has it.
        """
        return self.decide(self.observe(**metrics))

    def observe(self, **metrics: float) -> Observation:
        """End the epoch: move what moves by itself, measure, and return what the controller gets to see."""
        self._order.check_epoch()
        self._enter_epoch()
        self._observer.measure(metrics)
        for seed in self.model.seeds:
            if self.blending.tick == "epoch":
                self._tick_ramp(seed)
            if seed.state is SeedState.TRAINING:
                self._check_progress(seed)
            elif seed.state in (SeedState.EMBARGOED, SeedState.RESETTING):
                self._tick_timer(seed)
        self._between_epochs = True
        able = [blueprint for blueprint in self.blueprints if can_learn(blueprint, self.shadow_objective)]
        return self._observer.observation(self.epoch, able)

    def decide(self, observation: Observation) -> list[Event]:
        """Ask the controller, carry its decision out, and return the events since the last call."""
        decision = self.controller.decide(observation)
        if type(decision) not in _NAMES:
            raise UsageError(f"the controller answered {decision!r}; it has to answer with a Decision, such as kaslite.Wait().")
        refusal = None
        try:
            consequences = self._carry_out(decision)
        except RefusedError as error:
            consequences, refusal = [], str(error)
        self._record(_decision_made(decision, observation.epoch, refusal), *consequences)
        return self._take_events()

    def apply(self, decision: Decision) -> list[Event]:
        """Carry out a decision given by hand, and return the events since the last call.

        Raises:
            RefusedError: if a gate refuses it; the model is as it was.
            UsageError: if it names a seed or a blueprint that does not exist or does not fit.
        """
        self._record(*self._carry_out(decision))
        return self._take_events()

    def _carry_out(self, decision: Decision) -> list[Event]:
        if isinstance(decision, Wait):
            return []
        seed = self.model.seed_at(decision.layer, decision.seed)
        match decision:
            case Germinate():
                return self._germinate(seed, decision)
            case Advance():
                check_may_advance(seed)
                if seed.state is SeedState.TRAINING:
                    if not self._trainers[seed.place].is_finite:
                        raise RefusedError("its output is not finite; in the forward pass it would destroy the host.")
                    return self._start_blending(seed, decision.reason)
                seed.record.held_epochs = 0
                return [seed.move(SeedState.PROBATIONARY, epoch=self.epoch, reason=decision.reason)]
            case Fossilize():
                return self._fossilize(seed, decision.reason)
            case Cull():
                return self._cull(seed, decision.reason)

    def _germinate(self, seed: Seed, decision: Germinate) -> list[Event]:
        blueprint = catalogue.get(decision.blueprint)
        shape = seed.shape
        if seed.state is not SeedState.DORMANT:
            raise RefusedError(f"{decision.layer}:{decision.seed} is {seed.state}; only a dormant seed germinates.")
        if shape is None:
            raise UsageError(
                "the shapes of the host's features are unknown: run one eager forward pass first, or give SeededModel "
                "example_input=."
            )
        refusal = blueprint.refusal(shape)
        if refusal is not None:
            raise UsageError(
                f"blueprint {blueprint.name!r} does not grow on the {shape.kind} feature of {decision.layer!r}: {refusal}; "
                f"these do: {', '.join(catalogue.fitting(shape)) or 'none'}."
            )
        beside = next(self.model.parameters_near(seed.layer_name), None)
        if beside is None:
            raise UsageError("the host has no parameters, so a newborn cannot tell which device and dtype to take.")
        seed.germinate(blueprint, shape, beside.detach(), self.rng_seed, self.shadow_objective)
        seed.record.baseline_loss = self._observer.val_loss
        seed.record.baseline_accuracy = self._observer.val_accuracy
        moved = seed.move(SeedState.GERMINATED, epoch=self.epoch, reason=decision.reason)
        return [SeedGerminated(epoch=self.epoch, **_identity(seed), params=_trainable(seed)), moved]

    def _start_training(self, seed: Seed) -> None:
        self._trainers[seed.place] = self._trainer(seed)
        event = seed.move(SeedState.TRAINING, epoch=self.epoch, reason="first tick")
        self.model.update_topology()
        self._record(event)

    def _trainer(self, seed: Seed) -> ShadowTrainer:
        return ShadowTrainer(seed, self.shadow_lr, objective=self.shadow_objective, rng_seed=self.rng_seed)

    def _check_progress(self, seed: Seed) -> None:
        progress = self._trainers[seed.place].read_progress()
        if progress is not None and not math.isfinite(progress):
            self._record(*self._cull(seed, "its output is not finite"))
            return
        seed.record.training_progress = progress
        if progress is not None and progress >= self.progress_thresh:
            self._record(*self._start_blending(seed, f"training progress {progress:.3f} >= {self.progress_thresh}"))

    def _start_blending(self, seed: Seed, reason: str) -> list[Event]:
        event = seed.move(SeedState.BLENDING, epoch=self.epoch, reason=reason)
        del self._trainers[seed.place]
        self.model.update_topology()
        own = {id(parameter) for parameter in seed.parameters() if parameter.requires_grad}
        newborns = [(name, parameter) for name, parameter in self.model.named_parameters() if id(parameter) in own]
        add_parameters(self.optimizer, newborns, self.model.parameters_near(seed.layer_name))
        return [event]

    def _tick_ramp(self, seed: Seed) -> None:
        if seed.state is SeedState.CULLED:
            lower = seed.ramp - 1 / self.blending.fixed_steps
            seed.set_ramp(lower if lower > ROUNDING else 0.0)
            if seed.ramp == 0.0:
                self._record(*self._remove(seed))
        elif seed.ramp < 1 and seed.state in LIVE - ISOLATED:
            seed.set_ramp(self._strategy.update(BlendSignals(ramp=seed.ramp)))
            if seed.state is SeedState.BLENDING and seed.ramp >= COMPLETE:
                self._record(seed.move(SeedState.SHADOWING, epoch=self.epoch, reason="blend completed"))

    def _fossilize(self, seed: Seed, reason: str) -> list[Event]:
        check_may_fossilize(seed, self._observer.val_loss)
        cost = seed.record.removal_cost
        moved = seed.move(SeedState.FOSSILIZED, epoch=self.epoch, reason=reason)
        fossilized = SeedFossilized(
            epoch=self.epoch,
            **_identity(seed),
            improvement=self._observer.improvement(seed),
            params_added=_trainable(seed),
            removal_cost=None if cost is None else cost.mean,
        )
        return [moved, fossilized]

    def _cull(self, seed: Seed, reason: str) -> list[Event]:
        if seed.state not in LIVE:
            raise RefusedError(f"{seed.layer_name}:{seed.index} is {seed.state}; only a live seed can be culled.")
        moved = seed.move(SeedState.CULLED, epoch=self.epoch, reason=reason)
        improvement = self._observer.improvement(seed)
        culled = SeedCulled(epoch=self.epoch, **_identity(seed), reason=reason, improvement=improvement)
        return [moved, culled, *(self._remove(seed) if seed.ramp == 0.0 else [])]

    def _remove(self, seed: Seed) -> list[Event]:
        remove_parameters(self.optimizer, list(seed.parameters()))
        self._trainers.pop(seed.place, None)
        moved = seed.move(SeedState.EMBARGOED, epoch=self.epoch, reason="it has left the forward pass")
        seed.clear()
        seed.record.entered_epoch = self.epoch
        self.model.update_topology()
        return [moved]

    def _tick_timer(self, seed: Seed) -> None:
        if seed.state is SeedState.RESETTING:
            self._record(seed.move(SeedState.DORMANT, epoch=self.epoch, reason="ready again"))
        elif self.epoch - seed.record.entered_epoch >= EMBARGO_EPOCHS:
            self._record(seed.move(SeedState.RESETTING, epoch=self.epoch, reason=f"closed for {EMBARGO_EPOCHS} epochs"))

    def _enter_epoch(self) -> None:
        if self._between_epochs:
            self.epoch += 1
            self._between_epochs = False

    def _record(self, *events: Event) -> None:
        for event in events:
            self._events.append(event)
            self._emit(event)

    def _take_events(self) -> list[Event]:
        events, self._events = self._events, []
        return events


def _check_arguments(
    model: SeededModel, optimizer: Optimizer, blueprints: Sequence[str], shadow_lr: float, progress_thresh: float
) -> None:
    if not isinstance(model, SeededModel):
        raise UsageError(f"the Grower was given a {type(model).__name__}; wrap it first: kaslite.SeededModel(host, at=...).")
    check_can_grow(optimizer)
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    if not any(id(parameter) in held for parameter in model.parameters()):
        raise UsageError("the optimizer holds no parameter of the model; make it from model.parameters().")
    if not blueprints:
        raise UsageError(f"blueprints= is empty, so nothing could ever grow; known are: {', '.join(catalogue.names())}.")
    if not shadow_lr > 0:
        raise UsageError(f"shadow_lr is {shadow_lr}; a learning rate is positive.")
    if not 0 <= progress_thresh <= 1:
        raise UsageError(f"progress_thresh is {progress_thresh}; training progress lies in [0, 1].")


class _Identity(TypedDict):
    layer: str
    seed: int
    blueprint_id: str | None


def _identity(seed: Seed) -> _Identity:
    return {"layer": seed.layer_name, "seed": seed.index, "blueprint_id": seed.blueprint_id}


def _trainable(seed: Seed) -> int:
    return sum(parameter.numel() for parameter in seed.parameters() if parameter.requires_grad)


def _decision_made(decision: Decision, epoch: int, refusal: str | None) -> DecisionMade:
    return DecisionMade(
        epoch=epoch,
        decision=_NAMES[type(decision)],
        reason=decision.reason,
        layer=getattr(decision, "layer", None),
        seed=getattr(decision, "seed", None),
        blueprint_id=getattr(decision, "blueprint", None),
        refusal=refusal,
    )
