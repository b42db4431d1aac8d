from __future__ import annotations

import pytest
import torch

from kaslite import SeedState, Wait
from kaslite.training.durations import Durations
from tests.growing import PATH, Growth

LIVE = [state for state in PATH if state is not SeedState.FOSSILIZED] + [SeedState.FOSSILIZED]


def held(growth: Growth) -> set[int]:
    return {id(p) for group in growth.optimizer.param_groups for p in group["params"]}


@pytest.mark.parametrize("state", LIVE)
def test_expelling_takes_a_seed_out_of_model_and_optimizer_at_once(state: SeedState) -> None:
    growth = Growth().reach(state)
    events = growth.grower._transitions.expel(growth.seed, "it went bad")
    assert [event.type for event in events] == ["seed_state_changed", "seed_culled", "seed_state_changed"]
    assert events[1].reason == "it went bad"
    assert growth.seed.state is SeedState.EMBARGOED
    assert held(growth) == {id(p) for p in growth.model.host.parameters()}
    assert growth.grower._transitions.trainers == {}


def test_expelling_a_seed_that_fades_removes_it_and_culls_it_no_second_time() -> None:
    growth = Growth().reach(SeedState.SHADOWING)
    growth.cull()
    growth.step()
    assert growth.seed.state is SeedState.CULLED
    events = growth.grower._transitions.expel(growth.seed, "it went bad")
    assert [event.type for event in events] == ["seed_state_changed"]
    assert growth.seed.state is SeedState.EMBARGOED


def test_where_no_progress_is_asked_for_a_seed_joins_at_its_first_tick_and_never_trains_in_the_shadow() -> None:
    growth = Growth(progress_thresh=0.0, fixed_steps=1).reach(SeedState.GERMINATED)
    born = [parameter.clone() for parameter in growth.seed.parameters()]
    growth.step()
    assert (growth.seed.state, growth.seed.ramp) == (SeedState.BLENDING, 0.0)
    assert all(map(torch.equal, growth.seed.parameters(), born))
    assert {id(parameter) for parameter in growth.seed.parameters()} < held(growth)
    growth.step()
    assert (growth.seed.state, growth.seed.ramp) == (SeedState.SHADOWING, 1.0)
    assert growth.grower._transitions.trainers == {}


@pytest.mark.parametrize(("embargo", "reset"), [(0, 0), (1, 1), (3, 2)])
def test_the_place_of_a_culled_seed_opens_after_the_durations_that_were_asked_for(embargo: int, reset: int) -> None:
    growth = Growth(durations=Durations(embargo_epochs=embargo, reset_epochs=reset)).reach(SeedState.TRAINING)
    growth.epoch()
    growth.cull()
    entered = {SeedState.EMBARGOED: growth.grower.epoch}
    while growth.seed.state is not SeedState.DORMANT:
        growth.epoch()
        entered.setdefault(growth.seed.state, growth.grower.epoch)
    assert entered[SeedState.RESETTING] - entered[SeedState.EMBARGOED] == max(1, embargo)
    assert entered[SeedState.DORMANT] - entered[SeedState.RESETTING] == max(1, reset)
    assert growth.grower.apply(Wait()) == []
