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
        return cls(kind, feature.shape[1 if kind is FeatureKind.IMAGE else -1])


@dataclass(frozen=True)
class SeedShape:
    """What a seed reads and what it writes: all that a blueprint has to know."""

    kind: FeatureKind
    reads: int  # width of what it reads
    writes: int  # width of what it returns
