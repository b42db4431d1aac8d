"""A compiled model answers as an eager one does, however often it grows and whatever else is compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounterWithBackend

from kaslite import Advance, Cull, Germinate, SeedState, Span
from kaslite.blending import STRATEGIES
from kaslite.blueprints import Blueprint, FeatureKind, registry
from tests.growing import Growth
from tests.hosts import build

if TYPE_CHECKING:
    from collections.abc import Callable

    from kaslite.seeds import Seed

BACKEND = "aot_eager"
LAYERS = ("blocks.0", "blocks.1")

pytestmark = [  # what torch 2.13 says to itself while it compiles
    pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"),
    pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def fresh_graphs() -> None:
    torch.compiler.reset()


def eager(model: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    with torch.compiler.set_stance("force_eager"):
        return model(inputs)


class Compiled:
    """A growing model and the way in which it is compiled."""

    def __init__(
        self,
        host: str,
        *,
        user_compiles_host: bool = False,
        backend: str = BACKEND,
        fixed_steps: int = 1,
        measured: bool = False,
        chunked: bool = False,
        **growth,
    ) -> None:
        self.growth = Growth(
            torch.compile(build(host), backend=backend) if user_compiles_host else host,
            seeds_per_layer=3,
            measured=measured,
            chunked=chunked,
            fixed_steps=fixed_steps,
            **growth,
        )
        self.model = self.growth.model
        self.forward = self.model if user_compiles_host else torch.compile(self.model, backend=backend)

    def grow(self, change: int) -> None:
        """Make one of a dozen changes: in each layer three seeds germinate, train and blend; a third of them is culled."""
        layer, turn = LAYERS[change % 2], change // 2
        apply = self.growth.grower.apply
        if turn % 2 == 0:
            apply(Germinate(layer, turn // 2, "low_rank"))
            self.train()
            self.train()  # from the first step in the shadow on its delta is not zero
        elif turn < 5:
            apply(Advance(layer, turn // 2))
            self.train()
        else:
            apply(Cull(layer, 0))
            while self.model.seed_at(layer, 0).state is SeedState.CULLED:
                self.train()

    def train(self) -> None:
        self.growth.optimizer.zero_grad()
        self.forward(self.growth.inputs).square().mean().backward()
        self.growth.optimizer.step()
        self.growth.grower.after_step()

    def feels(self, seed: Seed) -> bool:
        """Return whether the compiled model answers otherwise without the seed."""
        with torch.no_grad():
            before = self.forward(self.growth.inputs)
            with seed.switched_off():
                return not torch.equal(self.forward(self.growth.inputs), before)

    def check(self, *, mode: bool) -> None:
        self.model.train(mode)
        torch.testing.assert_close(self.forward(self.growth.inputs), eager(self.model, self.growth.inputs))


CASES = {
    "one model": lambda: [Compiled("in_place")],
    "batch norm": lambda: [Compiled("batch_norm")],
    "tuples": lambda: [Compiled("transformer")],
    "a graph break": lambda: [Compiled("graph_break")],
    "two models, one grows": lambda: [Compiled("in_place"), Compiled("in_place")],
    "a host that the user compiled": lambda: [Compiled("in_place", user_compiles_host=True)],
    "two hosts that the user compiled": lambda: [Compiled("in_place", user_compiles_host=True) for _ in range(2)],
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_compiled_answers_as_eager_after_each_of_twelve_changes(case) -> None:
    growing, *others = models = case()
    for change in range(12):
        growing.grow(change)
        for model in (*models, *models):  # the graph of one must not answer for the other, whoever came first
            model.check(mode=change % 4 < 2)
        growing.model.train()
    assert all(seed.state is SeedState.DORMANT for other in others for seed in other.model.seeds)
    assert [seed.state for seed in growing.model.seeds] == [SeedState.EMBARGOED, SeedState.SHADOWING, SeedState.TRAINING] * 2
    assert all(growing.feels(seed) for seed in growing.model.seeds if seed.state is SeedState.SHADOWING)


@pytest.mark.slow
def test_compiled_learns_as_eager_does() -> None:
    compiled, plain = Compiled("in_place"), Compiled("in_place")
    plain.forward = plain.model
    for change in range(12):
        for model in (compiled, plain):
            model.grow(change)
    for ours, theirs in zip(compiled.model.parameters(), plain.model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-2)


def compiled_and_counted(*, fixed_steps: int = 3, **growth) -> tuple[Compiled, CompileCounterWithBackend]:
    counter = CompileCounterWithBackend("aot_eager")
    return Compiled("in_place", backend=counter, fixed_steps=fixed_steps, **growth), counter


def test_a_tick_of_alpha_compiles_nothing() -> None:
    compiled, counter = compiled_and_counted()
    compiled.grow(0)
    compiled.growth.grower.apply(Advance("blocks.0", 0))
    compiled.train()
    frames, ramp = counter.frame_count, compiled.growth.seed.ramp
    compiled.train()
    assert compiled.growth.seed.ramp > ramp
    assert counter.frame_count == frames


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_blend_compiles_nothing_whatever_its_strategy_looks_at(strategy: str) -> None:
    compiled, counter = compiled_and_counted(strategy=strategy, fixed_steps=200, measured=True)
    compiled.grow(0)
    compiled.growth.grower.apply(Advance("blocks.0", 0))
    compiled.train()
    compiled.growth.seed.set_ramp(0.5)
    frames = counter.frame_count
    for _ in range(24):
        compiled.train()
    assert compiled.growth.seed.record.blend.ticks == 25
    assert counter.frame_count == frames


@pytest.mark.parametrize("state", [SeedState.DORMANT, SeedState.TRAINING])
def test_further_steps_compile_nothing(state: SeedState) -> None:
    compiled, counter = compiled_and_counted()
    compiled.train()
    if state is SeedState.TRAINING:
        compiled.grow(0)
        compiled.train()
    frames = counter.frame_count
    compiled.train()
    assert frames > 0
    assert counter.frame_count == frames


def test_a_blended_seed_is_in_the_compiled_graph() -> None:
    compiled = Compiled("in_place")
    for change in (0, 2):
        compiled.grow(change)
    assert compiled.feels(compiled.growth.seed)


def test_a_model_whose_first_forward_is_compiled_learns_its_shapes_in_an_eager_one() -> None:
    compiled = Compiled("in_place")
    torch.testing.assert_close(compiled.forward(compiled.growth.inputs), eager(compiled.model, compiled.growth.inputs))


@pytest.mark.slow
def test_inductor_answers_as_eager() -> None:
    compiled = Compiled("in_place", backend="inductor")
    for change, mode in ((0, True), (2, False)):
        compiled.grow(change)
        compiled.check(mode=mode)
    assert compiled.growth.seed.ramp > 0


def test_measuring_a_compiled_model_leaves_its_graphs_true_and_finds_what_an_eager_one_finds() -> None:
    compiled = Compiled("in_place", user_compiles_host=True, measured=True)
    for change in (0, 2, 1):
        compiled.grow(change)
    for mode in (True, False, True):
        compiled.check(mode=mode)
        compiled.model.train()
        compiled.train()
        observation = compiled.growth.grower.observe()
    assert observation.val_loss == pytest.approx(eager_loss(compiled.growth))
    assert all(health > 0 for health in observation.health.values())


def eager_loss(growth: Growth) -> float:
    with torch.compiler.set_stance("force_eager"):
        return growth.evaluate().loss


def test_a_compiled_model_fills_the_sums_and_compiles_nothing_for_it() -> None:
    compiled, counter = compiled_and_counted()
    for change in (0, 2):
        compiled.grow(change)
    layer, seed = compiled.model.layers["blocks.0"], compiled.growth.seed
    sums, frames = [], counter.frame_count
    for forward in (compiled.forward, compiled.model):
        layer.clear_sums()
        forward(compiled.growth.inputs)
        sums.append(torch.stack([layer.read_sum, seed.delta_sum]))
    assert counter.frame_count == frames
    assert all(sums[0] != 0)
    torch.testing.assert_close(*sums)


class Moody(nn.Module):
    """Fails once its mood has changed."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale, self.good = nn.Parameter(torch.zeros(width)), True

    def forward(self, feature: Tensor) -> Tensor:
        if not self.good:
            raise ValueError("not today")
        return self.scale * feature


