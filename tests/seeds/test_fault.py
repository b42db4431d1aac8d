"""A seed that fails in the forward pass is left out of it; the host goes on, and the reason is kept."""

from __future__ import annotations

import copy
import io
import math

import pytest
import torch
from torch import Tensor, nn

from kaslite import SeedState
from kaslite.blueprints import Blueprint, FeatureKind, registry
from tests.growing import Growth


class Fails(nn.Module):
    """Multiplies; does what it was told to, once it was told."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(width))
        self.answer = None

    def forward(self, feature: Tensor) -> Tensor:
        return self.scale * feature if self.answer is None else self.answer(self.scale * feature)


def raises(error: BaseException):
    def answer(_delta: Tensor) -> Tensor:
        raise error

    return answer


FAULTS = {
    "it raised ValueError: no idea": raises(ValueError("no idea")),
    "it raised RuntimeError: shapes": raises(RuntimeError("shapes")),
    "it returned a NoneType instead of a tensor": lambda _delta: None,
    "it returned a tuple instead of a tensor": lambda delta: (delta,),
    "it returned a tensor of shape (512, 3) instead of (512, 8)": lambda delta: delta[:, :3],
    "it returned a tensor of shape (1, 8) instead of (512, 8)": lambda delta: delta[:1],  # would fit, and mean nothing
    "it returned a tensor of torch.int64 on cpu for a feature of torch.float32 on cpu": lambda delta: delta.long(),
}
every_fault = pytest.mark.parametrize(("reason", "answer"), FAULTS.items(), ids=FAULTS)
every_mode = pytest.mark.parametrize("mode", [True, False], ids=["train", "eval"])


@pytest.fixture(autouse=True)
def fails(monkeypatch: pytest.MonkeyPatch) -> None:
    blueprint = Blueprint("fails", frozenset({FeatureKind.DENSE}), lambda shape: Fails(shape.writes))
    monkeypatch.setitem(registry._REGISTRY, "fails", blueprint)


def grown(state: SeedState, blueprint: str = "fails", **kwargs) -> Growth:
    growth = Growth(blueprint=blueprint, measured=False, fixed_steps=1, **kwargs).reach(state)
    if blueprint == "fails":
        nn.init.ones_(growth.seed.module.scale)
    return growth


@every_mode
@every_fault
def test_a_blended_seed_that_fails_is_left_out_of_the_pass(reason: str, answer, mode: bool) -> None:  # noqa: FBT001
    growth = grown(SeedState.SHADOWING)
    growth.model.train(mode)
    healthy = growth.model(growth.inputs)
    with growth.seed.switched_off():
        without = growth.model(growth.inputs)
    growth.seed.module.answer = answer
    assert torch.equal(growth.model(growth.inputs), without)
    assert not torch.equal(healthy, without)
    assert growth.seed.fault == reason


@every_fault
def test_a_seed_that_fails_in_the_shadow_is_left_out_of_the_pass(reason: str, answer) -> None:
    growth = grown(SeedState.TRAINING)
    healthy = growth.model(growth.inputs)
    growth.seed.module.answer = answer
    growth.update()
    assert growth.seed.fault == reason
    assert all(parameter.grad is None for parameter in growth.seed.parameters())
    growth.seed.module.answer = None
    assert healthy.requires_grad


def test_the_other_seeds_of_the_layer_stay_in() -> None:
    growth = grown(SeedState.SHADOWING, seeds_per_layer=2)
    growth.place, growth.blueprint = ("blocks.0", 1), "mlp"
    growth.reach(SeedState.SHADOWING)
    growth.model.seed_at("blocks.0", 0).module.answer = raises(ValueError())
    outputs = growth.model(growth.inputs)
    with growth.seed.switched_off():
        assert not torch.equal(growth.model(growth.inputs), outputs)
    assert growth.seed.fault is None


def test_the_first_reason_stays_until_it_is_cleared() -> None:
    growth = grown(SeedState.SHADOWING)
    for answer in (raises(ValueError("one")), raises(ValueError("two"))):
        growth.seed.module.answer = answer
        growth.model(growth.inputs)
    assert growth.seed.fault == "it raised ValueError: one"
    growth.seed.clear_fault()
    growth.model(growth.inputs)
    assert growth.seed.fault == "it raised ValueError: two"


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("full"), KeyboardInterrupt()])
def test_what_is_not_the_seeds_fault_is_raised(error: BaseException) -> None:
    growth = grown(SeedState.SHADOWING)
    growth.seed.module.answer = raises(error)
    with pytest.raises(type(error)):
        growth.model(growth.inputs)
    assert growth.seed.fault is None


def test_the_sums_are_those_of_what_was_read_and_added_in_training_passes() -> None:
    growth = grown(SeedState.SHADOWING, "mlp")
    layer, seed = growth.model.layers["blocks.0"], growth.seed
    caught = []
    seed.module.register_forward_hook(lambda _module, args, delta: caught.append((args[0].sum(), delta.sum())))
    layer.clear_sums()
    growth.model(growth.inputs)
    growth.model(growth.inputs[:8])
    reads, deltas = (sum(values).item() for values in zip(*caught, strict=True))
    assert (layer.read_sum.item(), seed.delta_sum.item()) == (pytest.approx(reads, rel=1e-5), pytest.approx(deltas, rel=1e-5))
    with torch.no_grad():
        growth.model(growth.inputs)
    growth.model.eval()(growth.inputs)
    assert len(caught) == 4
    assert layer.read_sum.item() == pytest.approx(reads, rel=1e-5)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, 3e38])
def test_a_sum_that_is_not_finite_stays_so_until_it_is_cleared(value: float) -> None:
    growth = grown(SeedState.SHADOWING)
    layer, module = growth.model.layers["blocks.0"], growth.seed.module
    module.answer = lambda delta: delta + value
    growth.model(growth.inputs)
    module.answer = None
    growth.model(growth.inputs)
    assert not growth.seed.delta_sum.isfinite()
    assert layer.read_sum.isfinite()  # so it was the seed
    layer.clear_sums()
    assert (growth.seed.delta_sum, layer.read_sum) == (0, 0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_sums_are_kept_in_float32_when_the_model_moves(dtype: torch.dtype) -> None:
    growth = grown(SeedState.SHADOWING)
    layer = growth.model.layers["blocks.0"]
    growth.seed.module.answer = lambda delta: delta * math.nan
    growth.model(growth.inputs)
    growth.model.to(dtype)
    assert layer.read_sum.dtype is growth.seed.delta_sum.dtype is torch.float32
    assert growth.seed.delta_sum.isnan()
    layer.clear_sums()
    growth.seed.module.answer = None
    growth.model((100 * growth.inputs).to(dtype))
    assert growth.seed.delta_sum.isfinite()


def saved(model: nn.Module) -> nn.Module:
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize("copied", [copy.deepcopy, saved])
def test_sums_and_faults_go_with_a_copy_and_not_into_the_state_dict(copied) -> None:
    growth = grown(SeedState.SHADOWING, "mlp")
    growth.model(growth.inputs)
    growth.seed.note_fault("for a reason")
    twin = copied(growth.model)
    growth.model.layers["blocks.0"].clear_sums()
    growth.seed.clear_fault()
    assert twin.layers["blocks.0"].read_sum != 0
    assert twin.seed_at(*growth.place).delta_sum != 0
    assert twin.seed_at(*growth.place).fault == "for a reason"
    assert not [name for name in twin.state_dict() if name.endswith("_sum")]


def test_a_cleared_seed_has_neither_fault_nor_sum() -> None:
    growth = grown(SeedState.SHADOWING, "mlp")
    growth.seed.note_fault("for a reason")
    growth.seed.clear()
    assert (growth.seed.fault, growth.seed.delta_sum.item()) == (None, 0)
