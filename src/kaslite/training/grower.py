"""The Grower carries decisions out: it ticks seeds, asks the controller once an epoch, and edits model and optimizer.

    for each step:    forward, backward, optimizer.step()      a seed that has gone bad is kept from the host
                      after_step()     shadow training; alpha ticks
    for each epoch:   after_epoch()    observe -> vitals -> decide -> apply; returns the events

What moves a seed without a decision: GERMINATED to TRAINING (one tick), TRAINING to BLENDING (progress over the
threshold), BLENDING to SHADOWING (ramp complete), the way of a culled seed back to DORMANT (timers), a fault of its own, and
the governor. Not for: running the loop (`kaslite.training.loop`), or deciding.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from kaslite.blending import BlendingConfig
from kaslite.controllers.base import Advance, Cull, Decision, Fossilize, Germinate, Observation, Patient, Stop, Wait
from kaslite.errors import RefusedError, StorageError, UsageError
from kaslite.events import DecisionMade, Event
from kaslite.lifecycle import ISOLATED, SeedState
from kaslite.training.arguments import able_blueprints, check_arguments
from kaslite.training.durations import Durations
from kaslite.training.faults import FaultGuard
from kaslite.training.governor import GovernorConfig
from kaslite.training.gradients import GradientNorms
from kaslite.training.observing import Observer
from kaslite.training.optimizer_state import check_optimizer, optimizer_names, put_parameters
from kaslite.training.parts import Stateful, capture_parts, load_parts
from kaslite.training.recovery import Recovery
from kaslite.training.state import Tree, capture_seeds, prepare_seeds, put_seeds
from kaslite.training.step_order import StepOrder
from kaslite.training.transitions import Transitions
from kaslite.training.twin import Twins, TwinTraining

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from torch.optim import Optimizer

    from kaslite.controllers.base import Controller
    from kaslite.seeds.model import SeededModel
    from kaslite.seeds.reconstruction import Metering
    from kaslite.training.evaluation import Evaluate

_NAMES: dict[type[Decision], Literal["wait", "germinate", "advance", "fossilize", "cull", "stop"]] = {
    Wait: "wait",
    Germinate: "germinate",
    Advance: "advance",
    Fossilize: "fossilize",
    Cull: "cull",
    Stop: "stop",
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
        schedulers: learning-rate schedulers, a gradient scaler: whatever has a state that checkpoints have to hold.
        rng_seed: newborn modules draw from streams derived from it.
        evaluate: called with nothing, returns the validation losses of the model as it now is, (samples,), or an `Evaluation`;
            without it evidence is unmeasured, and nothing is fossilized.
        twin: how to train a seedless twin; with it the gain against the twin is the evidence, and not the removal cost.
        weigh: whether seeds are weighed at all: without, no ablation is run, evidence is unmeasured, and nothing is fossilized.
        shadow_lr: learning rate of seeds in shadow training.
        shadow_objective: what a seed learns there: ``task``, ``gradient`` or ``reconstruct``.
        progress_thresh: training progress, in [0, 1], at which a seed starts to blend by itself; 0: at once, untrained.
        reset_moments: whether the optimizer forgets all its moments when a seed joins it: worse, and there for comparison.
        blending: how seeds blend; without it, all of them on the fixed ramp.
        durations: how long they stay in the states that they leave by time.
        governor: when to go back to the last healthy state, of which a copy is kept in main memory; ``None``: never.
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
        schedulers: Iterable[Stateful] = (),
        rng_seed: int = 0,
        evaluate: Evaluate | None = None,
        twin: TwinTraining | None = None,
        weigh: bool = True,
        shadow_lr: float = 1e-3,
        shadow_objective: str = "task",
        progress_thresh: float = 0.6,
        reset_moments: bool = False,
        blending: BlendingConfig | None = None,
        durations: Durations | None = None,
        governor: GovernorConfig | None = GovernorConfig(),  # noqa: B008  frozen
        emit: Callable[[Event], None] = _ignore,
    ) -> None:
        check_arguments(model, optimizer, shadow_lr, progress_thresh)
        self.model = model
        self.optimizer = optimizer
        self.controller = controller
        self.blueprints = able_blueprints(blueprints, shadow_objective)
        self._parts = (controller, *schedulers)
        self._shadow_objective = shadow_objective
        self._emit = emit
        self._events: list[Event] = []
        if evaluate is None and twin is not None:
            evaluate = lambda: twin.evaluate(model)  # noqa: E731
        if twin is not None and not weigh:
            raise UsageError(
                "twin= says how to weigh seeds, and weigh=False that they are not weighed; leave one of the two out."
            )
        self._twins = None if twin is None else Twins(model, optimizer, twin)
        self._observer = Observer(model, evaluate, self._twins, weigh=weigh)
        self._transitions = Transitions(
            model,
            optimizer,
            self._observer,
            rng_seed=rng_seed,
            shadow_lr=shadow_lr,
            shadow_objective=shadow_objective,
            progress_thresh=progress_thresh,
            reset_moments=reset_moments,
            blending=blending or BlendingConfig(strategy="FIXED_RAMP"),
            durations=durations or Durations(),
        )
        self._order = StepOrder(optimizer, model.watch)
        self._recovery = None if governor is None else Recovery(governor, model, optimizer, self._transitions)
        self._guard = FaultGuard(model, optimizer)
        self._norms = GradientNorms(model, optimizer)
        optimizer.register_step_pre_hook(self._before_step)
        self._between_epochs = True
        self._dropped_steps = 0  # of this epoch

    @property
    def epoch(self) -> int:
        """The epoch that is running or has just ended; 0 before the first."""
        return self._transitions.epoch

    @property
    def is_healthy(self) -> bool:
        """Whether the last epoch was: only then is the state worth a checkpoint."""
        return self._recovery is None or self._recovery.is_healthy

    def after_step(self) -> bool:
        """Tick every live seed; call it after ``optimizer.step()``.

        Returns:
            Whether the step counted: ``False`` if it was dropped because a seed had gone bad; its loss says nothing then.

        Raises:
            UsageError: between forward and backward pass, where a changed alpha would make the gradients wrong.
        """
        self._order.check()
        self._enter_epoch()
        dropped = self._expel_faulty() if self.model.live else False
        for seed in self.model.seeds:
            if seed.state is not SeedState.DORMANT:  # most seeds are, at every step
                self._record(*self._transitions.tick_step(seed))
        if self.model.live:
            self._guard.keep_buffers()
        self._dropped_steps += dropped
        return not dropped

    def after_epoch(self, **metrics: float) -> list[Event]:
        """Observe, ask the controller, carry its decision out; return the events since the last call.

        Args:
            metrics: ``train_loss``, ``val_loss``, ``val_accuracy``, each optional; what is missing is
                taken from ``evaluate`` if the Grower has it.

        Raises:
            DivergedError: if training comes apart again and again, though the governor went back each time.
        """
        return self.decide(self.observe(**metrics))

    def observe(self, **metrics: float) -> Observation:
        """End the epoch: measure, move what moves by itself, and return what the controller gets to see."""
        self._order.check_epoch()
        self._enter_epoch()
        if self._twins is not None:
            self._twins.follow()
            self._twins.renew()  # for what germinated in the middle of the epoch, too
        self._norms.read()
        self._observer.measure(metrics)
        self._expel_faulty()
        for seed in self.model.seeds:
            self._record(*self._transitions.tick_epoch(seed))
        self._recover()
        self._between_epochs = True
        self._dropped_steps = 0
        self._guard.keep_buffers()
        if self._recovery is not None:
            self._recovery.keep()
            self._recovery.raise_if_hopeless()
        return self._observer.observation(self.epoch, self.blueprints)

    def begin(self) -> list[Event]:
        """Ask the controller before the first epoch, when nothing is measured yet: for one that has its plan already."""
        return self.decide(self._observer.observation(self.epoch, self.blueprints))

    def decide(self, observation: Observation) -> list[Event]:
        """Ask the controller, carry out what it decides, and return the events since the last call."""
        decisions = _decisions(self.controller.decide(observation))
        patient = self.controller if isinstance(self.controller, Patient) else None
        for decision in decisions:
            refusal = None
            try:
                consequences = self._transitions.carry_out(decision)
            except RefusedError as error:
                consequences, refusal = [], str(error)
            self._settle(consequences)
            self._record(_decision_made(decision, observation.epoch, refusal, patient), *consequences)
        return self._take_events()

    def apply(self, decision: Decision) -> list[Event]:
        """Carry out a decision given by hand, and return the events since the last call.

        Raises:
            RefusedError: if a gate refuses it; the model is as it was.
            UsageError: if it names a seed or a blueprint that does not exist or does not fit.
        """
        consequences = self._transitions.carry_out(decision)
        self._settle(consequences)
        self._record(*consequences)
        return self._take_events()

    def meter_shadow_training(self, metering: Metering) -> None:
        """From now on carry out what seeds learn beside the caller's passes inside ``metering(module, samples)``."""
        self._transitions.metering = metering

    def settle_loaded(self) -> None:
        """Bring what stands beside the model in line with what was loaded into it."""
        self._guard.keep_buffers()
        if self._recovery is not None:
            self._recovery.keep_loaded()

    def state_dict(self) -> Tree:
        """Return all that a fresh Grower of the same settings needs to go on: seeds and their modules, records, controller.

        Not in it: the host's tensors and the optimizer's moments; `kaslite.save` adds them.
        """
        return {
            "epoch": self.epoch,
            "between_epochs": self._between_epochs,
            "seeds": capture_seeds(self.model),
            "parameters": optimizer_names(self.model, self.optimizer),
            "shadow_objective": self._shadow_objective,
            "trainers": self._transitions.trainers_state(),
            "twins": None if self._twins is None else self._twins.state_dict(),
            "observer": self._observer.state_dict(),
            "gradients": self._norms.state_dict(),
            "dropped_steps": self._dropped_steps,
            "parts": capture_parts(self._parts),
            "recovery": None if self._recovery is None else self._recovery.state_dict(),
        }

    def load_state_dict(self, state: Tree) -> None:
        """Go on from another Grower's state: rebuild its seeds in the model, and their places in the optimizer.

        Load the host and the optimizer afterwards, in that order, and then call `settle_loaded`; `kaslite.load` does all of it.

        Raises:
            StorageError: if the state is of another topology or optimizer; then nothing has changed.
        """
        prepared = prepare_seeds(self.model, state["seeds"])
        check_optimizer(self.model, self.optimizer, state["parameters"])
        self._check_settings(state)
        load_parts(self._parts, state["parts"])
        put_seeds(self.model, prepared)
        put_parameters(self.model, self.optimizer, state["parameters"])
        self._transitions.epoch = state["epoch"]
        self._between_epochs = state["between_epochs"]
        self._dropped_steps = state["dropped_steps"]
        self._transitions.load_trainers(state["trainers"])
        if self._twins is not None:
            self._twins.load_state_dict(state["twins"])
        self._observer.load_state_dict(state["observer"])
        self._norms.load_state_dict(state["gradients"])
        if self._recovery is not None and state["recovery"] is not None:
            self._recovery.load_state_dict(state["recovery"])

    def _check_settings(self, state: Tree) -> None:
        """Refuse the state of a Grower that was made otherwise."""
        settings = {
            "shadow_objective": [state["shadow_objective"], self._shadow_objective],
            "twin": [state["twins"] is not None, self._twins is not None],
        }
        for name, (there, here) in settings.items():
            if there != here:
                raise StorageError(f"its Grower was made with another {name}=: {there!r} there, and {here!r} here.")

    def _recover(self) -> None:
        """Go back if the epoch was sick."""
        observer, events = self._observer, []
        if self._recovery is not None:
            train_loss = observer.train_loss
            if self._dropped_steps and train_loss is not None and not math.isfinite(train_loss):
                train_loss = None  # the mean of a loop that counted a dropped step
            events = self._recovery.check(train_loss, observer.val_loss, observer.health)
            self._record(*events)
        if self._twins is not None:
            if events:
                self._twins.clear()  # the host is not the one that they were forked from any more
            self._twins.renew()

    def _settle(self, consequences: list[Event]) -> None:
        """Bring what stands beside the model in line with what a decision changed."""
        if consequences:
            self._guard.keep_buffers()
        if not (consequences and self._between_epochs):
            return
        if self._recovery is not None:
            self._recovery.note_decision()
        if self._twins is not None:
            self._twins.renew()

    def _before_step(self, *_: Any) -> None:
        if self._recovery is not None:
            self._recovery.before_step()
        if self.model.live:
            self._guard.before_step()
            self._norms.before_step()

    def _expel_faulty(self) -> bool:
        """Take seeds that have gone bad out at once, and say whether one was in the forward pass: then the step was dropped."""
        faults = self._guard.take_faults()
        dropped = any(seed.state not in ISOLATED for seed, _ in faults)
        for seed, reason in faults:
            self._record(*self._transitions.expel(seed, reason))
        return dropped

    def _enter_epoch(self) -> None:
        if self._between_epochs:
            self._transitions.epoch += 1
            self._between_epochs = False

    def _record(self, *events: Event) -> None:
        for event in events:
            self._events.append(event)
            self._emit(event)

    def _take_events(self) -> list[Event]:
        events, self._events = self._events, []
        return events


def _decisions(answer: Decision | Sequence[Decision]) -> list[Decision]:
    """Return what a controller answered as a list; nothing of it is carried out if one of them is no decision."""
    decisions: list[Any] = list(answer) if isinstance(answer, list | tuple) and answer else [answer]
    if any(type(decision) not in _NAMES for decision in decisions):
        raise UsageError(f"the controller answered {answer!r}; it has to answer with a Decision, such as kaslite.Wait().")
    return decisions


def _decision_made(decision: Decision, epoch: int, refusal: str | None, patient: Patient | None) -> DecisionMade:
    return DecisionMade(
        epoch=epoch,
        decision=_NAMES[type(decision)],
        reason=decision.reason,
        layer=getattr(decision, "layer", None),
        seed=getattr(decision, "seed", None),
        blueprint_id=getattr(decision, "blueprint", None),
        refusal=refusal,
        plateau_counter=None if patient is None else patient.plateau_counter,
        patience=None if patient is None else patient.patience,
    )
