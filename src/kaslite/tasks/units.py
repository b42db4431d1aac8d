"""Units: what the numbers of a task are where they come from, so that its network can be used on new samples of the same kind.

Not for: loading data, nor splitting it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

MAX_DEVIATIONS = 5.0
"""Scaled inputs are clipped here: a pixel that is nearly always blank would otherwise be huge when it is not."""

_ROUNDING = 1e-12  # a deviation below this part of the values is rounding: such an input never changes


@dataclass(frozen=True)
class Scaling:
    """How numbers in the units of their source become deviations from the mean of the training split, column by column."""

    mean: NDArray[np.float64]  # (columns,)
    deviation: NDArray[np.float64]  # (columns,): infinite for an input that never changes, which so becomes 0

    @classmethod
    def fitted(cls, train: NDArray[Any], softening: float = 0.0) -> Scaling:
        """Return that of some samples, (samples, columns); ``softening`` is added to the deviations."""
        deviation = train.std(0) + softening
        never_changes = deviation <= _ROUNDING * np.abs(train).max(0)
        return cls(train.mean(0), np.where(never_changes, np.inf, deviation))

    def scaled(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return the deviations of some samples, (samples, columns)."""
        deviations: NDArray[np.float64] = (values - self.mean) / self.deviation
        return deviations

    def unscaled(self, deviations: NDArray[Any]) -> NDArray[np.float64]:
        """Return samples by their deviations, in the units of their source."""
        values: NDArray[np.float64] = deviations * self.deviation + self.mean
        return values


@dataclass(frozen=True)
class Units:
    """How samples of a task become what a network takes, and what it returns their meaning."""

    inputs: Scaling
    target: Scaling | None = None  # of a regression
    columns: tuple[str, ...] | None = None  # names of the inputs, where they have some
    outputs: tuple[str, ...] | None = None  # names of the classes in their order, or of the number that is predicted

    def as_inputs(self, samples: NDArray[Any]) -> Tensor:
        """Return what a network takes of some samples, (samples, features)."""
        return torch.tensor(self.inputs.scaled(samples).clip(-MAX_DEVIATIONS, MAX_DEVIATIONS), dtype=torch.float32)
