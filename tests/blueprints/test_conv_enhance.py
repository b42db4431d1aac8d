import pytest
import torch

from kaslite.blueprints import FeatureKind, SeedShape, get


def test_a_pixel_sees_two_pixels_in_each_direction():
    module = get("conv_enhance").build(SeedShape(FeatureKind.IMAGE, 1, 1))  # of one channel nothing is normalised
    torch.nn.init.normal_(module[-1].weight)
    image = torch.zeros(1, 1, 9, 9, requires_grad=True)
    module(image)[0, 0, 4, 4].backward()
    seen = image.grad[0, 0] != 0
    assert seen[2:7, 2:7].all()
    assert seen.sum() == 25


@pytest.mark.parametrize(("writes", "hidden"), [(6, 6), (2, 4)])
def test_it_has_as_many_hidden_channels_as_it_writes_and_four_at_least(writes, hidden):
    module = get("conv_enhance").build(SeedShape(FeatureKind.IMAGE, 3, writes))
    assert module[1].weight.shape == (hidden, 3, 3, 3)
