"""Keeps a seed that has gone bad from reaching the host.

A seed in the forward pass can destroy the host: it raises, or what it computes, or its gradient, is not finite. That is seen
before the optimizer steps; then all gradients are dropped for this step, buffers (BatchNorm's statistics) go back to
what they were before it, and the seed is named, with the reason. So host parameters and buffers stay as they were.
Not for: a host that is itself sick; that is the governor's affair. Nor for an exception in a backward pass, which is the
caller's to catch, nor for optimizers that compute gradients inside their step (a closure).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from kaslite.lifecycle import GROWING, ISOLATED
from kaslite.seeds.span import submodules
from kaslite.training.gradients import gradients_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor, nn
    from torch.optim import Optimizer

    from kaslite.seeds import Seed, SeededModel
    from kaslite.seeds.layer import SeedLayer

SICK_OUTPUT = "its output is not finite"
SICK_GRADIENT = "its gradient is not finite"


class FaultGuard:
    """Looks at every optimizer step while a seed takes part in the forward pass."""

    def __init__(self, model: SeededModel, optimizer: Optimizer) -> None:
        self._model = model
        self._optimizer = optimizer
        self._topology = -1
        self._blended: list[Seed] = []
        self._layers: list[SeedLayer] = []  # that they sit in
        self._buffers: list[Tensor] = []
        self._healthy_buffers: list[Tensor] = []  # as they were after the last step
        self._looked = False  # at the step that is running
        self._faults: dict[tuple[str, int], str] = {}

    def take_faults(self) -> list[tuple[Seed, str]]:
        """Return the seeds that have gone bad since the last call, with the reasons; call it after the optimizer step."""
        self._follow_topology()
        if self._blended and not self._looked:  # a gradient scaler left the step out
            self._look(gradients=False)
        self._looked = False
        found = [(self._model.seed_at(*place), reason) for place, reason in self._faults.items()]
        found += [(seed, seed.fault) for seed in self._model.live if seed.fault is not None and seed.state in ISOLATED]
        self._faults = {}
        return found

    def keep_buffers(self) -> None:
        """Remember the host's buffers as they are after a healthy step, or when a seed has just joined the forward pass."""
        self._follow_topology()
        if self._blended and self._buffers:
            torch._foreach_copy_(self._healthy_buffers, self._buffers)

    def _follow_topology(self) -> None:
        if self._topology == self._model.topology_changes:
            return
        self._topology = self._model.topology_changes
        self._blended = [seed for seed in self._model.live if seed.state not in ISOLATED]
        names = dict.fromkeys(seed.layer_name for seed in self._blended)
        self._layers = [self._model.layers[name] for name in names]
        self._buffers = list(self._model.host.buffers()) if self._blended else []
        self._healthy_buffers = [buffer.clone() for buffer in self._buffers]

    def before_step(self) -> None:
        """Drop all gradients if a seed has gone bad."""
        self._follow_topology()
        if not self._blended:
            return
        self._looked = True
        # A fused optimizer steps under a gradient scaler even if that has found an overflow, and leaves itself out.
        found_inf = getattr(self._optimizer, "found_inf", None)
        if self._look(gradients=found_inf is None or not found_inf.item()):
            for parameter in (*self._parameters(), *self._model.parameters()):
                parameter.grad = None

    def _look(self, *, gradients: bool) -> bool:
        """Say whether a seed has gone bad; if so, name it, and put the buffers back."""
        faults = {seed.place: seed.fault for seed in self._blended if seed.fault is not None}
        faults = faults or (self._sick() if gradients else self._sick_outputs())
        self._faults |= faults
        for layer in self._layers:
            layer.clear_sums()
        if faults and self._buffers:
            torch._foreach_copy_(self._buffers, self._healthy_buffers)
        return bool(faults)

    def _sick(self) -> dict[tuple[str, int], str]:
        having = [parameter for parameter in self._parameters() if parameter.grad is not None]
        gradients = gradients_of(having)
        # The largest number of each: a sum of squares is infinite long before the gradient is.
        norms = torch._foreach_norm(gradients, ord=math.inf) if gradients else ()  # noqa: SLF001  what clip_grad_norm_ is made of
        # One wait for the device a step, and only while a seed takes part.
        slopes = (_total(slopes, s.delta_sum) for s in self._blended for slopes in (s.arriving_slopes, s.leaving_slopes))
        finite = _are_finite([*self._forward_sums(), *slopes, *norms])
        if all(finite):
            return {}
        first = len(self._blended) + len(self._layers)  # of the slopes
        end = first + 2 * len(self._blended)
        if not all(finite[:first]):
            return self._blame_outputs(finite)  # perhaps nobody: then the host itself is sick, the governor's affair
        bad = {id(parameter) for parameter, is_finite in zip(having, finite[end:], strict=True) if not is_finite}
        arriving, leaving = finite[first:end:2], finite[first + 1 : end : 2]
        return self._blame_gradients(arriving, leaving, bad, everything=len(bad) == len(having))

    def _blame_gradients(
        self, arriving: list[bool], leaving: list[bool], bad: set[int], *, everything: bool
    ) -> dict[tuple[str, int], str]:
        """Blame the seeds that made of a finite gradient something that is not; it spreads to all that lies before them.

        Args:
            arriving: whether the gradients that came to the output of each seed were finite.
            leaving: whether those that left from its input were.
            bad: ids of the parameters whose gradients are not finite.
            everything: whether those are all of them, as after clipping by the norm: then they name nobody.
        """
        if not all(arriving):  # something after the seed made it; another seed, perhaps
            made = [seed for seed, a, b in zip(self._blended, arriving, leaving, strict=True) if a and not b]
            return {seed.place: SICK_GRADIENT for seed in made}
        own = [seed for seed, is_finite in zip(self._blended, leaving, strict=True) if not is_finite]
        if not own and everything:
            own = [seed for seed in self._blended if seed.state in GROWING]
        if not own and not everything:  # the gradients of its own parameters; or, in a compiled pass, all that can be seen
            host = self._model.host
            sources = {seed.place: self._model.layers[seed.layer_name].span.source for seed in self._blended}
            reached = {place: _parameters_before(host, source) for place, source in sources.items()}
            near = [s for s in self._blended if any(id(p) in bad for p in (*s.parameters(), *reached[s.place]))]
            own = [s for s in near[-1:] if not any(id(p) in bad for p in _parameters_after(host, s.layer_name))]
        return {seed.place: SICK_GRADIENT for seed in own}

    def _sick_outputs(self) -> dict[tuple[str, int], str]:
        return self._blame_outputs(_are_finite(self._forward_sums()))

    def _forward_sums(self) -> list[Tensor]:
        return [seed.delta_sum for seed in self._blended] + [layer.read_sum for layer in self._layers]

    def _blame_outputs(self, finite: list[bool]) -> dict[tuple[str, int], str]:
        """Blame the seeds that made of a finite feature something that is not: the others only passed it on."""
        count = len(self._blended)
        read_finite = dict(zip([layer.span.writes for layer in self._layers], finite[count:], strict=False))
        return {
            seed.place: SICK_OUTPUT
            for seed, is_finite in zip(self._blended, finite[:count], strict=True)
            if not is_finite and read_finite[seed.layer_name]
        }

    def _parameters(self) -> Iterable[Tensor]:
        return (parameter for group in self._optimizer.param_groups for parameter in group["params"])


def _total(sums: list[Tensor], nothing: Tensor) -> Tensor:
    """Return the sum of sums; of none that of ``nothing``, which is finite or known not to be."""
    return sums[0] if len(sums) == 1 else torch.stack(sums).sum() if sums else nothing


def _are_finite(numbers: list[Tensor]) -> list[bool]:
    device = numbers[0].device
    return torch.stack([number.to(device, torch.float32) for number in numbers]).isfinite().tolist()


def _parameters_before(host: nn.Module, name: str) -> list[nn.Parameter]:
    """Return the parameters of the last module, up to the named one and what it contains, that has any of its own."""
    found: list[nn.Parameter] = []
    passed = False
    for own, module in submodules(host).items():
        passed = passed or own == name
        if passed and own != name and not own.startswith(f"{name}."):
            break
        found = list(module.parameters(recurse=False)) or found
    return found


def _parameters_after(host: nn.Module, name: str) -> list[nn.Parameter]:
    """Return the parameters of the modules that the host made after the named one: nearly those that come after it."""
    known = submodules(host)
    names = list(known)
    later = [own for own in names[names.index(name) :] if own != name and not own.startswith(f"{name}.")]
    return [parameter for own in later for parameter in known[own].parameters(recurse=False)]
