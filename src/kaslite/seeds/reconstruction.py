"""Shadow objective ``reconstruct``: a seed's ``child`` learns to reproduce what the seed reads.

It learns from a reservoir of rows that passed in training, one random batch a tick. Its gates, closed at birth, stay so until
it blends. Not for: whether reproducing the feature helps the task; it says nothing about that.
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from kaslite.randomness import generator
from kaslite.seeds.reservoir import Reservoir

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from kaslite.seeds.seed import Seed

    Metering = Callable[[nn.Module, int], AbstractContextManager[None]]
    """Maps a module and a number of samples to what their forward and backward pass is carried out in."""

MIN_BATCHES = 10
"""How many batches have to be buffered before the first step."""
BATCH_ROWS = 64
_SMOOTHING = 0.9  # share of the past in the smoothed loss


def unmetered(module: nn.Module, samples: int) -> AbstractContextManager[None]:  # noqa: ARG001  as in `Metering`
    """Let a pass go uncounted."""
    return nullcontext()


class Reconstruction:
    """Trains ``seed.module.child`` on the mean squared error between its input and its output."""

    trains = "child."

    def __init__(self, seed: Seed, rng_seed: int) -> None:
        assert seed.module is not None, "only a germinated seed can train"
        assert isinstance(seed.module.child, nn.Module), "its blueprint was checked at germination"
        self._seed, self._child = seed, seed.module.child
        self._reservoir = Reservoir(generator(rng_seed, "reservoir", *seed.place, seed.germinations))
        self._first: Tensor | None = None  # loss, (), on the device: asking for it at every step would wait for that
        self._smoothed: Tensor | None = None
        seed.reservoir = self._reservoir

    def prepare_step(self, metering: Metering = unmetered) -> None:
        """Leave the gradients of a step on a random batch, once enough batches have passed; it passes inside ``metering``."""
        if self._reservoir.batches < MIN_BATCHES or not len(self._reservoir):
            return
        parameter = next(p for p in self._child.parameters() if p.requires_grad)
        rows = self._reservoir.sample(BATCH_ROWS).to(parameter)
        with metering(self._child, len(rows)):
            loss = self._loss(rows)
            if loss is None:
                return
            loss.backward()
        now = loss.detach()
        self._first = now if self._first is None else self._first
        self._smoothed = now if self._smoothed is None else _SMOOTHING * self._smoothed + (1 - _SMOOTHING) * now

    def _loss(self, rows: Tensor) -> Tensor | None:
        try:
            with torch.enable_grad():
                return functional.mse_loss(self._child(rows).float(), rows.float())
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # noqa: BLE001  whatever a user's module raises
            self._seed.note_fault(f"its child raised {type(error).__name__}: {error}")
            return None

    @property
    def is_finite(self) -> bool:
        """Whether all losses so far were finite."""
        return self._smoothed is None or math.isfinite(self._smoothed.item())

    def read(self) -> float | None:
        """Return ``1 - smoothed / first loss``, in [0, 1]; ``None`` before the first step."""
        if self._first is None or self._smoothed is None:
            return None
        first, smoothed = self._first.item(), self._smoothed.item()
        if not math.isfinite(smoothed):
            return math.nan
        return max(0.0, min(1.0, 1 - smoothed / first)) if first > 0 else 1.0

    def state_dict(self) -> dict[str, Any]:
        """Return losses and reservoir."""
        return {"first": self._first, "smoothed": self._smoothed, "reservoir": self._reservoir.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another one stopped."""
        device = self._seed.alpha.device
        self._first, self._smoothed = (
            None if state[name] is None else state[name].to(device, copy=True) for name in ("first", "smoothed")
        )
        self._reservoir.load_state_dict(state["reservoir"])
