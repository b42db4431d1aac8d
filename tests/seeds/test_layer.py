from __future__ import annotations

import pytest
import torch
from torch import nn

import kaslite
from kaslite import SeedState, Span
from kaslite.seeds import SeededModel
from tests.growing import PATH, Growth
from tests.hosts import build, hooks, samples


def blended(*args, **kwargs) -> Growth:
    growth = Growth(*args, **kwargs).reach(SeedState.SHADOWING)
    growth.model.eval()
    return growth


def output_of(growth: Growth, name: str, inputs: torch.Tensor) -> object:
    """Return what the submodule called ``name`` answers, after the seeds."""
    caught = []
    handle = growth.model.host.get_submodule(name).register_forward_hook(lambda *args: caught.append(args[2]))
    growth.model(inputs)
    handle.remove()
    return caught[0]


def test_a_dormant_layer_hooks_nothing() -> None:
    assert hooks(Growth().model) == 0


def test_a_germinated_seed_hooks_nothing_yet() -> None:
    assert hooks(Growth().reach(SeedState.GERMINATED).model) == 0


@pytest.mark.parametrize("state", PATH[1:])
def test_only_the_submodule_with_a_live_seed_is_hooked(state: SeedState) -> None:
    model = Growth().reach(state).model
    assert hooks(model) == hooks(model.host.blocks[0]) == 1


@pytest.mark.parametrize("state", PATH)
@pytest.mark.parametrize("at", ["blocks.*", Span(reads="stem", writes="blocks.0")])
def test_no_hook_is_left_after_a_cull(state: SeedState, at: str | Span) -> None:
    growth = Growth(at=at).reach(state)
    growth.cull()
    while growth.seed.state is SeedState.CULLED:
        growth.step()
    assert hooks(growth.model) == 0


def test_the_layer_adds_alpha_times_delta_of_each_seed() -> None:
    growth = blended(seeds_per_layer=2)
    growth.place = ("blocks.0", 1)
    growth.reach(SeedState.BLENDING)
    growth.step()
    growth.model.eval()
    first, second = growth.model.layers["blocks.0"].seeds
    x = growth.model.host.stem(growth.inputs).relu()
    x = growth.model.host.blocks[0].weight @ x.T
    x = x.T + growth.model.host.blocks[0].bias
    expected = x + first.ramp * first.delta(x) + second.ramp * second.delta(x)
    assert (first.ramp, second.ramp) == (1, 0.25)
    # The host goes on with an in-place ReLU.
    torch.testing.assert_close(output_of(growth, "blocks.0", growth.inputs), expected.relu())


def test_what_else_a_tuple_holds_is_kept() -> None:
    growth = blended("transformer")
    feature, weights = output_of(growth, "blocks.0", growth.inputs)
    growth.seed.alpha.zero_()
    plain_feature, plain_weights = output_of(growth, "blocks.0", growth.inputs)
    assert torch.equal(weights, plain_weights)
    assert not torch.equal(feature, plain_feature)


def test_every_layer_has_its_own_number_of_seeds() -> None:
    model = SeededModel(build(), "blocks.*", seeds_per_layer=3)
    assert [len(layer.seeds) for layer in model.layers.values()] == [3, 3]
    assert [seed.place for seed in model.seeds][:4] == [("blocks.0", 0), ("blocks.0", 1), ("blocks.0", 2), ("blocks.1", 0)]


def test_a_span_reads_the_earlier_feature() -> None:
    span = Span(reads="stem", writes="blocks.1")
    growth = blended(at=span, place=("blocks.1", 0), seeds_per_layer=2)
    host, seed = growth.model.host, growth.seed
    stem = nn.functional.linear(growth.inputs, host.stem.weight, host.stem.bias)
    middle = host.blocks[0](stem.relu()).relu()
    # The second block is hooked, so its own arithmetic is written out.
    written = nn.functional.linear(middle, host.blocks[1].weight, host.blocks[1].bias) + seed.ramp * seed.delta(stem)
    torch.testing.assert_close(growth.model(growth.inputs), host.head(written.relu()))


