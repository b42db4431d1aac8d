"""A tree of plain data and tensors as strict JSON and a list of its tensors, and back.

What holds a tree together is kept: types of keys, tuples, infinities. Of subclasses (`OrderedDict`, named tuples, enums,
`Parameter`) the plain value is kept. What JSON has no form for is ``{"$": what it is, ...}``; a dict of the user's that
has the key ``"$"`` is itself written in that manner.

Not for: how it lies in a file.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kaslite.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e4m3fnuz: "F8_E4M3FNUZ",
    torch.float8_e5m2: "F8_E5M2",
    torch.float8_e5m2fnuz: "F8_E5M2FNUZ",
    torch.float8_e8m0fnu: "F8_E8M0",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint64: "U64",
    torch.uint32: "U32",
    torch.uint16: "U16",
    torch.uint8: "U8",
    torch.bool: "BOOL",
    torch.complex64: "C64",
}
"""Numbers that a tensor may hold, and their names in safetensors files."""

_TAG = "$"
_DEEPEST = 100  # levels


def encode(tree: Any) -> tuple[Any, list[Tensor]]:
    """Return the tree as strict JSON data, and its tensors, to whose indices the data point.

    >>> encode({"epoch": 3, "loss": float("inf"), "betas": (0.9, 0.999)})[0]
    {'epoch': 3, 'loss': {'$': 'float', 'value': 'inf'}, 'betas': {'$': 'tuple', 'items': [0.9, 0.999]}}

    Raises:
        UsageError: if something in the tree is not plain data, with its place.
    """
    tensors: list[Tensor] = []
    return _plain(tree, (), tensors), tensors


def decode(node: Any, tensor: Callable[[str], Tensor]) -> Any:
    """Return the tree that was encoded.

    Args:
        node: what `encode` returned.
        tensor: maps the index of a tensor, as text, to the tensor.

    Raises:
        ValueError: if ``encode`` never returns such a thing.
    """
    if isinstance(node, list):
        return [decode(item, tensor) for item in node]
    if not isinstance(node, dict):
        return node
    match node.get(_TAG):
        case None:
            return {key: decode(value, tensor) for key, value in node.items()}
        case "tensor":
            return tensor(node["name"])
        case "tuple":
            return tuple(decode(item, tensor) for item in node["items"])
        case "dict":
            return {decode(key, tensor): decode(value, tensor) for key, value in node["items"]}
        case "float":
            return float(node["value"])
        case "int":
            return int(node["hex"], 16)
        case unknown:
            raise ValueError(f"an entry of kind {unknown!r}")


def _plain(node: Any, place: tuple[object, ...], tensors: list[Tensor]) -> Any:
    """Return the node as strict JSON; its tensors are appended to ``tensors`` and stand in it by their index."""
    if len(place) > _DEEPEST:
        raise UsageError(f"the tree is nested more than {_DEEPEST} levels deep, or contains itself, at {_said(place[:5])}.")
    match node:
        case None | bool() | str():
            return node
        case int():  # long ones in hex: others stop at 64 bits, and Python at 4,300 digits
            return node if node.bit_length() < 64 else {_TAG: "int", "hex": hex(node)}
        case float():
            return node if math.isfinite(node) else {_TAG: "float", "value": str(float(node))}
        case Tensor():
            tensors.append(_storable(node, place))
            return {_TAG: "tensor", "name": str(len(tensors) - 1)}
        case list():
            return [_plain(item, (*place, index), tensors) for index, item in enumerate(node)]
        case tuple():
            return {_TAG: "tuple", "items": [_plain(item, (*place, index), tensors) for index, item in enumerate(node)]}
        case dict():
            return _plain_dict(node, place, tensors)
        case _:
            raise _refusal(place, f"is of type {type(node).__name__}")


def _plain_dict(node: dict[Any, Any], place: tuple[object, ...], tensors: list[Tensor]) -> Any:
    for key in node:
        if not isinstance(key, str | int) or isinstance(key, bool):
            raise _refusal(place, f"has the key {key!r}, of type {type(key).__name__}")
    items = [(key, _plain(value, (*place, key), tensors)) for key, value in node.items()]
    if _TAG not in node and all(isinstance(key, str) for key in node):
        return dict(items)
    return {_TAG: "dict", "items": [[_plain(key, place, tensors), value] for key, value in items]}


def _storable(tensor: Tensor, place: tuple[object, ...]) -> Tensor:
    if tensor.layout is not torch.strided or tensor.is_meta:
        raise _refusal(place, "is a tensor without numbers" if tensor.is_meta else f"is a tensor of layout {tensor.layout}")
    if tensor.dtype not in DTYPES:
        raise _refusal(place, f"is a tensor of {tensor.dtype}")
    return tensor


def _refusal(place: tuple[object, ...], what: str) -> UsageError:
    return UsageError(
        f"{_said(place)} cannot be stored in a checkpoint: it {what}. A checkpoint holds dicts with str or int keys, lists, "
        "tuples, texts, numbers, bools, None, and dense tensors of the types that safetensors files have; store the state of "
        "an object in place of the object."
    )


def _said(place: tuple[object, ...]) -> str:
    return ".".join(map(str, place)) or "the tree itself"
