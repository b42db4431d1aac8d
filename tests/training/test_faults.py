"""A seed that goes bad is kept from the host, in every state, and the run goes on."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from kaslite import Advance, Germinate, SeedState, Wait
from kaslite.blueprints import Blueprint, FeatureKind, registry
from tests.growing import Growth

IN_THE_FORWARD_PASS = (SeedState.BLENDING, SeedState.SHADOWING, SeedState.PROBATIONARY, SeedState.FOSSILIZED)
REASONS = {
    "inf": "its output is not finite",
    "-inf": "its output is not finite",
    "nan": "its output is not finite",
    "raise": "it raised ValueError: no more",
    "gradient": "its gradient is not finite",
}


class SteepBackward(torch.autograd.Function):
    """Identity, with an infinite gradient."""

    @staticmethod
    def forward(_ctx, feature: Tensor) -> Tensor:
        return feature.clone()

    @staticmethod
    def backward(_ctx, gradient: Tensor) -> Tensor:
        return torch.full_like(gradient, math.inf)


class Turncoat(nn.Module):
    """Learns like any other, until its mood changes."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.mood: str | None = None

    def forward(self, feature: Tensor) -> Tensor:
        if self.mood == "raise" or (self.mood == "raise when evaluated" and not self.training):
            raise ValueError("no more")
        if self.mood == "gradient":
            return self.linear(SteepBackward.apply(feature))
        delta = self.linear(functional.relu(feature))
        return delta if self.mood in (None, "raise when evaluated") else delta + float(self.mood)


@pytest.fixture(autouse=True)
def turncoat(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = frozenset({FeatureKind.DENSE, FeatureKind.SEQUENCE})
    monkeypatch.setitem(registry._REGISTRY, "turncoat", Blueprint("turncoat", kinds, lambda shape: Turncoat(shape.writes)))


def grown(state: SeedState, host: str = "batch_norm", **options) -> Growth:
    return Growth(host, blueprint="turncoat", **options).reach(state)


def host_state(growth: Growth) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in growth.model.host.state_dict().items()}


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def reasons(events) -> list[str]:
    return [event.reason for event in events if event.type == "seed_culled"]


def check_goes_on(growth: Growth) -> None:
    """The seed is gone, from the optimizer too, and the host goes on learning."""
    assert growth.seed.state is SeedState.EMBARGOED
    held = {id(p) for group in growth.optimizer.param_groups for p in group["params"]}
    assert held == {id(p) for p in growth.model.host.parameters()}
    before = host_state(growth)
    growth.step()
    assert not equal(before, host_state(growth))
    assert all(tensor.isfinite().all() for tensor in growth.model.state_dict().values())


@pytest.mark.parametrize("mood", REASONS)
@pytest.mark.parametrize("state", IN_THE_FORWARD_PASS)
def test_a_seed_that_goes_bad_is_culled_and_the_host_is_as_before_the_step(state: SeedState, mood: str) -> None:
    growth = grown(state)
    growth.step()
    growth.grower.apply(Wait())
    before = host_state(growth)
    growth.seed.module.mood = mood
    growth.step()
    assert equal(before, host_state(growth))
    assert reasons(growth.grower.apply(Wait())) == [REASONS[mood]]
    check_goes_on(growth)


@pytest.mark.parametrize("mood", REASONS)
def test_a_culled_seed_that_goes_bad_while_it_fades_is_taken_out_at_once(mood: str) -> None:
    growth = grown(SeedState.SHADOWING)
    growth.cull()
    growth.step()
    assert growth.seed.state is SeedState.CULLED
    before = host_state(growth)
    growth.seed.module.mood = mood
    growth.step()
    assert equal(before, host_state(growth))
    check_goes_on(growth)


@pytest.mark.parametrize("mood", REASONS)
@pytest.mark.parametrize("state", [SeedState.GERMINATED, SeedState.TRAINING])
def test_an_isolated_seed_that_goes_bad_is_culled_and_the_host_trains_as_without_it(state: SeedState, mood: str) -> None:
    alone, growth = Growth("batch_norm"), Growth("batch_norm", blueprint="turncoat")
    for run in (alone, growth):
        run.epoch()
    growth.grower.apply(Germinate(*growth.place, "turncoat"))
    if state is SeedState.TRAINING:
        for run in (alone, growth):
            run.step()
    growth.seed.module.mood = mood
    culled = []
    for _ in range(2):
        for run in (alone, growth):
            events = run.epoch()
        culled += reasons(events)
        assert equal(host_state(alone), host_state(growth))
    if mood == "gradient":  # counts as zero: it does not learn, and a controller will see that
        assert culled == []
    else:
        assert culled == [REASONS[mood]]
        check_goes_on(growth)


