"""Numbers over epochs, and of long runs an even choice of them. Not for: what they are numbers of."""

from __future__ import annotations

from typing import final

Value = float | int | None
Columns = dict[str, list[Value]]


@final
class Series:
    """Columns of numbers by epoch, of one length. A full one keeps every second epoch, and takes only such from then on.

    Args:
        names: of the columns beside ``epoch``.

    >>> series = Series("loss")
    >>> series.add(1, 0.5)
    >>> series.columns
    {'epoch': [1], 'loss': [0.5]}
    """

    def __init__(self, *names: str) -> None:
        self.columns: Columns = {name: [] for name in ("epoch", *names)}

    def __len__(self) -> int:
        return len(self.columns["epoch"])

    def add(self, epoch: int, *values: Value) -> None:
        """Append a row."""
        for column, value in zip(self.columns.values(), (epoch, *values), strict=True):
            column.append(value)

    def keep(self, stride: int) -> None:
        """Keep the epochs that ``stride`` divides; not what is told of none, since every stride divides 0."""
        kept = [place for place, epoch in enumerate(self.columns["epoch"]) if epoch and not epoch % stride]
        self.columns = {name: [column[place] for place in kept] for name, column in self.columns.items()}

    def since(self, length: int) -> Columns:
        """Return the rows after the first ``length``."""
        return {name: column[length:] for name, column in self.columns.items()}
