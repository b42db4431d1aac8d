"""A probe: looks at one layer's feature in every forward pass, with and without what the seeds add.

Not for: training passes; a model is probed while it is evaluated.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kaslite.signals import feature as statistics


@dataclass(frozen=True)
class FeatureReading:
    """What a probe saw: means over all samples that passed."""

    health: float
    drift: float
    scale_drift: float


class Probe:
    """Gathers readings on the device, pass by pass."""

    def __init__(self) -> None:
        self._samples: list[int] = []
        self._passes: list[Tensor] = []

    def see(self, before: Tensor, after: Tensor) -> None:
        """Look at a batch: the host's feature, and what the seeds made of it."""
        if not len(before):
            return
        values = statistics.health(after), statistics.drift(before, after), statistics.scale_drift(before, after)
        self._samples.append(len(before))
        self._passes.append(torch.stack(values))

    def read(self) -> FeatureReading | None:
        """Return the means over all samples, or ``None`` if none passed."""
        if not self._passes:
            return None
        total = sum(self._samples)
        rows = torch.stack([count / total * values for count, values in zip(self._samples, self._passes, strict=True)])
        return FeatureReading(*rows.sum(0).tolist())
