"""`Plateau` (code name: KasminaMicro): grow when the validation loss has stopped falling, keep what earns its place.

The documented rule (patience, delta, accuracy threshold, lowest health first), judged by the slope of the loss over the
patience window. One seed grows at a time, so that what is measured belongs to it.
Not for: choosing among the seeds of one layer by their history.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any, final

from kaslite.controllers.base import (
    Advance,
    Cull,
    Decision,
    Fossilize,
    Germinate,
    Observation,
    SeedObservation,
    Stop,
    Wait,
)
from kaslite.errors import UsageError
from kaslite.lifecycle import GROWING, SeedState
from kaslite.signals.plateau import is_plateau

if TYPE_CHECKING:
    from collections.abc import Mapping


@final
class Plateau:
    """Grows one seed at a time, on plateaus.

    Args:
        patience: epochs over which the slope of the validation loss is judged; at least 3.
        delta: the fall of the loss an epoch that still counts as progress.
        acc_threshold: grow nothing once the validation accuracy has reached this.
        shadow_epochs: a seed that trains longer than this in the shadow blends if it points downhill, and goes if not.
        probation_epochs: epochs in a row that the evidence has to hold; the gate asks for at least 3.
        trial_epochs: a seed that stays unproven for this many epochs goes.
        stop_when_solved: whether to stop once the accuracy has reached its threshold, no seed is on its way in or out, and the
            loss has stopped falling: all that could follow are ever smaller steps.

    >>> Plateau(patience=2)
    Traceback (most recent call last):
        ...
    kaslite.errors.UsageError: patience is 2; a slope needs at least 3 epochs.
    """

    def __init__(
        self,
        patience: int = 15,
        delta: float = 1e-4,
        acc_threshold: float = 0.95,
        *,
        shadow_epochs: int = 5,
        probation_epochs: int = 3,
        trial_epochs: int = 20,
        stop_when_solved: bool = False,
    ) -> None:
        if patience < 3:
            raise UsageError(f"patience is {patience}; a slope needs at least 3 epochs.")
        if not (0 <= acc_threshold <= 1 and delta >= 0):
            raise UsageError(
                f"acc_threshold is {acc_threshold} and delta {delta}; one lies in [0, 1], the other is not negative."
            )
        self.patience = patience
        self.delta = delta
        self.acc_threshold = acc_threshold
        self.shadow_epochs = shadow_epochs
        self.probation_epochs = probation_epochs
        self.trial_epochs = trial_epochs
        self.stop_when_solved = stop_when_solved
        self.plateau_counter = 0  # epochs in the window if the loss did not surely fall over them, else 0
        self._losses: deque[float] = deque(maxlen=patience)  # since the last seed was settled
        self._germinations = 0

    def state_dict(self) -> dict[str, Any]:
        """Return what it remembers."""
        return {"losses": list(self._losses), "germinations": self._germinations}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Remember what another one did."""
        self._losses = deque(state["losses"], maxlen=self.patience)
        self._germinations = state["germinations"]

    def decide(self, observation: Observation) -> Decision:
        """Settle the seed that is growing, or else see whether it is time for the next one."""
        self.plateau_counter = 0
        growing = [seed for seed in observation.seeds if seed.state in GROWING]
        if growing:
            self._losses.clear()
            return self._settle(growing[0], observation.val_loss)
        return self._grow(observation)

    def _settle(self, seed: SeedObservation, val_loss: float | None) -> Decision:
        if seed.state is SeedState.TRAINING and seed.epochs_in_state >= self.shadow_epochs:
            return self._end_training(seed)
        if seed.state in (SeedState.SHADOWING, SeedState.PROBATIONARY):
            return self._judge(seed, val_loss)
        return Wait(f"{seed.layer}:{seed.seed} is {seed.state}")

    def _end_training(self, seed: SeedObservation) -> Decision:
        place, progress = (seed.layer, seed.seed), seed.training_progress
        epochs = f"{seed.epochs_in_state} epochs in the shadow"
        if progress is None:
            return Cull(*place, reason=f"{epochs}, and no training step passed through it: is the model in train mode?")
        if progress > 0:
            return Advance(*place, reason=f"{epochs}, it points downhill by {progress:.3f}")
        return Cull(*place, reason=f"{epochs}, it does not point downhill")

    def _judge(self, seed: SeedObservation, val_loss: float | None) -> Decision:
        place, evidence = (seed.layer, seed.seed), seed.evidence
        known = "unmeasured" if evidence is None else str(evidence)
        if evidence is not None and evidence.refutes:
            return Cull(*place, reason=f"it does harm: {known}")
        if evidence is not None and evidence.proves:
            if seed.state is SeedState.SHADOWING:
                return Advance(*place, reason=known)
            no_worse = val_loss is not None and seed.baseline_loss is not None and val_loss <= seed.baseline_loss
            if seed.held_epochs >= self.probation_epochs and no_worse:
                return Fossilize(*place, reason=known)
            if not no_worse:
                known += ", but the validation loss is above that at germination"
        if seed.epochs_in_state >= self.trial_epochs:
            return Cull(*place, reason=f"not proven in {seed.epochs_in_state} epochs: {known}")
        return Wait(f"{seed.layer}:{seed.seed} is on trial: {known}")

    def _grow(self, observation: Observation) -> Decision:
        loss, accuracy = observation.val_loss, observation.val_accuracy
        if loss is None or not math.isfinite(loss):
            return Wait("there is no finite validation loss to judge by")
        self._losses.append(loss)
        if len(self._losses) >= 3 and is_plateau(self._losses, self.delta):
            self.plateau_counter = len(self._losses)
        if accuracy is not None and accuracy >= self.acc_threshold:
            return self._rest(observation, f"accuracy {accuracy:.4f} has reached {self.acc_threshold}")
        if len(self._losses) < self.patience:
            return Wait(f"{len(self._losses)} of {self.patience} epochs seen")
        if not self.plateau_counter:
            return Wait("the loss is falling")
        return self._germinate(observation)

    def _rest(self, observation: Observation, reached: str) -> Decision:
        """Wait, or stop where nothing more can come."""
        is_fading = any(seed.state is SeedState.CULLED for seed in observation.seeds)
        if not self.stop_when_solved or is_fading or len(self._losses) < self.patience:
            return Wait(reached)
        if not self.plateau_counter:
            return Wait(f"{reached}, and the loss is falling")
        return Stop(f"{reached}, nothing grows, and the loss did not fall in {self.patience} epochs")

    def _germinate(self, observation: Observation) -> Decision:
        dormant = [seed for seed in observation.seeds if seed.state is SeedState.DORMANT]
        free = [seed for seed in dormant if observation.blueprints[seed.layer]]
        if not free:
            why = "no blueprint fits where one is free" if dormant else "no seed is free"
            return Wait(f"a plateau, and {why}")
        seed = min(free, key=lambda seed: _known_or_last(observation.health[seed.layer]))  # lowest health first
        choices = observation.blueprints[seed.layer]
        choice = choices[self._germinations % len(choices)]
        self._germinations += 1
        self.plateau_counter = 0
        self._losses.clear()
        return Germinate(seed.layer, seed.seed, choice, reason=f"the loss did not fall in {self.patience} epochs")


def _known_or_last(health: float | None) -> float:
    return math.inf if health is None or math.isnan(health) else health
