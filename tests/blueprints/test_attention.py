import pytest
import torch

from kaslite.blueprints import FeatureKind, SeedShape, get


def build(kind="sequence", width=8, *, causal=False):
    torch.manual_seed(0)
    module = get("attention").build(SeedShape(FeatureKind(kind), width, width, causal=causal))
    torch.nn.init.normal_(module.out.weight)
    return module


def by_hand(module, tokens):
    """Compute one head of attention with loops."""
    queries, keys, values = module.queries_keys_values(module.norm(tokens)).chunk(3, dim=-1)
    out = torch.zeros_like(values)
    for sample in range(len(tokens)):
        for i in range(tokens.shape[1]):
            seen = i + 1 if module.causal else tokens.shape[1]
            scores = torch.stack([queries[sample, i] @ keys[sample, j] for j in range(seen)]) / queries.shape[-1] ** 0.5
            out[sample, i] = sum(share * values[sample, j] for j, share in enumerate(scores.softmax(0)))
    return module.out(out)


@pytest.mark.parametrize("causal", [False, True])
def test_it_computes_attention(causal):
    module, tokens = build(causal=causal), torch.randn(2, 5, 8)
    assert torch.allclose(module(tokens), by_hand(module, tokens), atol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
def test_only_a_causal_one_ignores_later_tokens(causal):
    module, tokens = build(causal=causal), torch.randn(2, 5, 8)
    later = tokens.clone()
    later[:, -1] *= -1
    assert torch.allclose(module(tokens)[:, :-1], module(later)[:, :-1], atol=1e-6) is causal


def test_positions_of_an_image_look_at_one_another():
    module, image = build("image"), torch.randn(2, 8, 3, 4)
    tokens = module.norm(image).flatten(2).transpose(1, 2)
    assert torch.allclose(module(image).flatten(2).transpose(1, 2), module.attend(tokens))
    assert torch.allclose(module(image.transpose(2, 3)).transpose(2, 3), module(image), atol=1e-5)


@pytest.mark.parametrize(("width", "heads", "inner"), [(1, 1, 8), (12, 1, 12), (48, 1, 32), (64, 2, 64)])
def test_heads_have_32_features_and_a_narrow_feature_one_head(width, heads, inner):
    module = build(width=width)
    assert module.heads == heads
    assert module.queries_keys_values.weight.shape == (3 * inner, width)


def test_queries_keys_and_values_all_get_a_gradient():
    module = build()
    module(torch.randn(4, 5, 8)).square().sum().backward()
    norms = [part.norm() for part in module.queries_keys_values.weight.grad.chunk(3)]
    assert min(norms) > 1e-3 * max(norms)
