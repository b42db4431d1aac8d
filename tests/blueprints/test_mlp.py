import pytest
import torch

from kaslite.blueprints import FeatureKind, SeedShape, get


@pytest.mark.parametrize(("reads", "writes", "hidden"), [(12, 12, 24), (12, 20, 40), (20, 12, 24), (6, 3, 8)])
def test_it_widens_to_twice_what_it_writes_and_eight_at_least(reads, writes, hidden):
    module = get("mlp").build(SeedShape(FeatureKind.DENSE, reads, writes))
    norm, widen, narrow = 2 * reads, reads * hidden + hidden, hidden * writes + writes
    assert sum(parameter.numel() for parameter in module.parameters()) == norm + widen + narrow


def test_on_images_it_acts_at_each_position():
    shape = SeedShape(FeatureKind.IMAGE, 1, 1)  # of one channel nothing is normalised
    module = get("mlp").build(shape)
    torch.nn.init.ones_(module[-1].weight)
    image = torch.randn(1, 1, 4, 4)
    assert torch.allclose(module(image)[..., 2, 3], module(image[..., 2:3, 3:4])[..., 0, 0])