def test_moments_and_learning_go_on_as_if_the_step_had_not_been() -> None:
    growth = grown(SeedState.BLENDING, "in_place")
    parameter = next(growth.model.host.parameters())
    before = {name: value.clone() for name, value in growth.optimizer.state[parameter].items()}
    growth.seed.module.mood = "nan"
    growth.step()
    assert all(torch.equal(value, growth.optimizer.state[parameter][name]) for name, value in before.items())


@pytest.mark.parametrize(("bad", "mood"), [(0, "nan"), (1, "gradient")])
def test_of_two_seeds_the_one_that_began_it_is_culled_and_not_the_one_that_it_spreads_to(bad: int, mood: str) -> None:
    """What is not finite spreads forward from an output, and backward from a gradient."""
    growth = Growth(blueprint="turncoat", fixed_steps=50)
    seeds = growth.model.seeds
    for decision in (Germinate, Advance):
        for seed in seeds:
            growth.grower.apply(decision(*seed.place, *(["turncoat"] if decision is Germinate else [])))
        growth.step()
    seeds[bad].module.mood = mood
    growth.step()
    assert seeds[bad].state is SeedState.EMBARGOED
    assert seeds[1 - bad].state is SeedState.BLENDING


@pytest.mark.parametrize("mood", REASONS)
def test_the_very_first_step_in_the_forward_pass_is_guarded(mood: str) -> None:
    growth = grown(SeedState.TRAINING)
    growth.epoch()
    growth.grower.apply(Advance(*growth.place))
    before = host_state(growth)
    growth.seed.module.mood = mood
    growth.step()
    assert equal(before, host_state(growth))
    check_goes_on(growth)


@pytest.mark.parametrize("mood", REASONS)
@pytest.mark.parametrize("clipped", ["model", "host"])
def test_clipping_by_the_norm_hides_nobody(clipped: str, mood: str) -> None:
    growth = grown(SeedState.BLENDING, fixed_steps=50)
    growth.step()
    before = host_state(growth)
    growth.seed.module.mood = mood
    growth.backward()
    nn.utils.clip_grad_norm_((growth.model if clipped == "model" else growth.model.host).parameters(), 1.0)
    growth.optimizer.step()
    growth.grower.after_step()
    assert equal(before, host_state(growth))
    check_goes_on(growth)


def test_a_gradient_that_the_host_itself_makes_infinite_is_no_seeds_fault() -> None:
    class Rooted(nn.Module):
        """Between the seed and the head stands a root of zero."""

        def __init__(self) -> None:
            super().__init__()
            self.stem, self.middle, self.head = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 2)

        def forward(self, inputs: Tensor) -> Tensor:
            hidden = self.middle(self.stem(inputs))
            return self.head((hidden * self.zero).abs().sqrt() if hasattr(self, "zero") else hidden)

    options = {"place": ("stem", 0), "blueprint": "turncoat", "fixed_steps": 50, "governor": None}
    growth = Growth(Rooted(), "stem", **options).reach(SeedState.BLENDING)
    growth.model.host.zero = 0.0
    growth.step()
    assert growth.seed.state is SeedState.BLENDING


def test_a_dropped_step_counts_for_nothing_and_costs_no_rollback() -> None:
    growth = grown(SeedState.BLENDING, fixed_steps=50)
    growth.update()
    assert growth.grower.after_step() is True
    growth.seed.module.mood = "nan"
    growth.update()
    assert growth.grower.after_step() is False
    events = growth.epoch(train_loss=math.nan)  # the mean of a loop that counted it
    assert "governor_rolled_back" not in [event.type for event in events]
    assert "governor_rolled_back" in [event.type for event in growth.epoch(train_loss=math.nan)]


def test_an_optimizer_step_without_any_gradient_is_no_fault() -> None:
    growth = grown(SeedState.BLENDING, fixed_steps=50)
    growth.optimizer.zero_grad()
    growth.optimizer.step()
    assert growth.seed.state is SeedState.BLENDING


