"""The kinds of features that a network carries, found from the tensor itself.

Not for: what a module does with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NoReturn

from kaslite.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from torch import Tensor


class FeatureKind(StrEnum):
    """What the axes of a feature mean."""

    DENSE = "dense"  # (batch, features)
    SEQUENCE = "sequence"  # (batch, tokens, features)
    IMAGE = "image"  # (batch, channels, height, width)

    @classmethod
    def _missing_(cls, value: object) -> NoReturn:
        raise unknown_name("kind of feature", str(value), [kind.value for kind in cls])

    @property
    def axis(self) -> int:
        """The axis of the features or channels."""
        return 1 if self is FeatureKind.IMAGE else -1

    def size(self, samples: int, width: int, positions: tuple[int, ...] = ()) -> tuple[int, ...]:
        """Return the size of a tensor that holds such a feature.

        Args:
            samples: how many.
            width: features or channels.
            positions: ``()`` for dense, ``(tokens,)`` for a sequence, ``(height, width)`` for an image.

        Raises:
            UsageError: if the positions are not those of this kind.

        >>> FeatureKind.IMAGE.size(2, 16, (8, 8))
        (2, 16, 8, 8)
        """
        expected = _POSITIONS[self]
        if len(positions) != len(expected):
            wanted = f"({', '.join(expected)}{',' * (len(expected) == 1)})"
            raise UsageError(f"positions={tuple(positions)} do not fit a feature of kind {str(self)!r}; it takes {wanted}.")
        return (samples, width, *positions) if self is FeatureKind.IMAGE else (samples, *positions, width)


_POSITIONS = {FeatureKind.DENSE: (), FeatureKind.SEQUENCE: ("tokens",), FeatureKind.IMAGE: ("height", "width")}
_BY_AXES = {2: FeatureKind.DENSE, 3: FeatureKind.SEQUENCE, 4: FeatureKind.IMAGE}


@dataclass(frozen=True)
class FeatureShape:
    """Kind and width of the feature at one point of a network."""

    kind: FeatureKind
    width: int  # features or channels

    @classmethod
    def of(cls, feature: Tensor) -> FeatureShape:
        """Read the kind and the width off a feature.

        Raises:
            UsageError: if it has no axes that we know.
        """
        kind = _BY_AXES.get(feature.ndim)
        if kind is None:
            raise UsageError(
                f"a feature of shape {tuple(feature.shape)} has {feature.ndim} axes; seeds grow on (batch, features), "
                "(batch, tokens, features) and (batch, channels, height, width)."
            )
        return cls(kind, feature.shape[kind.axis])


@dataclass(frozen=True)
class SeedShape:
    """What a seed reads and what it writes: all that a blueprint has to know."""

    kind: FeatureKind
    reads: int  # width of what it reads
    writes: int  # width of what it returns
    causal: bool = False  # of a sequence: a token must not learn of later ones
