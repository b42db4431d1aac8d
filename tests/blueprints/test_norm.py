import pytest
import torch

from kaslite.blueprints import FeatureKind, SeedShape, get
from kaslite.errors import UsageError

SIZES = {FeatureKind.DENSE: (3, 6), FeatureKind.SEQUENCE: (3, 5, 6), FeatureKind.IMAGE: (3, 6, 4, 4)}


@pytest.mark.parametrize(("kind", "size"), SIZES.items())
def test_with_a_gain_of_one_it_returns_the_feature_at_mean_zero_and_spread_one(kind, size):
    module = get("norm").build(SeedShape(kind, 6, 6))
    torch.nn.init.ones_(module.weight)
    normal = module(5 + 3 * torch.randn(size))
    axes = (1, 2, 3) if kind is FeatureKind.IMAGE else -1
    assert normal.mean(axes).abs().max() < 1e-5
    assert (normal.std(axes, correction=0) - 1).abs().max() < 1e-3


def test_it_has_two_numbers_a_feature():
    assert get("norm").cost(SeedShape(FeatureKind.DENSE, 6, 6)).params == 12


@pytest.mark.parametrize("widths", [(1, 1), (6, 3)])
def test_a_single_feature_and_another_width_are_refused(widths):
    with pytest.raises(UsageError, match="'norm' does not grow on"):
        get("norm").build(SeedShape(FeatureKind.DENSE, *widths))