def test_sparse_gradients_are_looked_at_too() -> None:
    class Embedded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(5, 8, sparse=True)
            self.stem, self.head = nn.Linear(6, 8), nn.Linear(8, 2)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.head(self.stem(inputs) + self.words((inputs[:, 0] > 0).long()))

    def sgd(model):
        return torch.optim.SGD(model.parameters(), lr=0.1)

    growth = Growth(Embedded(), "stem", place=("stem", 0), blueprint="turncoat", fixed_steps=50, optimize=sgd)
    growth.reach(SeedState.BLENDING)
    growth.step()
    growth.seed.module.mood = "gradient"
    growth.step()
    assert growth.seed.state is SeedState.EMBARGOED


def test_an_overflow_of_a_gradient_scaler_is_no_seeds_fault_under_a_fused_optimizer() -> None:
    def fused(model):
        return torch.optim.AdamW(model.parameters(), lr=1e-2, fused=True)

    growth = grown(SeedState.BLENDING, fixed_steps=50, optimize=fused)
    scaler = torch.amp.GradScaler("cpu")
    growth.optimizer.zero_grad()
    scaler.scale(functional.cross_entropy(growth.model(growth.inputs), growth.targets)).backward()
    growth.model.host.stem[0].weight.grad[0, 0] = math.inf
    scaler.step(growth.optimizer)
    scaler.update()
    growth.grower.after_step()
    assert growth.seed.state is SeedState.BLENDING


def test_a_batch_that_is_not_finite_is_no_seeds_fault() -> None:
    growth = grown(SeedState.BLENDING, "in_place", fixed_steps=50, governor=None)
    growth.inputs[0, 0] = math.nan
    growth.step()
    assert growth.seed.state is SeedState.BLENDING


def test_a_seed_that_raises_while_it_is_evaluated_is_culled_at_the_end_of_the_epoch() -> None:
    growth = grown(SeedState.SHADOWING, fixed_steps=50)
    growth.seed.module.mood = "raise when evaluated"
    assert reasons(growth.epoch()) == [REASONS["raise"]]


@pytest.mark.parametrize("mood", ["nan", "inf"])
def test_an_infinity_that_the_host_hides_is_found_too(mood: str) -> None:
    class Squashing(nn.Module):
        """Its sigmoid makes one of infinity, and nothing of its gradient."""

        def __init__(self) -> None:
            super().__init__()
            self.stem, self.head = nn.Linear(6, 8), nn.Linear(8, 2)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.head(torch.sigmoid(self.stem(inputs)))

    growth = Growth(Squashing(), "stem", place=("stem", 0), blueprint="turncoat", fixed_steps=50).reach(SeedState.BLENDING)
    growth.step()
    before = host_state(growth)
    growth.seed.module.mood = mood
    growth.step()
    assert equal(before, host_state(growth))
    assert growth.seed.state is SeedState.EMBARGOED


def test_a_gradient_scaler_that_skips_the_step_saves_the_buffers_too() -> None:
    growth = grown(SeedState.BLENDING, fixed_steps=50)
    scaler = torch.amp.GradScaler("cpu")
    growth.step()
    before = host_state(growth)
    growth.seed.module.mood = "inf"
    growth.optimizer.zero_grad()
    scaler.scale(functional.cross_entropy(growth.model(growth.inputs), growth.targets)).backward()
    scaler.step(growth.optimizer)
    scaler.update()
    growth.grower.after_step()
    assert growth.seed.state is SeedState.EMBARGOED
    assert equal(before, host_state(growth))


@pytest.mark.parametrize("mood", ["nan", "raise", "gradient"])
def test_gradients_accumulated_over_a_bad_pass_are_dropped_as_a_whole(mood: str) -> None:
    growth = grown(SeedState.BLENDING, fixed_steps=50)
    growth.step()
    before = host_state(growth)
    growth.optimizer.zero_grad()
    for passing in (mood, None):  # only the first of two micro-batches is bad
        growth.seed.module.mood = passing
        functional.cross_entropy(growth.model(growth.inputs), growth.targets).backward()
    growth.optimizer.step()
    growth.grower.after_step()
    assert equal(before, host_state(growth))
    assert growth.seed.state is SeedState.EMBARGOED
