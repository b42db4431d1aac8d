import torch

from kaslite.blueprints import FeatureKind, SeedShape, get


def test_before_the_last_layer_channels_do_not_mix():
    module = get("depthwise").build(SeedShape(FeatureKind.IMAGE, 6, 4))
    within = module[1]
    image = torch.randn(2, 6, 5, 5)
    other = image.clone()
    other[:, 3] += 1
    changed = (within(other) - within(image)).abs().amax((0, 2, 3)) > 0
    assert changed.tolist() == [False, False, False, True, False, False]


def test_it_is_far_cheaper_than_full_convolutions():
    shape = SeedShape(FeatureKind.IMAGE, 32, 32)
    cheap, full = (get(name).cost(shape, (8, 8)) for name in ("depthwise", "conv_enhance"))
    assert cheap.params < full.params / 10
    assert cheap.flops < full.flops / 10
