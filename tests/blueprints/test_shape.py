import pytest
import torch

from kaslite.blueprints import FeatureShape
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
