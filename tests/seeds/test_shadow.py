"""A seed in TRAINING learns, and the host cannot feel it, whatever the seed computes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from kaslite import Advance, Germinate, RefusedError, SeedState
from kaslite.blueprints import Blueprint, FeatureKind, registry
from tests.growing import Growth

HOSTS = ("in_place", "batch_norm", "transformer")
SICK = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan, "3e38": 3e38}


class Sick(nn.Module):
    """Is born healthy; from its second answer on it answers with one number, whatever it is asked."""

    def __init__(self, width: int, value: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))
        self.value = value
        self.born = False

    def forward(self, feature: Tensor) -> Tensor:
        if not self.born:
            self.born = True
            return torch.zeros_like(feature)
        return (self.scale * self.value).expand_as(feature)


class Steep(Sick):
    """Answers with zero, and has an infinite gradient."""

    def forward(self, feature: Tensor) -> Tensor:
        return (self.scale - self.scale.detach()).sqrt().expand_as(feature)


@pytest.fixture(autouse=True)
def sick_blueprints(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = frozenset({FeatureKind.DENSE, FeatureKind.SEQUENCE})
    recipes = {name: lambda shape, value=value: Sick(shape.writes, value) for name, value in SICK.items()}
    recipes["steep"] = lambda shape: Steep(shape.writes, 0.0)
    for name, recipe in recipes.items():
        monkeypatch.setitem(registry._REGISTRY, name, Blueprint(name, kinds, recipe))


def run(host: str, blueprint: str | None, steps: int = 20) -> list[Tensor]:
    """Train with a seed in the shadow, or without any; return all that the host computed and became."""
    growth = Growth(host, measured=False)
    if blueprint is not None:
        growth.grower.apply(Germinate(*growth.place, blueprint))
    trace = []
    for _ in range(steps):
        growth.optimizer.zero_grad()
        outputs = growth.model(growth.inputs)
        functional.cross_entropy(outputs, growth.targets).backward()
        norm = nn.utils.clip_grad_norm_(growth.model.parameters(), 1.0)
        growth.optimizer.step()
        growth.grower.after_step()
        gradients = [parameter.grad for parameter in growth.model.host.parameters()]
        trace += [tensor.clone() for tensor in (outputs, norm, *gradients, *growth.model.host.state_dict().values())]
    if blueprint is not None:
        assert growth.seed.state is SeedState.TRAINING
    return trace


@pytest.fixture(scope="module")
def without_seeds() -> dict[str, list[Tensor]]:
    torch.set_num_threads(1)
    return {host: run(host, None) for host in HOSTS}


@pytest.mark.parametrize("blueprint", ["mlp", "low_rank", *SICK, "steep"])
@pytest.mark.parametrize("host", HOSTS)
def test_the_host_cannot_feel_a_seed_in_training(host: str, blueprint: str, without_seeds: dict) -> None:
    beside_a_seed = run(host, blueprint)
    assert len(beside_a_seed) == len(without_seeds[host])
    assert all(map(torch.equal, beside_a_seed, without_seeds[host]))


@pytest.mark.parametrize("host", HOSTS)
def test_a_seed_in_training_gets_a_gradient(host: str) -> None:
    growth = Growth(host).reach(SeedState.TRAINING)
    growth.step()  # the last layer of a newborn is zero, and passes nothing back
    growth.backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in growth.seed.parameters())


class Ends(nn.Module):
    """Its seed writes what its head reads, so that the gradient there is easy to ask for."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.head = nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.norm(self.stem(inputs)))


def descent(growth: Growth) -> tuple[Tensor, Tensor, Tensor]:
    """Return the feature at the seed, the seed's delta there, and the host's own descent direction."""
    caught: list[Tensor] = []
    handle = growth.model.host.head.register_forward_pre_hook(lambda _module, args: caught.append(args[0]))
    loss = functional.cross_entropy(growth.model(growth.inputs), growth.targets)
    handle.remove()
    (gradient,) = torch.autograd.grad(loss, caught[0])
    feature = caught[0].detach()
    return feature, growth.seed.delta(feature).detach(), -gradient


