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
        self._health: list[Tensor] = []  # one entry a pass
        self._drifts: list[Tensor] = []  # samples times (drift, scale drift): only of passes with seeds

    def see(self, before: Tensor, after: Tensor) -> None:
        """Look at a batch: the host's feature, and what the seeds made of it."""
        if not len(before):
            return
        self._samples.append(len(before))
        self._health.append(statistics.health(after))
        if after is not before:
            drifts = statistics.drift(before, after), statistics.scale_drift(before, after)
            self._drifts.append(len(before) * torch.stack(drifts))

    def read(self) -> FeatureReading | None:
        """Return the means over all samples, or ``None`` if none passed."""
        total = sum(self._samples)
        if not total:
            return None
        health = sum(count / total * value for count, value in zip(self._samples, self._health, strict=True))
        drift, scale_drift = torch.stack(self._drifts).sum(0).tolist() if self._drifts else (0.0, 0.0)
        return FeatureReading(float(health), drift / total, scale_drift / total)
