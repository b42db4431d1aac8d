"""Layers that recipes share, for any kind of feature. All draw from torch's global generator when they are built.

Not for: recipes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from torch import nn

from kaslite.blueprints.shape import FeatureKind

if TYPE_CHECKING:
    from collections.abc import Callable

Layer = TypeVar("Layer", bound=nn.Module)


def zeroed(layer: Callable[..., Layer], *args: Any, **kwargs: Any) -> Layer:
    """Build a layer with all its parameters at zero, without drawing: that would take half the time of a germination.

    As the last layer of a seed it makes the delta exactly 0 at birth, while its own gradient is not; after one step the
    layers before it have theirs. Never before a normalisation: there the gradient would be zero for ever.
    """
    module: Layer = nn.utils.skip_init(layer, *args, **kwargs)
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def pointwise(kind: FeatureKind, reads: int, writes: int, *, bias: bool = True, zero: bool = False) -> nn.Linear | nn.Conv2d:
    """Build a linear map of the features at each position: ``Linear``, or a convolution of 1 x 1 for images."""
    if kind is FeatureKind.IMAGE:
        return _build(nn.Conv2d, reads, writes, kernel_size=1, bias=bias, zero=zero)
    return _build(nn.Linear, reads, writes, bias=bias, zero=zero)


def convolution(reads: int, writes: int, *, groups: int = 1, zero: bool = False) -> nn.Conv2d:
    """Build a convolution of 3 x 3 that keeps height and width."""
    return _build(nn.Conv2d, reads, writes, kernel_size=3, padding=1, groups=groups, zero=zero)


def normalisation(kind: FeatureKind, width: int) -> nn.Module:
    """Build a normalisation that keeps no statistics: over features, or over channels and positions of an image.

    For a single feature it is the identity: of one number normalising leaves nothing, and an image of one channel and
    one position is one number.
    """
    if width == 1:
        return nn.Identity()
    return nn.GroupNorm(1, width) if kind is FeatureKind.IMAGE else nn.LayerNorm(width)


def _build(layer: Callable[..., Layer], *args: Any, zero: bool, **kwargs: Any) -> Layer:
    return zeroed(layer, *args, **kwargs) if zero else layer(*args, **kwargs)
