"""The feature in a submodule's output: the tensor itself, or the first entry of a tuple or list (transformer blocks).

Not for: outputs of other types, which carry no feature that a seed could grow on.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from kaslite.errors import UsageError


def feature_of(output: Any, name: str) -> Tensor:
    """Return the feature in the output of the submodule called ``name``."""
    feature = output[0] if isinstance(output, tuple | list) and output else output
    if isinstance(feature, Tensor) and feature.is_nested:
        raise UsageError(
            f"the output of {name!r} is a nested tensor, which has no shape to grow on; make it dense "
            "(nn.TransformerEncoder: enable_nested_tensor=False)."
        )
    if isinstance(feature, Tensor):
        return feature
    kind = type(output).__name__
    if isinstance(output, tuple | list):
        kind = f"{kind} that starts with a {type(feature).__name__}" if output else f"{kind} without entries"
    raise UsageError(
        f"the output of {name!r} is a {kind}; seeds grow on a tensor, or on one that a tuple or list starts with: "
        "put them on a submodule that returns such a one."
    )


def with_feature(output: Any, feature: Tensor) -> Any:
    """Return the output with its feature replaced; what else it holds is kept."""
    if isinstance(output, Tensor):
        return feature
    rest = (feature, *output[1:])
    return type(output)._make(rest) if hasattr(output, "_make") else type(output)(rest)
