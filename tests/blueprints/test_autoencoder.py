import pytest
import torch

from kaslite.blueprints import FeatureKind, SeedShape, get

SIZES = {FeatureKind.DENSE: (3, 6), FeatureKind.SEQUENCE: (3, 5, 6), FeatureKind.IMAGE: (3, 6, 4, 4)}


@pytest.mark.parametrize(("kind", "size"), SIZES.items())
def test_with_open_gates_a_blend_is_the_documented_one(kind, size):
    module, x, alpha = get("autoencoder").build(SeedShape(kind, 6, 6)), torch.randn(size), 0.3
    torch.nn.init.ones_(module.gate)
    assert torch.allclose(x + alpha * module(x), (1 - alpha) * x + alpha * module.child(x), atol=1e-6)


def test_its_child_is_four_times_as_wide_inside():
    module = get("autoencoder").build(SeedShape(FeatureKind.DENSE, 6, 6))
    assert module.child[0].weight.shape == (24, 6)
    assert module.child[2].weight.shape == (6, 24)


def test_its_child_learns_to_reproduce_whatever_the_gates_are():
    torch.manual_seed(0)
    module, x = get("autoencoder").build(SeedShape(FeatureKind.DENSE, 6, 6)), torch.randn(64, 6)
    optimizer = torch.optim.Adam(module.child.parameters(), lr=1e-2)
    losses = []
    for _ in range(200):
        optimizer.zero_grad()
        loss = (module.child(x) - x).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.02 * losses[0]
    assert module(x).abs().max() == 0
