import enum
import json
import math
from collections import OrderedDict
from typing import NamedTuple

import pytest
import torch

from kaslite.errors import UsageError
from kaslite.lifecycle import SeedState
from kaslite.training.tree import decode, encode


class Pair(NamedTuple):
    left: int
    right: int


def through_json(tree):
    node, tensors = encode(tree)
    return decode(json.loads(json.dumps(node, allow_nan=False)), lambda name: tensors[int(name)])


def same(left, right):
    """Equal, with equal types at every place; NaN equals NaN, and 0.0 is not -0.0."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return list(left) == list(right) and all(
            same(key, other) and same(left[key], right[other]) for key, other in zip(left, right, strict=True)
        )
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, torch.Tensor):
        return left.dtype == right.dtype and left.shape == right.shape and torch.equal(left.cpu(), right)
    return repr(left) == repr(right)


@pytest.mark.parametrize(
    "tree",
    [
        None,
        True,
        1,
        -0.0,
        math.nan,
        math.inf,
        -math.inf,
        5e-324,
        2**63,
        -(2**70),
        "",
        "ü\u2028\ud800\x00",
        [],
        (),
        {},
        [1, (2, [3.0, ()])],
        {1: "int", "1": "str"},
        {-(2**70): None},
        {"": {0: {"a": [{}]}}},
    ],
    ids=ascii,
)
def test_plain_data_come_back_with_their_types(tree):
    assert same(through_json(tree), tree)


def test_a_number_of_more_digits_than_python_reads_comes_back():
    assert through_json(-(16**5000)) == -(16**5000)


@pytest.mark.parametrize(
    "tree",
    [
        {"$": "tensor", "name": "0"},
        {"$": None},
        {"$": {"$": "dict", "items": [["a", 1]]}},
        {"$": 1, 2: 3},
        ["$", {"items": [], "$": "tuple"}],
    ],
)
def test_a_dict_that_looks_like_our_own_marks_is_not_taken_for_one(tree):
    assert same(through_json(tree), tree)


def test_of_subclasses_the_plain_value_is_kept():
    class Level(enum.IntEnum):
        HIGH = 3

    tree = {SeedState.DORMANT: SeedState.BLENDING, "level": Level.HIGH, "size": torch.Size([2, 3]), "pair": Pair(1, 2)}
    plain = {"dormant": "blending", "level": 3, "size": (2, 3), "pair": (1, 2)}
    assert same(through_json(OrderedDict(tree)), plain)


def test_a_tensor_that_stands_in_two_places_comes_back_in_both():
    tensor = torch.arange(3)
    tree = through_json({"a": tensor, "b": [tensor]})
    assert torch.equal(tree["a"], tree["b"][0])


@pytest.mark.parametrize(
    ("tree", "complaint"),
    [
        ({"schedulers": [{"lr_lambdas": lambda step: step}]}, r"^schedulers\.0\.lr_lambdas cannot .* it is of type function"),
        ([0, {"a": (object(),)}], r"^1\.a\.0 cannot .* it is of type object"),
        ({"a": b"bytes"}, r"^a cannot .* it is of type bytes"),
        ({"a": 1j}, r"^a cannot .* it is of type complex"),
        ({"a": {1.5: 0}}, r"^a cannot .* it has the key 1\.5, of type float"),
        ({True: 0}, r"^the tree itself cannot .* it has the key True, of type bool"),
        ({1, 2}, r"^the tree itself cannot .* it is of type set"),
        ([torch.zeros(2, dtype=torch.complex128)], r"^0 cannot .* it is a tensor of torch\.complex128"),
        ([torch.zeros(2, device="meta")], r"^0 cannot .* it is a tensor without numbers"),
        ([torch.eye(2).to_sparse()], r"^0 cannot .* it is a tensor of layout torch\.sparse_coo"),
    ],
)
def test_what_is_not_plain_data_is_refused_with_its_place(tree, complaint):
    with pytest.raises(UsageError, match=complaint):
        encode(tree)


def test_a_tree_that_contains_itself_is_refused():
    tree = {"a": []}
    tree["a"].append(tree)
    with pytest.raises(UsageError, match=r"contains itself, at a\.0\.a\.0"):
        encode(tree)


def test_an_entry_of_an_unknown_kind_is_no_tree():
    with pytest.raises(ValueError, match="'sorcery'"):
        decode({"$": "sorcery"}, None)
