"""The check of a newborn: one pass of a small input, before anything of it is kept.

What a user's recipe builds is trusted no further than this: a delta that is not zero would change the model's output, a module
that works in place would change the host's feature, and a wrong width would fail in the middle of training.
Not for: whether it learns; `kaslite.testing` has the whole conformance kit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from kaslite.blueprints.shape import FeatureKind
from kaslite.errors import UsageError

if TYPE_CHECKING:
    from kaslite.blueprints import SeedShape

_POSITIONS = {FeatureKind.DENSE: (), FeatureKind.SEQUENCE: (4,), FeatureKind.IMAGE: (4, 4)}


def check_newborn(module: nn.Module, blueprint: str, shape: SeedShape, *, has_child: bool = False) -> None:
    """Refuse a module that cannot be a seed, with the reason.

    Args:
        module: what was built.
        blueprint: the name of its recipe.
        shape: what it was built for.
        has_child: whether the blueprint declares a child that can learn to reproduce what the seed reads.

    Raises:
        UsageError: unless it is a module with trainable parameters that maps a feature of the read width to zeros of the
            written width and leaves the feature as it is.
    """
    if not isinstance(module, nn.Module):
        raise UsageError(f"blueprint {blueprint!r} built a {type(module).__name__}; it has to build an nn.Module.")
    parameter = next((p for p in module.parameters() if p.requires_grad), None)
    if parameter is None:
        raise UsageError(f"blueprint {blueprint!r} built a module without trainable parameters, which could never learn.")
    size = shape.kind.size(2, shape.reads, _POSITIONS[shape.kind])
    feature = torch.linspace(-1, 1, torch.Size(size).numel(), dtype=parameter.dtype, device=parameter.device).reshape(size)
    complaint = _complaint(module, feature, shape.kind.size(2, shape.writes, _POSITIONS[shape.kind]))
    if complaint is None and has_child:
        complaint = _complaint_of_child(module, feature)
    if complaint is not None:
        raise UsageError(f"blueprint {blueprint!r} {complaint}.")


def _complaint(module: nn.Module, feature: Tensor, expected: tuple[int, ...]) -> str | None:
    passed = feature.clone()
    with torch.no_grad():
        try:
            delta = module(passed)
        except Exception as error:  # noqa: BLE001  whatever a user's module raises
            return f"fails on a feature of shape {tuple(feature.shape)}: {error}"
    if not isinstance(delta, Tensor) or delta.shape != expected:
        received = tuple(delta.shape) if isinstance(delta, Tensor) else type(delta).__name__
        return f"maps a feature of shape {tuple(feature.shape)} to {received}; it has to return {expected}"
    if not torch.equal(passed, feature):
        return "changes the feature that it reads: it must not work in place on its input"
    if delta.any():
        return "does not return zeros at birth, so germinating would change the model's output; start its last layer at zero"
    return None


def _complaint_of_child(module: nn.Module, feature: Tensor) -> str | None:
    child = getattr(module, "child", None)
    if not isinstance(child, nn.Module) or not any(parameter.requires_grad for parameter in child.parameters()):
        return "declares a child, and what it builds has no submodule `child` with trainable parameters"
    with torch.no_grad():
        copy = child(feature)
    if not isinstance(copy, Tensor) or copy.shape != feature.shape:
        return f"has a child that does not map a feature of shape {tuple(feature.shape)} to one of the same shape"
    return None
