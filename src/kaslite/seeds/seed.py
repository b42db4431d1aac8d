"""One seed: its state, its module, and its weight in the forward pass.

Not for: deciding when it moves, or what the host does with its output.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from kaslite.events import SeedStateChanged
from kaslite.lifecycle import SeedState, check_transition
from kaslite.randomness import global_stream
from kaslite.seeds.chunk import WHOLE, Chunk
from kaslite.seeds.newborn import check_newborn
from kaslite.seeds.objectives import check_can_learn
from kaslite.seeds.record import SeedRecord
from kaslite.signals.feature import drift

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kaslite.blueprints import Blueprint, SeedShape
    from kaslite.seeds.reservoir import Reservoir


class Seed(nn.Module):
    """A place where a module can grow (code name: SentinelSeed).

    ``alpha`` is the 0-d buffer that the forward pass reads: a copy of ``blend_factor * ramp``, which are Python floats,
    so that a hundred small steps do not drift. ``delta_sum`` is the sum, in float32, of all that the seed added in training
    forward passes: infinite or not a number from the first such number on, until ``SeedLayer.clear_sums``.
    """

    alpha: Tensor
    module: nn.Module | None

    def __init__(self, layer_name: str, index: int) -> None:
        super().__init__()
        self.layer_name = layer_name
        self.index = index
        self.shape: SeedShape | None = None  # what it reads and writes; known after the first forward pass
        self.reads = self.writes = WHOLE  # which channels of its layer's features these are
        self.state = SeedState.DORMANT
        self.germinations = 0  # over the whole run; names the stream that initialises the next module
        self.register_module("module", None)
        self.register_buffer("alpha", torch.zeros(()))
        # Sums of what it added, and of the gradients that came to its output and left from its input (not in compiled passes).
        # No buffers: they stay in float32, and other processes keep their own.
        self.delta_sum = torch.zeros(())
        self.arriving_slopes: list[Tensor] = []
        self.leaving_slopes: list[Tensor] = []
        self.clear()

    def clear(self) -> None:
        """Forget the module and all that was measured of it; the state stays."""
        self.module = None
        self.blueprint_id: str | None = None
        self.record = SeedRecord()
        self.blend_factor = 1.0
        self.ramp = 0.0
        self.objective = "task"  # its shadow objective; like the next two it is set by its ShadowTrainer
        self.alignment = torch.zeros(3)  # see seeds.alignment
        self.reservoir: Reservoir | None = None  # see seeds.reconstruction
        self.fault: str | None = None  # why it was left out of a forward pass; see seeds.fault
        self.sampled_pair: tuple[Tensor, Tensor] | None = None  # see sample_pair; of the last training step, if its blend asks
        self.sampled_grad_norm: Tensor | None = None  # likewise
        self.clear_sums()
        self.alpha.zero_()

    @property
    def place(self) -> tuple[str, int]:
        """The seed's identity: layer and index."""
        return self.layer_name, self.index

    @property
    def weight(self) -> float:
        """Its alpha, exactly: the buffer is a rounded copy."""
        return self.blend_factor * self.ramp

    def learn_shape(self, shape: SeedShape, reads: Chunk, writes: Chunk) -> None:
        """Remember what the seed will read and write."""
        self.shape, self.reads, self.writes = shape, reads, writes

    def germinate(self, blueprint: Blueprint, shape: SeedShape, beside: Tensor, rng_seed: int, objective: str = "task") -> None:
        """Build the module; draws from a stream of its own, and leaves the global one as it was.

        Args:
            blueprint: what to build.
            shape: what it reads and writes.
            beside: a parameter of the host whose device and dtype the module takes.
            rng_seed: the run's.
            objective: by which it will learn in the shadow.

        Raises:
            UsageError: if what was built cannot be a seed, or cannot learn by the objective; then the seed is as it was.
        """
        check_can_learn(blueprint, shape, objective)
        with global_stream(beside.device, rng_seed, "seed", *self.place, self.germinations + 1):
            module = blueprint.build(shape)
            if isinstance(module, nn.Module):
                module = module.to(device=beside.device, dtype=beside.dtype)
            check_newborn(module, blueprint.name, shape, has_child=blueprint.has_child)
        self.germinations += 1
        self.module = module
        self.move_numbers(beside.device)
        self.blueprint_id = blueprint.name

    def move_numbers(self, device: torch.device) -> None:
        """Bring what the forward pass reads and writes of the seed, beside its module, to the module's device."""
        self.alpha, self.delta_sum = self.alpha.to(device), self.delta_sum.to(device)

    def move(self, to_state: SeedState, *, epoch: int, reason: str) -> SeedStateChanged:
        """Enter ``to_state`` and return the event; raises `IllegalTransitionError` if the table has no such move."""
        from_state = self.state
        check_transition(from_state, to_state)
        self.state = to_state
        self.record.entered_epoch = epoch
        return SeedStateChanged(
            epoch=epoch,
            layer=self.layer_name,
            seed=self.index,
            blueprint_id=self.blueprint_id,
            from_state=from_state.value,
            to_state=to_state.value,
            reason=reason,
        )

    def set_ramp(self, ramp: float) -> None:
        """Set the ramp and bring the buffer up to date, in place: a compiled forward pass sees it, and stays valid."""
        self.ramp = ramp
        self.alpha.fill_(self.weight)

    @contextmanager
    def switched_off(self) -> Iterator[None]:
        """Take the seed out of the forward pass for a while."""
        self.alpha.zero_()
        try:
            yield
        finally:
            self.alpha.fill_(self.weight)

    def delta(self, feature: Tensor) -> Tensor:
        """Return what the seed would add to what it writes; ``feature`` is what it reads."""
        assert self.module is not None, "a seed without a module is in no forward pass"
        return self.module(feature)

    def samples(self, signal: str) -> bool:
        """Say whether its blend asks for a signal in the step that is running."""
        blend = self.record.blend
        return blend is not None and blend.is_sampled(signal) and self.state is SeedState.BLENDING

    def sample_pair(self, without: Tensor, with_it: Tensor) -> None:
        """Keep copies of its layer's feature without the seed and with it: their drift is no part of what the step costs."""
        self.sampled_pair = without.detach().clone(), with_it.detach().clone()

    def take_samples(self) -> tuple[Tensor | None, Tensor | None]:
        """Return the drift and the gradient norm of the last training step, where its blend asked for them, and forget them."""
        pair, norm = self.sampled_pair, self.sampled_grad_norm
        self.sampled_pair = self.sampled_grad_norm = None
        return None if pair is None else drift(*pair), norm

    def note_arriving_slope(self, gradient: Tensor) -> None:
        """Note the sum of a gradient of the loss by what the seed returned."""
        self.arriving_slopes.append(gradient.sum(dtype=torch.float32))

    def note_leaving_slope(self, gradient: Tensor) -> None:
        """Note the sum of a gradient of the loss by what the seed read, as far as it came through the seed."""
        self.leaving_slopes.append(gradient.sum(dtype=torch.float32))

    def clear_sums(self) -> None:
        """Start the sums anew."""
        self.delta_sum.zero_()
        self.arriving_slopes, self.leaving_slopes = [], []

    def note_fault(self, reason: str) -> None:
        """Keep the reason why the seed was left out of a forward pass; the first one stays."""
        self.fault = self.fault or reason

    def clear_fault(self) -> None:
        """Forget the fault, and watch for the next one."""
        self.fault = None

    def _load_from_state_dict(self, *args: Any) -> None:
        super()._load_from_state_dict(*args)
        self.ramp = self.alpha.item() / self.blend_factor  # the float is the truth, and the buffer has just changed

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Seed:  # noqa: FBT001, FBT002  torch's signature
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        # A leaf that collects a gradient cannot be moved in place: start it anew where the seed is now.
        self.alignment = torch.zeros(3, device=self.alpha.device, requires_grad=self.alignment.requires_grad)
        self.move_numbers(self.alpha.device)
        return self

    def extra_repr(self) -> str:
        """Say what it is and how far it has come."""
        return f"{self.layer_name}:{self.index} {self.state} {self.blueprint_id or '-'} alpha={self.weight:.2f}"
