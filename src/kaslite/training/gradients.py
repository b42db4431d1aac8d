"""Gradient norms of seeds and host: taken at the first step of an epoch that has some, kept on the device, read at its end.

Not for: clipping, or telling what is sick (`kaslite.training.faults`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from kaslite.lifecycle import SeedState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor
    from torch.optim import Optimizer

    from kaslite.seeds import SeededModel


class GradientNorms:
    """Measures one step an epoch, just before the optimizer takes it."""

    def __init__(self, model: SeededModel, optimizer: Optimizer) -> None:
        self._model = model
        self._optimizer = optimizer
        self._norms: dict[tuple[str, int], Tensor] | None = None  # None until this epoch's step
        self._host: Tensor | None = None
        self._alphas: dict[tuple[str, int], float] = {}  # of blending seeds, when the norms were taken

    def read(self) -> None:
        """Write the norms into the records of the seeds, and measure the next epoch anew."""
        host = None if self._host is None else self._host.item()
        norms = self._norms or {}
        for seed in self._model.seeds:
            norm = norms[seed.place].item() if seed.place in norms and seed.module is not None else None
            seed.record.grad_norm = norm
            seed.record.grad_ratio = norm / host if norm is not None and host else None
            blend, alpha = seed.record.blend, self._alphas.get(seed.place)
            if blend is not None and "grad_norm" not in blend.samples and norm is not None and alpha:
                blend.grad_norm = norm / alpha if math.isfinite(norm) else None
        self._norms = self._host = None
        self._alphas = {}

    def state_dict(self) -> dict[str, Any]:
        """Return what was measured in the epoch that is running."""
        norms = None if self._norms is None else [[*place, norm] for place, norm in self._norms.items()]
        alphas = [[*place, alpha] for place, alpha in self._alphas.items()]
        return {"norms": norms, "host": self._host, "alphas": alphas}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what another one measured."""
        norms = state["norms"]
        self._norms = None if norms is None else {(layer, index): norm for layer, index, norm in norms}
        self._host = state["host"]
        self._alphas = {(layer, index): alpha for layer, index, alpha in state.get("alphas", ())}

    def before_step(self) -> None:
        """Measure, if this is the first step of the epoch that has something to measure, and what blends ask for."""
        for seed in self._model.live:
            if seed.samples("grad_norm") and seed.ramp:  # at alpha 0 it learns nothing, and this says nothing of it
                norm = self._norm(seed.parameters())
                seed.sampled_grad_norm = None if norm is None else norm / seed.weight
        if self._norms is not None:
            return
        self._alphas = {seed.place: seed.weight for seed in self._model.live if seed.state is SeedState.BLENDING}
        learning = [seed for seed in self._model.live if seed.ramp or seed.state is not SeedState.BLENDING]
        self._norms = {s.place: norm for s in learning if (norm := self._norm(s.parameters())) is not None} or None
        self._host = self._norm(self._model.host.parameters()) if self._norms else None

    def _norm(self, parameters: Iterable[Tensor]) -> Tensor | None:
        gradients = gradients_of(parameters)
        if not gradients:
            return None
        norm = torch.nn.utils.get_total_norm(gradients)
        # A fused optimizer under a gradient scaler takes the scale out inside its step.
        scale = getattr(self._optimizer, "grad_scale", None)
        return norm if scale is None else norm / scale


def gradients_of(parameters: Iterable[Tensor]) -> list[Tensor]:
    """Return the gradients that there are; of a sparse one its values."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    return [gradient.coalesce().values() if gradient.is_sparse else gradient for gradient in gradients]
