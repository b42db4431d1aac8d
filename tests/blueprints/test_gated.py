import pytest
import torch

from kaslite.blueprints import FeatureKind, SeedShape, get


@pytest.mark.parametrize(("kind", "size"), [("dense", (3, 6)), ("sequence", (3, 5, 6)), ("image", (3, 6, 4, 4))])
def test_a_closed_gate_lets_nothing_through(kind, size):
    module = get("gated").build(SeedShape(FeatureKind(kind), 6, 4))
    torch.nn.init.normal_(module.narrow.weight)
    feature = torch.randn(size)
    assert module(feature).abs().max() > 0
    hidden = module.widen.weight.shape[0] // 2
    with torch.no_grad():
        module.widen.weight[:hidden] = 0
        module.widen.bias[:hidden] = 0
    assert module(feature).abs().max() == 0


@pytest.mark.parametrize(("writes", "hidden"), [(12, 12), (3, 8)])
def test_it_has_as_many_hidden_units_as_it_writes_and_eight_at_least(writes, hidden):
    module = get("gated").build(SeedShape(FeatureKind.DENSE, 6, writes))
    assert module.widen.weight.shape == (2 * hidden, 6)
