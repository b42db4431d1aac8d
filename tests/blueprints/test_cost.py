import pytest
import torch
from torch import nn

from kaslite.blueprints import Blueprint, Cost, FeatureKind, SeedShape, get
from kaslite.errors import UsageError

DENSE = SeedShape(FeatureKind.DENSE, 8, 8)


def cost(recipe, shape=DENSE, positions=()):
    return Blueprint("under_test", frozenset(FeatureKind), lambda _: recipe()).cost(shape, positions)


@pytest.mark.parametrize(
    ("recipe", "flops"),
    [
        (lambda: nn.Linear(8, 4, bias=False), 2 * 8 * 4),
        (nn.GELU, 8),
        (nn.Identity, 0),
        (lambda: nn.LayerNorm(8), 5 * 8),
        (lambda: nn.Softmax(dim=-1), 5 * 8),
        (lambda: nn.Sequential(nn.Linear(8, 4), nn.Sigmoid()), 2 * 8 * 4 + 4),
    ],
)
def test_the_declared_rule(recipe, flops):
    assert cost(recipe).flops == flops


def test_a_mean_costs_what_it_takes_in():
    class Mean(nn.Module):
        def forward(self, image):
            return image.mean((2, 3))

    assert cost(Mean, SeedShape(FeatureKind.IMAGE, 2, 2), (4, 5)).flops == 2 * 4 * 5


def test_a_convolution_is_counted_at_every_position():
    shape = SeedShape(FeatureKind.IMAGE, 3, 5)
    assert cost(lambda: nn.Conv2d(3, 5, 3, padding=1, bias=False), shape, (4, 6)).flops == 2 * 9 * 3 * 5 * 4 * 6


def test_attention_counts_its_scores():
    shape, tokens = SeedShape(FeatureKind.SEQUENCE, 32, 32), 10
    products = 2 * tokens * 32 * (3 * 32) + 2 * (2 * tokens * tokens * 32) + 2 * tokens * 32 * 32
    flops = get("attention").cost(shape, (tokens,)).flops
    assert products < flops < 1.2 * products


def test_a_documented_example():
    hidden = 2 * 12
    assert get("mlp").cost(SeedShape(FeatureKind.DENSE, 12, 12)) == Cost(
        params=2 * 12 + 12 * hidden + hidden + hidden * 12 + 12,
        flops=5 * 12 + 2 * 12 * hidden + hidden + 2 * hidden * 12,
    )


def test_counting_draws_nothing_from_the_global_stream():
    before = torch.get_rng_state()
    get("mlp").cost(DENSE)
    assert torch.equal(torch.get_rng_state(), before)


def test_positions_that_do_not_fit_are_refused():
    with pytest.raises(UsageError, match="positions=\\(5,\\) do not fit a feature of kind 'dense'"):
        get("mlp").cost(DENSE, (5,))
