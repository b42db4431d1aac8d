from __future__ import annotations

import pytest
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from kaslite import SeedState
from kaslite.lifecycle import LIVE
from kaslite.training.gradients import GradientNorms
from tests.growing import PATH, Growth
from tests.hosts import samples

TRAINED = PATH[1:]


def norm(parameters) -> float:
    gradients = [parameter.grad.flatten() for parameter in parameters if parameter.grad is not None]
    return torch.cat(gradients).norm().item()


def sgd(model) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=1e-2)


@pytest.mark.parametrize("state", TRAINED)
def test_the_norm_is_that_of_the_first_step_of_the_epoch(state: SeedState) -> None:
    growth = Growth(fixed_steps=100 if state is SeedState.BLENDING else 4).reach(state)
    growth.epoch()  # at alpha 0 its gradient is zero
    growth.backward()
    seed, host = norm(growth.seed.parameters()), norm(growth.model.host.parameters())
    growth.optimizer.step()
    growth.grower.after_step()
    growth.step()
    growth.grower.observe()
    assert growth.seed.record.grad_norm == pytest.approx(seed, rel=1e-5)
    assert growth.seed.record.grad_ratio == pytest.approx(seed / host, rel=1e-5)
    assert seed > 0


def test_what_was_measured_of_a_blend_in_the_epoch_that_is_running_is_kept() -> None:
    growth = Growth(strategy="GRAD_NORM_GATED", tick="epoch", fixed_steps=100).reach(SeedState.BLENDING)
    growth.seed.set_ramp(0.5)
    one, other = (GradientNorms(growth.model, growth.optimizer) for _ in range(2))
    growth.backward()
    one.before_step()
    other.load_state_dict(one.state_dict())
    other.read()
    assert growth.seed.record.blend.grad_norm == pytest.approx(2 * norm(growth.seed.parameters()), rel=1e-5)


def test_the_scale_of_a_gradient_scaler_that_a_fused_optimizer_takes_out_itself_is_taken_out() -> None:
    growth = Growth().reach(SeedState.SHADOWING)
    norms = GradientNorms(growth.model, growth.optimizer)
    growth.backward()
    growth.optimizer.grad_scale = torch.tensor(4.0)
    norms.before_step()
    norms.read()
    assert growth.seed.record.grad_norm == pytest.approx(norm(growth.seed.parameters()) / 4, rel=1e-5)


def test_a_seed_is_measured_from_its_first_epoch_on() -> None:
    growth = Growth().reach(SeedState.GERMINATED)
    growth.epoch()
    assert growth.seed.state is SeedState.TRAINING
    assert growth.seed.record.grad_norm is not None


def test_the_controller_and_the_record_say_the_same() -> None:
    growth = Growth().reach(SeedState.TRAINING)
    growth.epoch()
    observed = growth.controller.seen[-1].seeds[0]
    assert (observed.grad_norm, observed.grad_ratio) == (growth.seed.record.grad_norm, growth.seed.record.grad_ratio)
    assert observed.grad_norm is not None


def test_each_epoch_is_measured_anew() -> None:
    growth = Growth().reach(SeedState.TRAINING)
    growth.epoch()
    first = growth.seed.record.grad_norm
    growth.epoch()
    assert growth.seed.record.grad_norm not in (first, None)


def test_each_seed_has_its_own() -> None:
    growth = Growth(seeds_per_layer=2).reach(SeedState.BLENDING)
    growth.place = ("blocks.0", 1)
    growth.reach(SeedState.TRAINING)
    growth.epoch()
    growth.epoch()
    norms = [seed.record.grad_norm for seed in growth.model.seeds]
    assert norms[0] not in (norms[1], None)
    assert norms[1] is not None
    assert norms[2:] == [None, None]


def test_a_seed_that_has_just_germinated_has_none() -> None:
    growth = Growth().reach(SeedState.GERMINATED)
    growth.update()
    growth.grower.after_step()
    growth.grower.observe()
    assert (growth.seed.record.grad_norm, growth.seed.record.grad_ratio) == (None, None)


def test_an_epoch_without_a_step_has_none() -> None:
    growth = Growth().reach(SeedState.TRAINING)
    growth.epoch()
    growth.grower.observe()
    assert (growth.seed.record.grad_norm, growth.seed.record.grad_ratio) == (None, None)


def test_a_host_that_learns_nothing_leaves_the_ratio_unmeasured() -> None:
    growth = Growth(optimize=sgd).reach(SeedState.SHADOWING)
    norms = GradientNorms(growth.model, growth.optimizer)
    growth.backward()
    for parameter in growth.model.host.parameters():
        parameter.grad.zero_()
    norms.before_step()
    norms.read()
    assert growth.seed.record.grad_norm > 0
    assert growth.seed.record.grad_ratio is None


class Calls(TorchDispatchMode):
    """Counts what torch does, and how often the program waits for a number of the device."""

    WAITS = ("_local_scalar_dense", "is_nonzero", "nonzero", "equal", "_to_copy")

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func.overloadpacket.__name__)
        return func(*args, **kwargs or {})

    @property
    def waits(self) -> int:
        return sum(name in self.WAITS for name in self.names)


def steps(growth: Growth, count: int, *, measured: bool) -> list[Calls]:
    """Return what happens in each of the first steps of an optimizer of its own."""
    optimizer = sgd(growth.model)
    if measured:
        norms = GradientNorms(growth.model, growth.optimizer)
        optimizer.register_step_pre_hook(lambda *_: norms.before_step())
    seen = []
    for _ in range(count):
        growth.model.zero_grad()
        functional.cross_entropy(growth.model(samples()[0]), samples()[1]).backward()
        with Calls() as calls:
            optimizer.step()
        seen.append(calls)
    return seen


def test_measuring_waits_for_the_device_at_no_step() -> None:
    growth = Growth().reach(SeedState.TRAINING)
    measured = steps(growth, 3, measured=True)
    assert "_foreach_norm" in measured[0].names
    assert [calls.waits for calls in measured] == [0, 0, 0]


def test_after_the_first_step_of_an_epoch_nothing_is_computed() -> None:
    growth = Growth().reach(SeedState.TRAINING)
    plain, measured = steps(growth, 2, measured=False), steps(growth, 2, measured=True)
    assert len(measured[0].names) > len(plain[0].names)
    assert measured[1].names == plain[1].names


def test_without_live_seeds_nothing_is_measured() -> None:
    growth = Growth()
    assert not any(seed.state in LIVE for seed in growth.model.seeds)
    plain, measured = steps(growth, 1, measured=False), steps(growth, 1, measured=True)
    assert measured[0].names == plain[0].names
