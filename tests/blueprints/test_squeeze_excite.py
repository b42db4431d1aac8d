import torch

from kaslite.blueprints import FeatureKind, SeedShape, get


def build():
    torch.manual_seed(0)
    module = get("squeeze_excite").build(SeedShape(FeatureKind.IMAGE, 6, 6))
    torch.nn.init.normal_(module.excite[2].weight, std=5)
    return module


def test_a_channel_is_scaled_by_one_factor_between_zero_and_two():
    image = torch.randn(3, 6, 4, 4)
    factors = (image + build()(image)) / image
    assert torch.allclose(factors, factors.mean((2, 3), keepdim=True).expand_as(factors), atol=1e-3)
    assert factors.min() >= -1e-5
    assert factors.max() <= 2 + 1e-5


def test_the_factors_depend_on_the_means_alone():
    module, image = build(), torch.randn(3, 6, 4, 4)
    turned = image.flip(2, 3)
    assert torch.allclose(module(turned), module(image).flip(2, 3), atol=1e-6)
