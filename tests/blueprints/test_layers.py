import pytest
import torch
from torch import nn

from kaslite.blueprints import FeatureKind
from kaslite.blueprints.layers import convolution, normalisation, pointwise, zeroed

SIZES = {FeatureKind.DENSE: (3, 6), FeatureKind.SEQUENCE: (3, 5, 6), FeatureKind.IMAGE: (3, 6, 4, 5)}
every_kind = pytest.mark.parametrize(("kind", "size"), SIZES.items())


def test_a_zeroed_layer_is_all_zero_and_draws_nothing():
    before = torch.get_rng_state()
    layer = zeroed(nn.Linear, 3, 4)
    assert isinstance(layer, nn.Linear)
    assert not any(parameter.any() for parameter in layer.parameters())
    assert torch.equal(torch.get_rng_state(), before)


@every_kind
@pytest.mark.parametrize("zero", [False, True])
def test_a_pointwise_layer_changes_the_width_alone(kind, size, zero):
    layer, feature = pointwise(kind, 6, 2, zero=zero), torch.randn(size)
    axis = 1 if kind is FeatureKind.IMAGE else -1
    by_hand = feature.movedim(axis, -1) @ layer.weight.view(2, 6).T + layer.bias
    assert torch.allclose(layer(feature).movedim(axis, -1), by_hand, atol=1e-6)
    assert bool(layer.weight.any()) is not zero


def test_a_convolution_keeps_height_and_width():
    assert convolution(6, 2)(torch.randn(3, 6, 4, 5)).shape == (3, 2, 4, 5)
    assert convolution(6, 6, groups=6).weight.shape == (6, 1, 3, 3)
    assert not convolution(6, 2, zero=True).weight.any()


@every_kind
def test_a_normalisation_keeps_no_statistics_and_ignores_scale(kind, size):
    layer, feature = normalisation(kind, 6), torch.randn(size)
    assert not list(layer.buffers())
    assert torch.allclose(layer(3 * feature), layer(feature), atol=1e-2)


@pytest.mark.parametrize("kind", FeatureKind)
def test_a_single_feature_is_not_normalised(kind):
    assert isinstance(normalisation(kind, 1), nn.Identity)