def test_a_change_in_place_after_the_read_point_does_not_reach_the_seed() -> None:
    growth = blended(at=Span(reads="stem", writes="blocks.0"))
    caught = []
    growth.seed.module.register_forward_hook(lambda _module, args, _output: caught.append(args[0]))
    growth.model(growth.inputs)
    host = growth.model.host
    torch.testing.assert_close(caught[0], nn.functional.linear(growth.inputs, host.stem.weight, host.stem.bias))
    assert caught[0].min() < 0  # the host's ReLU would have left nothing below zero


def test_gradients_of_a_span_reach_the_point_that_it_reads() -> None:
    growth = blended(at=Span(reads="stem", writes="blocks.1"), place=("blocks.1", 0))
    for block in growth.model.host.blocks:
        nn.init.zeros_(block.weight)
    growth.backward()
    assert growth.model.host.stem.weight.grad.abs().sum() > 0


class Fails(nn.Module):
    """Raises between the read and the written point, once it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.blocks, self.failing = nn.Linear(6, 8), nn.ModuleList([nn.Linear(8, 2)]), False

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        hidden = self.stem(inputs)
        if self.failing:
            raise RuntimeError("out of memory, for example")
        return self.blocks[0](hidden)


@pytest.mark.parametrize("failing", [False, True])
@pytest.mark.parametrize("state", [SeedState.TRAINING, SeedState.SHADOWING, SeedState.CULLED])
def test_nothing_that_was_read_is_kept_after_a_forward_pass(state: SeedState, failing: bool) -> None:  # noqa: FBT001
    growth = Growth(Fails(), at=Span(reads="stem", writes="blocks.0"))
    growth.reach(SeedState.SHADOWING if state is SeedState.CULLED else state)
    if state is SeedState.CULLED:
        growth.cull()
        growth.model.update_topology()  # as another seed would have it
    growth.model.host.failing = failing
    if failing:
        with pytest.raises(RuntimeError, match="out of memory"):
            growth.model(growth.inputs)
    else:
        growth.model(growth.inputs)
    layer = growth.model.layers["blocks.0"]
    assert not [name for name, value in vars(layer).items() if isinstance(value, torch.Tensor) and value.ndim]


def test_a_span_that_reads_a_later_point_is_refused() -> None:
    growth = Growth(at=Span(reads="blocks.1", writes="blocks.0"))
    with pytest.raises(kaslite.UsageError, match=r"'blocks.0' ran before 'blocks.1'"):
        growth.reach(SeedState.SHADOWING)


def test_a_span_between_features_of_two_kinds_is_refused() -> None:
    with pytest.raises(kaslite.UsageError, match="sequence feature into a dense one"):
        SeededModel(build("transformer"), Span(reads="stem", writes="head"), example_input=samples()[0])


@pytest.mark.parametrize("state", PATH)
def test_seeds_in_every_state_follow_the_dtype_of_the_model(state: SeedState) -> None:
    growth = Growth().reach(state)
    growth.model.double()
    assert {parameter.dtype for parameter in growth.seed.parameters()} == {torch.float64}
    assert growth.model(growth.inputs.double()).dtype is torch.float64


@pytest.mark.parametrize("state", PATH[2:])
def test_seeds_that_the_host_feels_follow_its_mode(state: SeedState) -> None:
    growth = Growth().reach(state)
    for mode in (False, True):
        growth.model.train(mode)
        assert {part.training for part in growth.seed.modules()} == {mode}


def test_a_seed_that_blends_while_the_model_is_in_evaluation_mode_is_so_too() -> None:
    growth = Growth().reach(SeedState.TRAINING)
    growth.epoch()
    growth.model.eval()
    growth.grower.apply(kaslite.Advance(*growth.place))
    assert not any(part.training for part in growth.seed.modules())


def test_a_training_seed_is_passed_by_in_evaluation_mode_and_without_gradients() -> None:
    growth = Growth().reach(SeedState.TRAINING)
    calls = []
    growth.seed.module.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        growth.model.train()(growth.inputs)
    growth.model.eval()(growth.inputs)
    assert not calls
