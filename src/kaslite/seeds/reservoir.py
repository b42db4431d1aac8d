"""A reservoir: rows of a feature, uniformly drawn from all that passed, in bounded memory (Vitter 1985, algorithm R).

Not for: whole batches, which grow with the batch size; not for evaluation data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor

ROWS = 1024
BYTES = 64 * 2**20


class Reservoir:
    """At most `ROWS` rows and `BYTES` bytes; a row is one sample's feature.

    Args:
        generator: its own; nothing is drawn from the global stream.
    """

    def __init__(self, generator: torch.Generator) -> None:
        self.batches = 0  # how many have been added
        self._generator = generator
        self._rows: Tensor | None = None
        self._passed = 0  # rows of the present size

    def __len__(self) -> int:
        return 0 if self._rows is None else min(self._passed, len(self._rows))

    def add(self, feature: Tensor) -> bool:
        """Let the rows of a batch in, each with the same chance; return whether there is room for one at all.

        Rows of another size or dtype start it anew: those of one batch have to fit together.
        """
        if self._rows is None or (self._rows.shape[1:], self._rows.dtype) != (feature.shape[1:], feature.dtype):
            row_bytes = max(1, feature.shape[1:].numel() * feature.element_size())
            self._rows = feature.new_empty(min(ROWS, BYTES // row_bytes), *feature.shape[1:])
            self._passed = 0
        self._rows = self._rows.to(feature.device)
        places = self._draw_places(len(feature), len(self._rows))
        if places:
            chosen = feature[torch.tensor(list(places.values()), device=feature.device)]
            self._rows[torch.tensor(list(places), device=feature.device)] = chosen.nan_to_num(0.0, 0.0, 0.0)
        self.batches += 1
        return len(self._rows) > 0

    def _draw_places(self, count: int, capacity: int) -> dict[int, int]:
        # place -> row: where two rows of a batch draw one place, the later has it
        passed = self._passed + torch.arange(count)
        drawn = (torch.rand(count, dtype=torch.float64, generator=self._generator) * (passed + 1)).long()
        places = torch.where(passed < capacity, passed, drawn).tolist()
        self._passed += count
        return {place: row for row, place in enumerate(places) if place < capacity}

    def sample(self, count: int) -> Tensor:
        """Return ``count`` of its rows, or all if it has fewer, in a random order."""
        assert self._rows is not None, "there is nothing in it yet"
        chosen = torch.randperm(len(self), generator=self._generator)[:count]
        return self._rows[chosen.to(self._rows.device)]

    def state_dict(self) -> dict[str, Any]:
        """Return all that it takes to go on exactly."""
        return {
            "batches": self.batches,
            "passed": self._passed,
            "capacity": 0 if self._rows is None else len(self._rows),
            "rows": None if self._rows is None else self._rows[: len(self)].clone(),
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another one stopped."""
        self.batches, self._passed, rows = state["batches"], state["passed"], state["rows"]
        self._generator.set_state(state["generator"].cpu())
        self._rows = None if rows is None else rows.new_empty(state["capacity"], *rows.shape[1:])
        if self._rows is not None:
            self._rows[: len(rows)] = rows
