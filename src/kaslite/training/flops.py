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


_UNCOUNTED = (-1, 0.0)


class FlopMeter:
    """Sums up forward and backward passes."""

    def __init__(self) -> None:
        self.total = 0.0
        self._counted: WeakKeyDictionary[SeededModel, tuple[int, float]] = WeakKeyDictionary()  # (topology, FLOPs a sample)

    def knows(self, model: SeededModel) -> bool:
        """Whether a step of the model, as it now is, has been counted."""
        return self._counted.get(model, _UNCOUNTED)[0] == model.topology_changes

    def add(self, model: SeededModel, samples: int) -> None:
        """Add what a forward and backward pass of ``samples`` costs, by the last count."""
        self.total += self._counted[model][1] * samples

    @contextmanager
    def counting(self, model: SeededModel, samples: int) -> Iterator[None]:
        """Count the forward and backward pass of ``samples`` that is carried out inside."""
        with FlopCounterMode(display=False, custom_mapping=_CPU_ATTENTION) as counter:
            yield
        self._counted[model] = model.topology_changes, counter.get_total_flops() / samples
