"""A seed that is fully in costs what the same module costs when it is written into the host by hand."""

import copy

import torch
from torch import nn

import kaslite
from benchmarks.paired import compare, timed
from kaslite.tasks.hosts.mlp import MLP

RATIO_BAR = 1.05
BATCH, WIDTH, LAYERS = 256, 256, 4
PLACE = ("blocks.1", 0)


class Residual(nn.Module):
    """What one writes by hand: a block, and a branch beside it."""

    def __init__(self, block, branch):
        super().__init__()
        self.block, self.branch = block, branch

    def forward(self, inputs):
        hidden = self.block(inputs)
        return hidden + self.branch(hidden)


def step(model, inputs):
    def work():
        model.zero_grad()
        model(inputs).sum().backward()

    return work


def grow(model, inputs):
    """Bring the seed to alpha 1 on the path that a run takes."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    blending = kaslite.BlendingConfig(fixed_steps=5, tick="step", strategy="FIXED_RAMP")
    grower = kaslite.Grower(model, optimizer, controller=kaslite.Plateau(), blueprints=["mlp"], blending=blending)

    def train(steps):
        for _ in range(steps):
            step(model, inputs)()
            optimizer.step()
            grower.after_step()

    grower.apply(kaslite.Germinate(*PLACE, "mlp"))
    train(3)
    grower.apply(kaslite.Advance(*PLACE))
    train(6)


def test_step_of_a_grown_model():
    inputs = torch.randn(BATCH, WIDTH)
    model = kaslite.SeededModel(MLP(WIDTH, WIDTH, LAYERS, 10), at="blocks.*", example_input=inputs)
    grow(model, inputs)
    seed = model.seed_at(*PLACE)
    assert seed.alpha == 1
    by_hand = copy.deepcopy(model).host
    for module in by_hand.modules():
        module._forward_hooks.clear()
    by_hand.blocks[1] = Residual(by_hand.blocks[1], copy.deepcopy(seed.module))
    torch.testing.assert_close(model(inputs), by_hand(inputs))
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in by_hand.parameters())
    paired = compare(timed(step(model, inputs)), timed(step(by_hand, inputs)), rounds=300)
    paired.report("grown seed / the same module by hand", RATIO_BAR)
