import pytest
import torch

from kaslite.blueprints import FeatureKind, FeatureShape
from kaslite.errors import UsageError


@pytest.mark.parametrize(
    ("size", "kind", "width"),
    [((2, 7), "dense", 7), ((2, 5, 7), "sequence", 7), ((2, 7, 4, 5), "image", 7)],
)
def test_kind_and_width_are_read_off_the_feature(size, kind, width):
    assert FeatureShape.of(torch.zeros(size)) == FeatureShape(kind, width)


@pytest.mark.parametrize("size", [(), (3,), (2, 3, 4, 4, 4)])
def test_other_features_are_refused_with_their_shape(size):
    with pytest.raises(UsageError) as refusal:
        FeatureShape.of(torch.zeros(size))
    assert f"a feature of shape {size} has {len(size)} axes" in str(refusal.value)


@pytest.mark.parametrize(
    ("kind", "positions", "size"),
    [("dense", (), (2, 7)), ("sequence", (5,), (2, 5, 7)), ("image", (4, 5), (2, 7, 4, 5))],
)
def test_a_size_is_read_back_as_its_kind_and_width(kind, positions, size):
    assert FeatureKind(kind).size(2, 7, positions) == size
    assert FeatureShape.of(torch.zeros(size)) == FeatureShape(FeatureKind(kind), 7)


@pytest.mark.parametrize(
    ("kind", "positions", "accepted"),
    [("dense", (3,), r"\(\)"), ("sequence", (), r"\(tokens,\)"), ("image", (3,), r"\(height, width\)")],
)
def test_positions_of_another_kind_are_refused(kind, positions, accepted):
    with pytest.raises(UsageError, match=f"do not fit a feature of kind '{kind}'; it takes {accepted}"):
        FeatureKind(kind).size(1, 4, positions)