def trained_in_the_shadow(steps: int) -> Growth:
    torch.manual_seed(0)
    # The host stands still: against a fixed gradient, a linear objective would let delta grow without end.
    growth = Growth(Ends(), "norm", place=("norm", 0), lr=0.0, fixed_steps=1).reach(SeedState.TRAINING)
    for _ in range(steps):
        growth.step()
    return growth


def test_the_delta_of_a_trained_seed_points_downhill() -> None:
    _, delta, downhill = descent(trained_in_the_shadow(100))
    assert functional.cosine_similarity(delta.flatten(), downhill.flatten(), dim=0) > 0.3


def test_the_delta_of_a_trained_seed_stays_small_beside_the_feature() -> None:
    feature, delta, _ = descent(trained_in_the_shadow(1000))
    assert 0.01 < delta.norm() / feature.norm() < 0.5


def test_blending_a_trained_seed_lowers_the_loss_at_once() -> None:
    growth = trained_in_the_shadow(100)
    before = growth.evaluate().loss
    growth.grower.apply(Advance(*growth.place))
    growth.step()
    assert growth.evaluate().loss < before


def test_progress_is_the_cosine_of_delta_and_descent() -> None:
    growth = trained_in_the_shadow(100)
    growth.grower.after_epoch()  # forgets the steps so far
    growth.backward()
    _, delta, downhill = descent(growth)
    growth.optimizer.step()
    growth.grower.after_step()
    growth.grower.after_epoch()
    expected = functional.cosine_similarity(delta.flatten(), downhill.flatten(), dim=0).item()
    assert growth.seed.record.training_progress == pytest.approx(expected, rel=1e-4)


def test_a_seed_that_made_no_step_has_no_progress() -> None:
    growth = trained_in_the_shadow(1)
    growth.grower.after_epoch()
    growth.grower.after_epoch()
    assert growth.seed.record.training_progress is None


def test_a_seed_blends_by_itself_once_its_progress_suffices() -> None:
    growth = Growth(progress_thresh=0.01).reach(SeedState.TRAINING)
    events = growth.epoch()
    assert growth.seed.state is SeedState.BLENDING
    (reason,) = [event.reason for event in events if getattr(event, "to_state", None) == "blending"]
    assert reason.endswith(">= 0.01")


@pytest.mark.parametrize("blueprint", SICK)
def test_a_sick_seed_is_culled_at_the_end_of_the_epoch_with_the_reason(blueprint: str) -> None:
    growth = Growth(blueprint=blueprint, progress_thresh=0.0).reach(SeedState.TRAINING)
    culled = [event for event in growth.epoch() if event.type == "seed_culled"]
    assert [(event.layer, event.seed, event.blueprint_id, event.reason) for event in culled] == [
        ("blocks.0", 0, blueprint, "its output is not finite")
    ]
    assert growth.seed.state is SeedState.EMBARGOED


@pytest.mark.parametrize("blueprint", SICK)
def test_a_sick_seed_cannot_be_advanced_by_hand(blueprint: str) -> None:
    growth = Growth(blueprint=blueprint).reach(SeedState.TRAINING)
    growth.step()
    with pytest.raises(RefusedError, match="not finite"):
        growth.grower.apply(Advance(*growth.place))
    assert growth.seed.state is SeedState.TRAINING


def test_a_seed_goes_on_training_when_the_model_changes_its_dtype() -> None:
    growth = Growth().reach(SeedState.TRAINING)
    growth.step()
    growth.model.double()
    growth.inputs = growth.inputs.double()
    growth.optimizer = torch.optim.SGD(growth.model.parameters(), lr=0.1)
    before = [parameter.clone() for parameter in growth.seed.parameters()]
    growth.step()
    after = list(growth.seed.parameters())
    assert {parameter.dtype for parameter in after} == {torch.float64}
    assert any(not torch.equal(old, new) for old, new in zip(before, after, strict=True))
