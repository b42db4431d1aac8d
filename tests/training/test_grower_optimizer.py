"""Parameters come to the user's optimizer, and leave it, without a trace on the others."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kaslite import Advance, Cull, Germinate, Grower, Plateau, SeededModel, SeedState, UsageError
from tests.growing import PATH, Growth
from tests.hosts import build, hooks, samples

JOINED = PATH[2:]


def held(growth: Growth) -> list[nn.Parameter]:
    return [parameter for group in growth.optimizer.param_groups for parameter in group["params"]]


def times(parameter: nn.Parameter, parameters: list[nn.Parameter]) -> int:
    return sum(other is parameter for other in parameters)


@pytest.mark.parametrize("state", PATH)
def test_a_seed_is_a_parameter_of_model_and_optimizer_from_blending_on(state: SeedState) -> None:
    growth = Growth().reach(state)
    expected = 1 if state in JOINED else 0
    for parameter in growth.seed.parameters():
        assert times(parameter, list(growth.model.parameters())) == expected
        assert times(parameter, held(growth)) == expected


@pytest.mark.parametrize("state", PATH)
def test_every_parameter_of_the_host_stays_in_the_optimizer_once(state: SeedState) -> None:
    growth = Growth().reach(state)
    assert [times(parameter, held(growth)) for parameter in growth.model.host.parameters()] == [1] * 8


def test_a_seed_in_training_is_trained_by_the_grower_alone() -> None:
    growth = Growth().reach(SeedState.TRAINING)
    growth.update()
    before = [parameter.clone() for parameter in growth.seed.parameters()]
    assert not any(parameter in growth.optimizer.state for parameter in growth.seed.parameters())
    growth.grower.after_step()
    assert not all(map(torch.equal, growth.seed.parameters(), before))


def test_a_blending_seed_is_trained_by_the_users_optimizer_alone() -> None:
    growth = Growth().reach(SeedState.BLENDING)
    growth.step()
    growth.backward()
    before = [parameter.clone() for parameter in growth.seed.parameters()]
    growth.optimizer.step()
    trained = [parameter.clone() for parameter in growth.seed.parameters()]
    assert not all(map(torch.equal, trained, before))
    growth.grower.after_step()
    assert all(map(torch.equal, growth.seed.parameters(), trained))


@pytest.mark.parametrize("change", ["germinate", "blend", "cull"])
@pytest.mark.parametrize("fused", [False, True])
def test_moments_of_the_others_survive_bit_for_bit(change: str, fused: bool) -> None:  # noqa: FBT001
    growth = Growth()
    growth.optimizer.param_groups[0]["fused"] = fused
    growth.reach({"germinate": SeedState.TRAINING, "blend": SeedState.BLENDING, "cull": SeedState.BLENDING}[change])
    growth.step()
    decision = {
        "germinate": Germinate("blocks.1", 0, "mlp"),
        "blend": Germinate("blocks.1", 0, "mlp"),
        "cull": Cull(*growth.place),
    }[change]
    if change == "blend":
        growth.grower.apply(decision)
        growth.step()
        decision = Advance("blocks.1", 0)
    before = {
        parameter: {key: value.clone() for key, value in growth.optimizer.state[parameter].items()}
        for parameter in growth.model.host.parameters()
    }
    growth.grower.apply(decision)
    for parameter, moments in before.items():
        assert moments.keys() == growth.optimizer.state[parameter].keys() == {"step", "exp_avg", "exp_avg_sq"}
        assert all(torch.equal(growth.optimizer.state[parameter][key], value) for key, value in moments.items())


@pytest.mark.parametrize("change", ["germinate", "blend"])
def test_moments_are_forgotten_when_a_seed_joins_and_not_before_if_that_is_asked_for(change: str) -> None:
    growth = Growth(reset_moments=True).reach({"germinate": SeedState.DORMANT, "blend": SeedState.TRAINING}[change])
    growth.step()
    assert len(growth.optimizer.state) == 8
    growth.move_on()
    assert len(growth.optimizer.state) == {"germinate": 8, "blend": 0}[change]
    growth.step()
    assert {int(moments["step"]) for moments in growth.optimizer.state.values()} == {"germinate": {2}, "blend": {1}}[change]


@pytest.mark.parametrize("state", PATH)
def test_nothing_of_a_culled_seed_is_left(state: SeedState) -> None:
    growth = Growth().reach(state)
    parameters = list(growth.seed.parameters())
    assert parameters
    growth.cull()
    while growth.seed.state is SeedState.CULLED:
        growth.step()
    assert growth.seed.state is SeedState.EMBARGOED
    for parameter in parameters:
        assert times(parameter, list(growth.model.parameters())) == 0
        assert times(parameter, held(growth)) == 0
        assert parameter not in growth.optimizer.state
    assert len(growth.optimizer.state) == len(held(growth)) == 8
    assert hooks(growth.model) == 0
    assert not list(growth.seed.parameters())


def test_newborns_join_the_group_of_the_submodule_that_they_write() -> None:
    model = SeededModel(build(), "blocks.*", example_input=samples()[0])
    groups = [{"params": part.parameters(), "lr": lr} for part, lr in zip(model.host.children(), (0.1, 0.2, 0.3), strict=True)]
    optimizer = torch.optim.SGD(groups)
    grower = Grower(model, optimizer, controller=Plateau(), blueprints=["mlp"])
    grower.apply(Germinate("blocks.1", 0, "mlp"))
    model(samples()[0]).sum().backward()
    optimizer.step()
    grower.after_step()
    grower.apply(Advance("blocks.1", 0))
    newborn = next(model.seed_at("blocks.1", 0).parameters())
    assert [times(newborn, group["params"]) for group in optimizer.param_groups] == [0, 1, 0]


@pytest.mark.parametrize(
    "schedule",
    [
        lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 40),
        lambda optimizer: torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, 40),
    ],
    ids=["cosine", "one cycle"],
)
def test_learning_rate_schedules_go_on_as_without_growth(schedule) -> None:
    def rates(*, grows: bool) -> list[float]:
        growth = Growth()
        scheduler, seen = schedule(growth.optimizer), []
        for step in range(20):
            if grows and step in (3, 6):
                growth.move_on()
            growth.step()
            scheduler.step()
            seen.append(growth.optimizer.param_groups[0]["lr"])
        assert growth.seed.state is (SeedState.SHADOWING if grows else SeedState.DORMANT)
        return seen

    assert rates(grows=True) == rates(grows=False)


def test_an_optimizer_that_cannot_grow_is_refused_by_name() -> None:
    model = SeededModel(build(), "blocks.*")
    with pytest.raises(UsageError, match="LBFGS cannot train a growing model"):
        Grower(model, torch.optim.LBFGS(model.parameters()), controller=Plateau(), blueprints=["mlp"])
