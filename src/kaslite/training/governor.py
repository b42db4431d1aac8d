"""The governor: watches the vitals of a run, and says when it has to go back to the last healthy state.

At once where a loss is not finite; after `patience` epochs in a row where the loss has diverged, or where a layer's feature has
collapsed (`kaslite.signals.divergence` states both). Not for: going back; that is `kaslite.training.snapshot`.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from kaslite.errors import DivergedError, UsageError
from kaslite.signals.divergence import FEWEST, has_collapsed, loss_bound

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class GovernorConfig:
    """When the governor steps in.

    >>> GovernorConfig(patience=0)
    Traceback (most recent call last):
        ...
    kaslite.errors.UsageError: patience is 0; the governor's settings are positive.
    """

    window: int = 20  # healthy epochs that it compares with
    sensitivity: float = 6.0  # robust standard deviations of the loss
    patience: int = 3  # bad epochs in a row, where they are finite
    max_rollbacks: int = 3  # without a healthy epoch between them; then it gives up

    def __post_init__(self) -> None:
        """Refuse what would never step in, or never stop."""
        for name in ("window", "sensitivity", "patience", "max_rollbacks"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name} is {getattr(self, name)}; the governor's settings are positive.")
        if self.window < FEWEST:
            raise UsageError(f"window is {self.window}; what is usual shows in {FEWEST} epochs or more.")


class Governor:
    """Remembers what is usual in a run, and judges each epoch by it."""

    def __init__(self, config: GovernorConfig) -> None:
        self._config = config
        # By kind of loss: a training loss says nothing about what is usual for a validation loss.
        self._early: dict[str, list[float]] = {"training": [], "validation": []}
        self._losses = {kind: deque[float](maxlen=config.window) for kind in self._early}
        self._health: dict[str, deque[float]] = {}
        self._bad_epochs = 0
        self._rollbacks = 0
        self._reason = ""  # for the last of them

    @property
    def is_calm(self) -> bool:
        """Whether the last epoch was healthy: only then is the state worth keeping."""
        return self._bad_epochs == 0

    def judge(
        self, *, train_loss: float | None, val_loss: float | None, health: Mapping[str, float], is_finite: bool = True
    ) -> str | None:
        """Return why the run has to go back, or ``None``.

        Args:
            train_loss: of the epoch; ``None`` = not measured.
            val_loss: likewise; it is judged where it is measured, and the training loss where it is not.
            health: variance of the feature of each layer that was measured.
            is_finite: whether all parameters and buffers are.
        """
        vitals = {"the training loss": train_loss, "the validation loss": val_loss}
        vitals |= {f"the variance of the feature of {layer}": value for layer, value in health.items()}
        if not is_finite:
            self._bad_epochs += 1
            return "a parameter or a buffer is not finite"
        for name, value in vitals.items():
            if value is not None and not math.isfinite(value):
                self._bad_epochs += 1
                return f"{name} is {value}"
        kind, loss = ("training", train_loss) if val_loss is None else ("validation", val_loss)
        complaint = self._complaint(kind, loss, health)
        if complaint is None:
            self._remember(kind, loss, health)
            return None
        self._bad_epochs += 1
        return f"{complaint}, in {self._bad_epochs} epochs in a row" if self._bad_epochs >= self._config.patience else None

    def note_rollback(self, reason: str) -> None:
        """Start anew after a rollback."""
        self._bad_epochs = 0
        self._rollbacks += 1
        self._reason = reason

    def raise_if_hopeless(self) -> None:
        """Raise `DivergedError` if going back does not help."""
        if self._rollbacks > self._config.max_rollbacks:
            raise DivergedError(
                f"training came apart again after {self._config.max_rollbacks} rollbacks in a row ({self._reason}); "
                "the model is as it was when it was last healthy: lower the learning rate, or look at the data."
            )

    def state_dict(self) -> dict[str, Any]:
        """Return what it remembers."""
        return {
            "early": {kind: list(losses) for kind, losses in self._early.items()},
            "losses": {kind: list(losses) for kind, losses in self._losses.items()},
            "health": {name: list(values) for name, values in self._health.items()},
            "bad_epochs": self._bad_epochs,
            "rollbacks": self._rollbacks,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Remember what another one did."""
        self._early = {kind: list(losses) for kind, losses in state["early"].items()}
        self._losses = {kind: deque(losses, maxlen=self._config.window) for kind, losses in state["losses"].items()}
        self._health = {name: deque(values, maxlen=self._config.window) for name, values in state["health"].items()}
        self._bad_epochs = state["bad_epochs"]
        self._rollbacks = state["rollbacks"]

    def _complaint(self, kind: str, loss: float | None, health: Mapping[str, float]) -> str | None:
        if loss is not None and self._losses[kind]:
            bound = loss_bound(self._losses[kind], median(self._early[kind]), self._config.sensitivity)
            if loss > bound:
                return f"the {kind} loss {loss:.4g} is above {bound:.4g}, where training has diverged"
        for layer, value in health.items():
            if has_collapsed(value, self._health.get(layer, ())):
                return f"the feature of {layer} has collapsed: its variance is {value:.2g}"
        return None

    def _remember(self, kind: str, loss: float | None, health: Mapping[str, float]) -> None:
        self._bad_epochs = self._rollbacks = 0
        if loss is not None:
            self._losses[kind].append(loss)
            if len(self._early[kind]) < FEWEST:
                self._early[kind].append(loss)
        for layer, value in health.items():
            self._health.setdefault(layer, deque(maxlen=self._config.window)).append(value)
