import pytest

from kaslite.blueprints import FeatureKind, SeedShape, get


@pytest.mark.parametrize(("writes", "hidden"), [(32, 8), (6, 4)])
def test_its_convolution_has_a_quarter_of_the_channels_and_four_at_least(writes, hidden):
    module = get("bottleneck").build(SeedShape(FeatureKind.IMAGE, 6, writes))
    assert module[1].weight.shape == (hidden, 6, 1, 1)
    assert module[3].weight.shape == (hidden, hidden, 3, 3)
    assert module[5].weight.shape == (writes, hidden, 1, 1)
