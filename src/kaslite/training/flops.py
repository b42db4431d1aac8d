"""What a run spends in FLOPs: a pass is counted once for each topology of a model and size of a batch, and then looked up.

Passes that are looked at by probes are counted apart. A count depends on nothing else, so a run that was cut off counts on to
the same number. A run has a meter of all training (steps, shadow training, twins), and one of all evaluations (validation with
its probes, ablations, twins).
Left out: optimizers, and what looks at gradients just before they step. Not for: the rule by which operations are counted
(`kaslite.blueprints.counting`), or what a blueprint costs by itself (`kaslite.blueprints.cost`).
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from kaslite.blueprints.counting import FlopCount
from kaslite.seeds import SeededModel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from torch import nn

    Pass = tuple[int, tuple[str, ...]]  # its number of samples, and the layers at which it is looked
    Counts = tuple[int, dict[Pass, int]]  # a topology, and the FLOPs of each pass

_COUNTED_ALREADY = nullcontext()


class FlopMeter:
    """Sums up what passes of one kind cost: all of training, or all evaluations."""

    def __init__(self) -> None:
        self.total = 0
        self._counts: WeakKeyDictionary[nn.Module, Counts] = WeakKeyDictionary()
        self._last: tuple[nn.Module | None, int, dict[Pass, int]] = None, -1, {}  # likewise, of the model that came last

    def spending(self, model: nn.Module, samples: int) -> AbstractContextManager[None]:
        """Add what one pass costs that is carried out inside: by its count if there is one, or else it is counted.

        Args:
            model: what the samples pass; a `SeededModel` is counted anew when seeds have entered or left its forward pass.
            samples: how many.
        """
        topology, probed = (model.topology_changes, model.probed) if isinstance(model, SeededModel) else (0, ())
        last, known, counts = self._last
        if last is not model or known != topology:
            counts = self._counts_of(model, topology)
            self._last = model, topology, counts
        one = samples, probed
        if one not in counts:
            return self._counting(model, one, counts)
        self.total += counts[one]
        return _COUNTED_ALREADY

    def _counts_of(self, model: nn.Module, topology: int) -> dict[Pass, int]:
        known, counts = self._counts.get(model, (-1, {}))
        if known != topology:
            counts = {}
            self._counts[model] = topology, counts
        return counts

    @contextmanager
    def _counting(self, model: nn.Module, one: Pass, counts: dict[Pass, int]) -> Iterator[None]:
        with _sums_begun_anew(model), FlopCount() as count:
            yield
        counts[one] = count.total
        self.total += count.total


@contextmanager
def _sums_begun_anew(model: nn.Module) -> Iterator[None]:
    """Keep what seeds sum up over the steps of an epoch apart: adding to it would make later steps cost more than the first."""
    seeds = model.seeds if isinstance(model, SeededModel) else ()
    kept = [(seed.alignment, seed.alignment.grad) for seed in seeds if seed.alignment.grad is not None]
    for alignment, _ in kept:
        alignment.grad = None
    try:
        yield
    finally:
        for alignment, sums in kept:
            alignment.grad = sums if alignment.grad is None else sums.add_(alignment.grad)
