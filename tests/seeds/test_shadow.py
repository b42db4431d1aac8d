"""A seed in TRAINING learns, and the host cannot feel it, whatever the seed computes."""

from __future__ import annotations

import io
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from kaslite import Advance, Germinate, RefusedError, SeedState, UsageError
from kaslite.blueprints import Blueprint, FeatureKind, SeedShape, get, registry
from kaslite.randomness import generator
from kaslite.seeds import Seed
from kaslite.seeds.objectives import OBJECTIVES, pass_beside
from kaslite.seeds.shadow import ShadowTrainer
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


def run(host: str, blueprint: str | None, steps: int = 20, objective: str = "task") -> list[Tensor]:
    """Train with a seed in the shadow, or without any; return all that the host computed and became."""
    growth = Growth(host, measured=False, shadow_objective=objective, blueprints=["mlp", "autoencoder"])
    torch.manual_seed(0)
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
        state = growth.model.host.state_dict().values()
        trace += [tensor.clone() for tensor in (outputs, norm, *gradients, *state, torch.get_rng_state())]
    if blueprint is not None:
        assert growth.seed.state is SeedState.TRAINING
    return trace


@pytest.fixture(scope="module")
def without_seeds() -> dict[str, list[Tensor]]:
    torch.set_num_threads(1)
    return {host: run(host, None) for host in HOSTS}


CASES = [
    *(("task", blueprint) for blueprint in ("mlp", "low_rank", *SICK, "steep")),
    *(("gradient", blueprint) for blueprint in ("mlp", *SICK, "steep")),
    ("reconstruct", "autoencoder"),
]


@pytest.mark.parametrize(("objective", "blueprint"), CASES)
@pytest.mark.parametrize("host", HOSTS)
def test_the_host_cannot_feel_a_seed_in_training(host: str, objective: str, blueprint: str, without_seeds: dict) -> None:
    beside_a_seed = run(host, blueprint, objective=objective)
    assert len(beside_a_seed) == len(without_seeds[host])
    assert all(map(torch.equal, beside_a_seed, without_seeds[host]))


@pytest.mark.parametrize("host", HOSTS)
def test_a_seed_in_training_gets_a_gradient(host: str) -> None:
    growth = Growth(host).reach(SeedState.TRAINING)
    growth.step()  # the last layer of a newborn is zero, and passes nothing back
    growth.backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in growth.seed.parameters())


by_slope = pytest.mark.parametrize("objective", ["task", "gradient"])


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


def trained_in_the_shadow(steps: int, objective: str = "task") -> Growth:
    torch.manual_seed(0)
    # The host stands still: against a fixed gradient, a linear objective would let delta grow without end.
    growth = Growth(Ends(), "norm", place=("norm", 0), lr=0.0, fixed_steps=1, shadow_objective=objective).reach(
        SeedState.TRAINING
    )
    for _ in range(steps):
        growth.step()
    return growth


@by_slope
def test_the_delta_of_a_trained_seed_points_downhill(objective: str) -> None:
    _, delta, downhill = descent(trained_in_the_shadow(100, objective))
    assert functional.cosine_similarity(delta.flatten(), downhill.flatten(), dim=0) > 0.3


@by_slope
def test_the_delta_of_a_trained_seed_stays_small_beside_the_feature(objective: str) -> None:
    feature, delta, _ = descent(trained_in_the_shadow(1000, objective))
    assert 0.01 < delta.norm() / feature.norm() < 0.5


@by_slope
def test_blending_a_trained_seed_lowers_the_loss_at_once(objective: str) -> None:
    growth = trained_in_the_shadow(100, objective)
    before = growth.evaluate().loss
    growth.grower.apply(Advance(*growth.place))
    growth.step()
    assert growth.evaluate().loss < before


@by_slope
def test_progress_is_the_cosine_of_delta_and_descent(objective: str) -> None:
    growth = trained_in_the_shadow(100, objective)
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
    growth = Growth(blueprint=blueprint, progress_thresh=1e-6).reach(SeedState.TRAINING)
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


def germinated(objective: str) -> tuple[Seed, ShadowTrainer]:
    seed = Seed("stem", 0)
    seed.germinate(get("autoencoder"), SeedShape(FeatureKind.DENSE, 8, 8), torch.zeros(1), 0, objective)
    return seed, ShadowTrainer(seed, 1e-2, objective=objective)


def train(seed: Seed, trainer: ShadowTrainer, steps: range) -> list[float | None]:
    """Train; an epoch has seven steps, and ends with a reading."""
    readings = []
    for step in steps:
        feature, target = (torch.randn(16, 8, generator=generator(step, name)) for name in ("feature", "target"))
        (pass_beside(seed, feature, feature.requires_grad_()) - target).square().mean().backward()
        trainer.step()
        if step % 7 == 6:
            readings.append(trainer.read_progress())
    return readings


@pytest.mark.parametrize("saved_after", [0, 4, 12, 14, 17])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_seed_that_was_saved_trains_on_as_if_it_had_never_stopped(objective: str, saved_after: int) -> None:
    whole, stopped, resumed = (germinated(objective) for _ in range(3))
    train(*stopped, range(saved_after))
    file = io.BytesIO()
    torch.save([stopped[0].module.state_dict(), stopped[1].state_dict()], file)
    file.seek(0)
    module, state = torch.load(file, weights_only=True)  # so it is made of plain things
    train(*stopped, range(saved_after, 40))  # what was saved is not what goes on
    resumed[0].module.load_state_dict(module)
    resumed[1].load_state_dict(state)
    after = train(*whole, range(40))[saved_after // 7 :]
    assert train(*resumed, range(saved_after, 40)) == after
    assert all(map(torch.equal, whole[0].parameters(), resumed[0].parameters()))


def test_a_state_of_another_objective_or_blueprint_is_refused() -> None:
    _, trainer = germinated("task")
    state = trainer.state_dict()
    with pytest.raises(UsageError, match="give the Grower shadow_objective='gradient'"):
        trainer.load_state_dict(state | {"objective": "gradient"})
    with pytest.raises(UsageError, match="no parameter 'hidden'"):
        trainer.load_state_dict(state | {"moments": {"hidden": {}}})


@by_slope
def test_an_overflow_of_the_hosts_gradient_is_not_held_against_the_seed(objective: str) -> None:
    seed, trainer = germinated(objective)
    feature = torch.ones(4, 8, requires_grad=True)
    (pass_beside(seed, feature.detach(), feature) * math.inf).sum().backward()
    assert trainer.is_finite
    trainer.step()
    assert all(parameter.isfinite().all() for parameter in seed.parameters())
