"""Seeds on layers that pass on what they get: one tensor object goes through all of them, and depth grows there."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kaslite import Advance, Germinate, SeedState, Span
from tests.growing import Growth
from tests.hosts import WIDTH

SHRINK = 0.9
EMPTY = ("blocks.1", "blocks.2", "blocks.3")


class Deep(nn.Module):
    """One block and three empty ones; ``in_place``, each overwrites what the seed there read or wrote."""

    def __init__(self, *, in_place: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Linear(6, WIDTH)
        self.blocks = nn.ModuleList([nn.Linear(WIDTH, WIDTH), *(nn.Identity() for _ in EMPTY)])
        self.head = nn.Linear(WIDTH, 2)
        self.in_place = in_place

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        hidden = self.stem(inputs).relu()
        for block in self.blocks:
            hidden = block(hidden).mul_(SHRINK) if self.in_place else block(hidden)
        return self.head(hidden)


def grown(*, in_place: bool = False, at: str | list = "blocks.*", steps: int = 6) -> Growth:
    """Grow a seed on each empty layer, one after the other, and train; the last stays in the shadow."""
    growth = Growth(Deep(in_place=in_place), at, fixed_steps=1, measured=False)
    for layer in EMPTY:
        growth.grower.apply(Germinate(layer, 0, "mlp"))
        growth.step()
        if layer != EMPTY[-1]:
            growth.grower.apply(Advance(layer, 0))
        for _ in range(steps):
            growth.step()
    return growth


def by_hand(growth: Growth) -> torch.Tensor:
    """Compute the output without hooks, from the modules alone."""
    host = growth.model.host
    hidden = host.blocks[0](host.stem(growth.inputs).relu())
    hidden = hidden * SHRINK if host.in_place else hidden
    for layer in EMPTY[:2]:
        hidden = hidden + growth.model.seed_at(layer, 0).module(hidden)
        hidden = hidden * SHRINK if host.in_place else hidden
    return host.head(hidden * SHRINK if host.in_place else hidden)  # after the last layer, whose seed is in the shadow


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_each_seed_reads_what_the_one_before_it_wrote(in_place: bool, training: bool) -> None:  # noqa: FBT001
    growth = grown(in_place=in_place)
    growth.model.train(training)
    assert [seed.alpha.item() for seed in growth.model.seeds] == [0, 1, 1, 0]
    assert all(growth.model.seed_at(layer, 0).module[-1].weight.any() for layer in EMPTY)  # each has learned something
    torch.testing.assert_close(growth.model(growth.inputs), by_hand(growth))


def test_a_seed_in_the_shadow_there_leaves_the_host_bit_for_bit_as_it_is() -> None:
    growth, plain = (Growth(Deep(), fixed_steps=1, measured=False) for _ in range(2))
    growth.grower.apply(Germinate(EMPTY[0], 0, "mlp"))
    for _ in range(4):
        growth.step()
        plain.step()
    assert growth.model.seed_at(EMPTY[0], 0).module[-1].weight.any()
    assert all(map(torch.equal, growth.model.parameters(), plain.model.parameters()))


@pytest.mark.parametrize("sick", EMPTY[:2])
def test_of_several_in_a_row_the_one_that_goes_bad_is_blamed(sick: str) -> None:
    growth = grown()
    with torch.no_grad():
        growth.model.seed_at(sick, 0).module[-1].bias.fill_(torch.inf)
    host = [parameter.clone() for parameter in growth.model.host.parameters()]
    growth.step()
    assert {seed.layer_name for seed in growth.model.seeds if seed.state is SeedState.EMBARGOED} == {sick}
    assert all(map(torch.equal, growth.model.host.parameters(), host))


def test_a_span_between_two_of_them_reads_the_one_and_writes_the_other() -> None:
    growth = Growth(Deep(), [Span(writes="blocks.3", reads="blocks.1"), "blocks.2"], fixed_steps=1, measured=False)
    for layer in ("blocks.2", "blocks.3"):
        growth.grower.apply(Germinate(layer, 0, "mlp"))
        growth.step()
        growth.grower.apply(Advance(layer, 0))
        for _ in range(4):
            growth.step()
    host, modules = growth.model.host, {seed.layer_name: seed.module for seed in growth.model.seeds}
    first = host.blocks[0](host.stem(growth.inputs).relu())
    expected = host.head(first + modules["blocks.2"](first) + modules["blocks.3"](first))
    torch.testing.assert_close(growth.model(growth.inputs), expected)


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
@pytest.mark.parametrize("training", [False, True])
def test_compiled_they_answer_as_they_do_eagerly(training: bool) -> None:  # noqa: FBT001
    torch.compiler.reset()
    growth = grown(steps=2)
    growth.model.train(training)
    compiled = torch.compile(growth.model, backend="aot_eager")
    torch.testing.assert_close(compiled(growth.inputs), by_hand(growth))
