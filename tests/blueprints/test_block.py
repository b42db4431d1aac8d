import torch

from kaslite.blueprints import FeatureKind, SeedShape, get


def build(**shape):
    torch.manual_seed(0)
    module = get("block").build(SeedShape(FeatureKind.SEQUENCE, 8, 8, **shape))
    for last in (module.attention.out, module.feed_forward[-1]):
        torch.nn.init.normal_(last.weight)
    return module


def test_the_host_with_its_delta_is_a_pre_norm_block():
    module, x = build(), torch.randn(2, 5, 8)
    hidden = x + module.attention(x)
    assert torch.allclose(x + module(x), hidden + module.feed_forward(hidden), atol=1e-5)


def test_its_hidden_layer_is_four_times_as_wide():
    assert build().feed_forward[1].weight.shape == (32, 8)


def test_it_is_causal_where_the_shape_says_so():
    assert build(causal=True).attention.causal
    assert not build().attention.causal
