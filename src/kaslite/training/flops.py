"""Counts the FLOPs that training spends: a step is counted once for each topology of a model, and then multiplied.

Not for: blueprints; `kaslite.blueprints.cost` counts one by itself.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kaslite.seeds import SeededModel


def _attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return sdpa_flop_count(query, key, value)


def _attention_backward(gradient: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return sdpa_backward_flop_count(gradient, query, key, value)


# torch counts attention on the GPU, and on the CPU as 0.
_CPU_ATTENTION = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,  # noqa: SLF001  its only name
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,  # noqa: SLF001  likewise
}


class FlopMeter:
    """Sums up forward and backward passes."""

    def __init__(self) -> None:
        self.total = 0.0
        self._counted: WeakKeyDictionary[SeededModel, tuple[int, float]] = WeakKeyDictionary()  # (topology, FLOPs a sample)
        self._last: tuple[SeededModel | None, int, float] = None, -1, 0.0  # likewise, of the model that was added last

    def add(self, model: SeededModel, samples: int) -> bool:
        """Add what a forward and backward pass of ``samples`` costs, by the last count.

        Returns:
            Whether there is one of the model as it now is; if not, nothing was added, and the pass has to be counted.
        """
        last, topology, per_sample = self._last
        if last is not model or topology != model.topology_changes:
            topology, per_sample = self._counted.get(model, (-1, 0.0))
            self._last = model, topology, per_sample
        self.total += per_sample * samples if topology == model.topology_changes else 0.0
        return topology == model.topology_changes

    @contextmanager
    def counting(self, model: SeededModel, samples: int) -> Iterator[None]:
        """Count, and add, the forward and backward pass of ``samples`` that is carried out inside."""
        with FlopCounterMode(display=False, custom_mapping=_CPU_ATTENTION) as counter:
            yield
        self._counted[model] = model.topology_changes, counter.get_total_flops() / samples
        self.total += counter.get_total_flops()
