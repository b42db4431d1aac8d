"""A probe: looks at one layer's feature in every forward pass, with and without what its seeds add.

Not for: training passes; a model is probed while it is evaluated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from kaslite.signals import feature as statistics

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Drift:
    """How far a seed changed its layer's feature: mean over the samples."""

    cosine: float  # 1 - cosine between the feature without the seed and with it
    scale: float | None  # log of the ratio of their norms; not measured of a seed in shadow training


@dataclass(frozen=True)
class FeatureReading:
    """What a probe saw."""

    health: float  # mean over all samples that passed
    drifts: Mapping[int, Drift]  # by the index of the seed


class Probe:
    """Gathers readings on the device, pass by pass."""

    def __init__(self) -> None:
        self._samples: list[int] = []
        self._health: list[Tensor] = []  # one entry a pass
        self._candidates: dict[int, Tensor] = {}  # drift by seed
        self._drifts: dict[int, list[tuple[int, Tensor]]] = {}  # by seed, one entry a pass: samples, (drift, scale drift)

    def see(self, feature: Tensor) -> None:
        """Look at a batch of the feature as the host goes on with it."""
        if len(feature):
            self._samples.append(len(feature))
            self._health.append(statistics.health(feature))

    def see_seed(self, index: int, without: Tensor, with_it: Tensor) -> None:
        """Look at a batch of the feature without one of the seeds, and with it."""
        if len(without):
            drifts = torch.stack([statistics.drift(without, with_it), statistics.scale_drift(without, with_it)])
            self._drifts.setdefault(index, []).append((len(without), drifts))

    def see_candidate(self, index: int, without: Tensor, with_it: Tensor) -> None:
        """Look at a batch of the feature without a seed in shadow training, and as it would be with all of it."""
        if len(without):
            self._candidates[index] = statistics.drift(without, with_it)

    def has_seen(self, index: int) -> bool:
        """Say whether a seed in shadow training was looked at: once is enough."""
        return index in self._candidates

    def read(self) -> FeatureReading | None:
        """Return the means over the samples, or ``None`` if none passed."""
        total = sum(self._samples)
        if not total:
            return None
        health = sum(count / total * value for count, value in zip(self._samples, self._health, strict=True))
        candidates = {index: Drift(drift.item(), None) for index, drift in self._candidates.items()}
        return FeatureReading(float(health), candidates | {index: _mean(passes) for index, passes in self._drifts.items()})


def _mean(passes: list[tuple[int, Tensor]]) -> Drift:
    total = sum(samples for samples, _ in passes)
    drift, scale_drift = torch.stack([samples / total * drifts for samples, drifts in passes]).sum(0).tolist()
    return Drift(drift, scale_drift)
