import pytest
import torch

from kaslite.blueprints import FeatureKind, SeedShape, get


def build(reads, writes):
    return get("low_rank").build(SeedShape(FeatureKind.DENSE, reads, writes))


@pytest.mark.parametrize(("reads", "writes", "rank"), [(12, 12, 3), (12, 20, 3), (20, 12, 3), (3, 7, 1), (1, 1, 1)])
def test_its_rank_is_a_quarter_of_the_narrower_width(reads, writes, rank):
    assert sum(parameter.numel() for parameter in build(reads, writes).parameters()) == rank * (reads + writes)


def test_it_is_linear():
    module = build(12, 8)
    torch.nn.init.ones_(module[-1].weight)
    x, y = torch.eye(12)[:2]
    assert torch.allclose(module((2 * x + y)[None]), 2 * module(x[None]) + module(y[None]), atol=1e-6)


def test_on_images_it_mixes_channels_at_each_position():
    module = get("low_rank").build(SeedShape(FeatureKind.IMAGE, 8, 4))
    torch.nn.init.ones_(module[-1].weight)
    image = torch.randn(1, 8, 4, 4)
    assert torch.allclose(module(image)[..., 2, 3], module(image[..., 2:3, 3:4])[..., 0, 0])