def test_a_seed_that_raises_is_left_out_of_the_compiled_graph_too(monkeypatch: pytest.MonkeyPatch) -> None:
    moody = Blueprint("low_rank", frozenset({FeatureKind.DENSE}), lambda shape: Moody(shape.writes))
    monkeypatch.setitem(registry._REGISTRY, "low_rank", moody)
    compiled = Compiled("in_place")
    for change in (0, 2):
        compiled.grow(change)
    compiled.growth.seed.module.good = False
    for _ in range(2):
        compiled.check(mode=True)
    assert compiled.growth.seed.fault == "it raised ValueError: not today"


def test_chunked_seeds_answer_in_a_compiled_graph_as_eagerly() -> None:
    compiled = Compiled("in_place", chunked=True)
    for change in (0, 2, 4, 1, 3):  # one blends and one trains in the first layer, one blends in the second
        compiled.grow(change)
    for mode in (True, False):
        compiled.check(mode=mode)
    assert compiled.feels(compiled.growth.seed)
    assert compiled.model.seed_at("blocks.0", 1).alignment.grad is not None


@pytest.mark.parametrize("objective", ["gradient", "reconstruct"])
@pytest.mark.parametrize("at", ["blocks.*", Span("blocks.0", reads="stem")], ids=["in place", "span"])
def test_every_shadow_objective_trains_in_a_compiled_model_as_eagerly(objective: str, at: str | Span) -> None:
    def trained(*, compiled: bool) -> Growth:
        growth = Growth(at=at, measured=False, lr=0.0, shadow_objective=objective, blueprints=["autoencoder"])
        growth.grower.apply(Germinate(*growth.place, "autoencoder"))
        forward = torch.compile(growth.model, backend=BACKEND) if compiled else growth.model
        for _ in range(15):
            growth.optimizer.zero_grad()
            forward(growth.inputs).square().mean().backward()
            growth.optimizer.step()
            growth.grower.after_step()
        growth.grower.after_epoch()
        return growth

    ours, theirs = trained(compiled=True), trained(compiled=False)
    assert ours.seed.record.training_progress == pytest.approx(theirs.seed.record.training_progress, rel=1e-3)
    for one, other in zip(ours.seed.parameters(), theirs.seed.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-2)
