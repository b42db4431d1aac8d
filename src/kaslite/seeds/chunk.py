"""Channel chunks: with ``chunked=True`` each seed of a layer reads and writes channels of its own.

So the index of a seed has a causal effect, and a selector something to learn.
Not for: what is computed on a chunk; a seed on a chunk is a seed on a narrower feature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from kaslite.blueprints.shape import FeatureShape


@dataclass(frozen=True)
class Chunk:
    """A run of channels of a feature; without numbers, all of them."""

    axis: int = -1
    start: int = 0
    width: int | None = None  # None: as wide as the feature

    def of(self, feature: Tensor) -> Tensor:
        """Return these channels of a feature: a view of it."""
        return feature if self.width is None else feature.narrow(self.axis, self.start, self.width)

    def put(self, feature: Tensor, part: Tensor) -> Tensor:
        """Return the feature with these channels replaced by ``part``; the others are the same, bit for bit."""
        return part if self.width is None else feature.slice_scatter(part, self.axis, self.start, self.start + self.width)


WHOLE = Chunk()


def cut(feature: FeatureShape, parts: int) -> list[Chunk]:
    """Cut a feature into contiguous chunks whose widths differ by at most one, as ``torch.tensor_split`` does.

    >>> from kaslite.blueprints.shape import FeatureKind, FeatureShape
    >>> [chunk.width for chunk in cut(FeatureShape(FeatureKind.DENSE, 8), 3)]
    [3, 3, 2]
    """
    narrow, wider = divmod(feature.width, parts)
    widths = [narrow + (index < wider) for index in range(parts)]
    return [Chunk(feature.kind.axis, sum(widths[:index]), width) for index, width in enumerate(widths)]
