import pytest
import torch
from torch import nn

from kaslite.testing import portability
from tests.testing.planted import KAPUT, Around, faulty, sound, subject

CHECKS = [check for name, check in vars(portability).items() if name.startswith("check_")]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_a_sound_blueprint_passes(check, dtype):
    check(subject(sound, dtype=dtype))


class Forgetful(Around):
    """What it scales by is no part of its state."""

    def __init__(self, shape) -> None:
        super().__init__(shape, lambda module, _feature, delta: delta * module.scale)
        self.register_buffer("scale", torch.rand(()), persistent=False)


class Rounded(nn.Linear):
    """Computes in half of the digits that it is given."""

    def forward(self, feature):
        return super().forward(feature.half().to(feature.dtype).mul(1 + 2e-3 * (feature.dtype is torch.float32)))


@pytest.mark.parametrize(
    ("check", "recipe", "reason"),
    [
        (portability.check_moves_precision, faulty(KAPUT["in single"]), r"moved to float64, the delta is torch\.float32"),
        (portability.check_moves_precision, faulty(KAPUT["not a number"]), "against float64 the delta is nan off"),
        (portability.check_moves_precision, lambda shape: Rounded(shape.reads, shape.writes), "the delta is 0.00"),
        (portability.check_state_round_trip, Forgetful, "it computes something else"),
        (portability.check_exports, faulty(KAPUT["branch"]), "torch.export refused it"),
        (portability.check_moves_device, faulty(KAPUT["left behind"]), "device"),
    ],
)
def test_a_fault_is_found(check, recipe, reason):
    with pytest.raises((AssertionError, RuntimeError), match=reason):
        check(subject(recipe))


def test_a_fixed_batch_is_found():
    def fixed(_module, _feature, delta):
        return delta.view(32, -1)

    with pytest.raises(AssertionError, match=r"torch\.export refused it"):
        portability.check_exports(subject(faulty(fixed)))
