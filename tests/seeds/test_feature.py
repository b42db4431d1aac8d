from typing import NamedTuple

import pytest
import torch

from kaslite.errors import UsageError
from kaslite.seeds.feature import feature_of, with_feature

FEATURE = torch.zeros(2, 3)
GROWN = torch.ones(2, 3)
WEIGHTS = torch.full((2, 2), 0.5)


class Attended(NamedTuple):
    hidden: torch.Tensor
    weights: torch.Tensor


OUTPUTS = {
    "tensor": (FEATURE, GROWN),
    "tuple": ((FEATURE, WEIGHTS), (GROWN, WEIGHTS)),
    "tuple of one": ((FEATURE,), (GROWN,)),
    "list": ([FEATURE, None, {"cache": WEIGHTS}], [GROWN, None, {"cache": WEIGHTS}]),
    "namedtuple": (Attended(FEATURE, WEIGHTS), Attended(GROWN, WEIGHTS)),
}
every_output = pytest.mark.parametrize(("output", "grown"), OUTPUTS.values(), ids=OUTPUTS.keys())


def parts(output):
    return [output] if isinstance(output, torch.Tensor) else list(output)


@every_output
def test_the_feature_is_the_tensor_or_the_first_entry(output, grown):
    assert feature_of(output, "block") is FEATURE
    assert feature_of(grown, "block") is GROWN


@every_output
def test_a_replaced_feature_leaves_type_and_all_else_as_it_was(output, grown):
    replaced = with_feature(output, GROWN)
    assert type(replaced) is type(output)
    assert all(one is other or one == other for one, other in zip(parts(replaced), parts(grown), strict=True))


@every_output
def test_replacing_does_not_touch_the_original(output, grown):
    before = parts(output)
    assert with_feature(output, GROWN) is not output
    assert all(one is other for one, other in zip(parts(output), before, strict=True))
    assert grown is not output


def test_the_fields_of_a_namedtuple_keep_their_names():
    assert with_feature(Attended(FEATURE, WEIGHTS), GROWN).hidden is GROWN


@pytest.mark.parametrize(
    ("output", "type_name"),
    [
        ({"hidden": FEATURE}, "dict"),
        (None, "NoneType"),
        ("feature", "str"),
        ((), "tuple without entries"),
        ([], "list without entries"),
        ((None, FEATURE), "tuple that starts with a NoneType"),
    ],
)
def test_an_output_without_a_feature_is_refused_by_name_and_type(output, type_name):
    with pytest.raises(UsageError, match=f"the output of 'blocks.0' is a {type_name}; seeds grow on a tensor"):
        feature_of(output, "blocks.0")
