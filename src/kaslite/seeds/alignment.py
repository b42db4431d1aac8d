"""How far a seed has come by the objectives ``task`` and ``gradient``: does its delta point downhill?

Not for: computing gradients; the host's backward pass leaves them, and sums up what is read here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from kaslite.seeds.reconstruction import Metering
    from kaslite.seeds.seed import Seed


class Alignment:
    """Reads the sums that backward passes leave in the gradient of ``seed.alignment``."""

    trains = ""  # prefix of the parameters: all

    def __init__(self, seed: Seed) -> None:
        self._seed = seed
        seed.reservoir = None
        seed.alignment = torch.zeros(3, device=seed.alpha.device, requires_grad=True)

    def prepare_step(self, metering: Metering) -> None:
        """Leave the gradients of a step: the host's backward pass has, so there is none to meter."""

    @property
    def is_finite(self) -> bool:
        """Whether all that the seed has returned since the last reading was finite."""
        sums = self._seed.alignment.grad
        return sums is None or math.isfinite(sums[1].item())

    def read(self) -> float | None:
        """Return the cosine of delta and -g since the last reading, in [0, 1]; ``None`` if there was no step."""
        sums = self._seed.alignment.grad
        self._seed.alignment.grad = None
        if sums is None:
            return None
        descent, size, slope = sums.tolist()
        if not math.isfinite(size):
            return math.nan
        return max(0.0, min(1.0, descent / math.sqrt(size * slope))) if size * slope > 0 else 0.0

    def state_dict(self) -> dict[str, Any]:
        """Return the sums since the last reading."""
        sums = self._seed.alignment.grad
        return {"sums": None if sums is None else sums.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on summing."""
        sums = state["sums"]
        self._seed.alignment.grad = None if sums is None else sums.to(self._seed.alignment, copy=True)
