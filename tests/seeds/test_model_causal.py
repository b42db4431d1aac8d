import pytest
import torch
from torch import nn

from kaslite import Advance, BlendingConfig, Germinate, Grower, Plateau, SeededModel


def grown(blueprint: str, *, causal: bool) -> SeededModel:
    """Return a linear host on tokens with one blended seed that has learned something."""
    tokens = torch.randn(8, 5, 4, generator=torch.Generator().manual_seed(0))
    model = SeededModel(nn.Sequential(nn.Linear(4, 4)), at="0", causal=causal, example_input=tokens)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    blending = BlendingConfig(fixed_steps=1, tick="step", strategy="FIXED_RAMP")
    grower = Grower(model, optimizer, controller=Plateau(), blueprints=[blueprint], shadow_lr=0.1, blending=blending)
    for decision in (Germinate("0", 0, blueprint), Advance("0", 0)):
        grower.apply(decision)
        for _ in range(3):
            optimizer.zero_grad()
            (model(tokens) - tokens.roll(1, dims=1)).square().mean().backward()
            optimizer.step()
            grower.after_step()
    return model.eval()


@pytest.mark.parametrize("blueprint", ["attention", "block"])
@pytest.mark.parametrize("causal", [True, False])
def test_a_seed_on_a_causal_host_does_not_look_ahead(blueprint, causal):
    model = grown(blueprint, causal=causal)
    tokens = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(1))
    changed = tokens.clone()
    changed[:, -1] += 1
    with torch.no_grad():
        difference = (model(tokens) - model(changed)).abs().amax((0, 2))
    assert difference[-1] > 0
    assert (difference[:-1] > 0).any() != causal
