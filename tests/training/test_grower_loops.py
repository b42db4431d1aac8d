"""The grower in loops as users write them."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from kaslite import Advance, SeedState, UsageError
from tests.growing import Growth

HOSTS = ("in_place", "batch_norm", "transformer")


def clipped(growth: Growth) -> None:
    growth.backward()
    nn.utils.clip_grad_norm_(growth.model.parameters(), 1.0)
    growth.optimizer.step()


def accumulated(growth: Growth) -> None:
    growth.optimizer.zero_grad()
    for inputs, targets in zip(growth.inputs.chunk(2), growth.targets.chunk(2), strict=True):
        (functional.cross_entropy(growth.model(inputs), targets) / 2).backward()
    growth.optimizer.step()


def autocast(growth: Growth) -> None:
    growth.optimizer.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = functional.cross_entropy(growth.model(growth.inputs), growth.targets)
    loss.backward()
    growth.optimizer.step()


class Scaled:
    """A loop with a gradient scaler; its first step overflows."""

    def __init__(self) -> None:
        self.scaler = torch.amp.GradScaler("cpu")

    def __call__(self, growth: Growth, factor: float = 1.0) -> None:
        growth.optimizer.zero_grad()
        loss = factor * functional.cross_entropy(growth.model(growth.inputs), growth.targets)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(growth.optimizer)
        nn.utils.clip_grad_norm_(growth.model.parameters(), 1.0)
        self.scaler.step(growth.optimizer)
        self.scaler.update()


def zeroed_after(growth: Growth) -> None:
    functional.cross_entropy(growth.model(growth.inputs), growth.targets).backward()
    growth.optimizer.step()
    growth.optimizer.zero_grad()


LOOPS = {
    "clipping": lambda: clipped,
    "accumulation": lambda: accumulated,
    "bf16 autocast": lambda: autocast,
    "gradient scaler": Scaled,
    "zero_grad at the end": lambda: zeroed_after,
}


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
def test_a_seed_lives_its_whole_life(loop, host: str) -> None:
    update = loop()
    growth = Growth(host, steps_per_epoch=0)

    def epoch() -> None:
        for _ in range(10):
            update(growth)
            growth.grower.after_step()
        growth.grower.after_epoch()

    epoch()
    growth.move_on()
    epoch()
    assert growth.seed.record.training_progress > 0
    growth.move_on()
    epoch()
    assert growth.seed.state is SeedState.SHADOWING
    for _ in range(30):
        epoch()
        if growth.seed.state is SeedState.SHADOWING and growth.seed.record.held_epochs:
            growth.move_on()
        if growth.seed.state is SeedState.PROBATIONARY and growth.seed.record.held_epochs >= 3:
            break
    growth.move_on()
    assert growth.seed.state is SeedState.FOSSILIZED
    growth.cull()
    epoch()
    assert growth.seed.state is SeedState.EMBARGOED
    assert growth.evaluate().losses.isfinite().all()


@pytest.mark.parametrize("state", [SeedState.TRAINING, SeedState.BLENDING, SeedState.SHADOWING])
def test_a_step_that_the_scaler_skips_harms_no_seed(state: SeedState) -> None:
    growth, update = Growth().reach(state), Scaled()
    update(growth)
    growth.grower.after_step()
    before = [parameter.clone() for parameter in growth.model.host.parameters()]
    update(growth, float("inf"))
    assert all(map(torch.equal, growth.model.host.parameters(), before))  # it was skipped
    growth.grower.after_step()
    update(growth)
    growth.grower.after_step()
    events = growth.grower.after_epoch()
    assert not [event for event in events if event.type == "seed_culled"]
    assert all(parameter.isfinite().all() for parameter in growth.seed.parameters())


def test_an_overflow_counts_for_nothing_in_the_progress() -> None:
    growth, update = Growth().reach(SeedState.TRAINING), Scaled()
    growth.epoch()
    update(growth, float("inf"))
    growth.grower.after_step()
    growth.grower.after_epoch()
    assert growth.seed.record.training_progress == 0


def test_accumulated_halves_are_one_whole_batch_to_a_seed() -> None:
    seeds = []
    for update in (Growth.update, accumulated):
        growth = Growth().reach(SeedState.TRAINING)
        for _ in range(3):
            update(growth)
            growth.grower.after_step()
        seeds.append(nn.utils.parameters_to_vector(growth.seed.parameters()))
    assert growth.seed.state is SeedState.TRAINING
    assert torch.nn.functional.cosine_similarity(*seeds, dim=0) > 0.999


@pytest.mark.parametrize("state", [SeedState.DORMANT, SeedState.TRAINING, SeedState.BLENDING])
def test_a_tick_between_forward_and_backward_is_refused_with_the_reason(state: SeedState) -> None:
    growth = Growth().reach(state)
    growth.optimizer.zero_grad()
    loss = growth.model(growth.inputs).sum()
    with pytest.raises(UsageError, match="waiting for its backward pass: a tick between the two would make"):
        growth.grower.after_step()
    loss.backward()
    growth.optimizer.step()
    growth.grower.after_step()


def test_a_decision_between_epochs_needs_no_step() -> None:
    growth = Growth().reach(SeedState.TRAINING)
    growth.grower.after_epoch()
    assert growth.grower.apply(Advance(*growth.place))
