"""No change of state moves the model's output; only ticks do, each by its own small share."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from kaslite import SeedState
from tests.growing import PATH, Growth, both_modes
from tests.hosts import hooks

HOSTS = ("in_place", "batch_norm", "transformer")
FADING = (SeedState.BLENDING, SeedState.SHADOWING, SeedState.PROBATIONARY, SeedState.FOSSILIZED)


def between(growth: Growth, change) -> tuple[Tensor, Tensor]:
    """Return the outputs in both modes before and after a change."""
    before = both_modes(growth.model, growth.inputs)
    change()
    return before, both_modes(growth.model, growth.inputs)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("state", [state for state in PATH if state is not SeedState.SHADOWING])  # that one is a tick
def test_no_change_of_state_moves_the_output(host: str, state: SeedState) -> None:
    growth = Growth(host)
    if state is not PATH[0]:
        growth.reach(PATH[PATH.index(state) - 1])
    growth.prepare()
    before, after = between(growth, growth.move_on)
    assert growth.seed.state is state
    torch.testing.assert_close(after, before, atol=1e-6, rtol=0)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("state", PATH)
def test_a_cull_moves_nothing_at_once(host: str, state: SeedState) -> None:
    growth = Growth(host).reach(state)
    before, after = between(growth, growth.cull)
    assert growth.seed.state is (SeedState.CULLED if growth.seed.ramp else SeedState.EMBARGOED)
    torch.testing.assert_close(after, before, atol=1e-6, rtol=0)


def on_the_output(fixed_steps: int = 5) -> Growth:
    """Return a growth whose seed writes the model's own output, so that a tick can be measured there."""
    return Growth(at="head", place=("head", 0), fixed_steps=fixed_steps)


def largest_share(growth: Growth) -> float:
    """Return the most that one tick may move the output."""
    caught: list[Tensor] = []
    handle = growth.seed.module.register_forward_hook(lambda *args: caught.append(args[2]))
    with torch.no_grad():
        growth.model(growth.inputs)
    handle.remove()
    return torch.stack(caught).abs().max().item() / 5


@pytest.mark.parametrize("state", [SeedState.BLENDING, SeedState.SHADOWING])
def test_a_tick_of_the_ramp_moves_the_output_by_its_share(state: SeedState) -> None:
    growth = on_the_output().reach(SeedState.BLENDING)
    while growth.seed.ramp < (0.79 if state is SeedState.SHADOWING else 0):
        growth.step()
    growth.update()
    before, after = between(growth, growth.grower.after_step)
    assert growth.seed.state is state
    assert 0 < (after - before).abs().max() <= largest_share(growth) + 1e-6


@pytest.mark.parametrize("state", FADING)
def test_a_culled_seed_fades_along_its_ramp(state: SeedState) -> None:
    growth = on_the_output().reach(state)
    if state is SeedState.BLENDING:
        growth.step()
    ticks = round(growth.seed.ramp * 5)
    growth.cull()
    for tick in range(ticks):
        assert growth.seed.state is SeedState.CULLED
        assert growth.seed.ramp == pytest.approx((ticks - tick) / 5)
        share = largest_share(growth)
        growth.update()
        share = max(share, largest_share(growth))
        before, after = between(growth, growth.grower.after_step)
        assert 0 < (after - before).abs().max() <= share + 1e-6
    assert growth.seed.state is SeedState.EMBARGOED
    assert hooks(growth.model) == 0


def test_a_seed_on_an_epoch_ramp_ticks_once_an_epoch() -> None:
    growth = Growth(tick="epoch", fixed_steps=4).reach(SeedState.BLENDING)
    ramps = []
    for _ in range(4):
        growth.epoch()
        ramps.append(growth.seed.ramp)
    assert ramps == [0.25, 0.5, 0.75, 1]
    assert growth.seed.state is SeedState.SHADOWING


def test_a_blend_completes_at_99_hundredths_and_the_ramp_runs_on() -> None:
    growth = Growth(fixed_steps=100).reach(SeedState.SHADOWING)
    assert growth.seed.ramp == pytest.approx(0.99)
    growth.step()
    assert growth.seed.ramp == pytest.approx(1)
    growth.step()
    assert growth.seed.ramp == 1


def test_a_seed_ticks_only_in_training_steps() -> None:
    growth = Growth(fixed_steps=100).reach(SeedState.BLENDING)
    growth.step()
    ramp = growth.seed.ramp
    growth.evaluate()
    growth.grower.after_epoch()
    assert growth.seed.ramp == ramp
