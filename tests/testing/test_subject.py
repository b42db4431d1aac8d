import math

import pytest
import torch

from kaslite.testing.subject import distance, require
from tests.testing.planted import sound, subject


def test_streams_make_modules():
    case = subject(sound)
    one, same, other = (case.build(stream)[1].weight for stream in ("a", "a", "b"))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_shaken_module_has_no_parameter_at_zero():
    assert all(parameter.all() for parameter in subject(sound).build_shaken().parameters())


def test_building_leaves_the_global_stream_alone():
    before = torch.get_rng_state()
    subject(sound).build_shaken()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("kind", "size"), [("dense", (2, 6)), ("sequence", (2, 5, 6)), ("image", (2, 6, 6, 6))])
def test_a_feature_has_the_size_of_its_kind(kind, size):
    case = subject(sound, kind, writes=3, dtype=torch.bfloat16)
    assert case.read(2).shape == size
    assert case.read(2).dtype is torch.bfloat16
    assert case.written_size(2) == tuple(
        3 if axis == (1 if kind == "image" else len(size) - 1) else n for axis, n in enumerate(size)
    )


def test_its_name_tells_the_case():
    assert str(subject(sound, "sequence", causal=True, writes=3)) == "planted-sequence-causal-6-3-float32-cpu"


def test_what_does_not_hold_is_an_assertion_error():
    require(1, "never seen")
    with pytest.raises(AssertionError, match="because"):
        require(0, "because")


def test_distance_is_relative_and_not_a_number_is_no_distance():
    assert distance(torch.tensor([3.0]), torch.tensor([2.0])) == pytest.approx(0.5)
    assert math.isnan(distance(torch.tensor([math.nan]), torch.tensor([2.0])))
