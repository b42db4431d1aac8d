import pytest
import torch

from kaslite.testing.learning import check_gradients_alive, check_identity_at_birth, check_learns
from tests.testing.planted import KAPUT, Biased, DeadConvolution, DeadUnits, faulty, sound, subject

CHECKS = [check_identity_at_birth, check_gradients_alive, check_learns]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_sound_blueprint_passes(check, dtype):
    check(subject(sound, dtype=dtype))


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("one", "at birth the delta reaches 1.0"),
        ("not a number", "at birth the delta reaches nan"),
        ("too narrow", r"the delta has the size \(32, 5\), expected \(32, 6\)"),
    ],
)
def test_a_newborn_that_changes_something_fails(fault, reason):
    with pytest.raises(AssertionError, match=reason):
        check_identity_at_birth(subject(faulty(KAPUT[fault])))


def test_a_newborn_of_another_precision_fails():
    with pytest.raises(AssertionError, match=r"the delta is torch\.float32"):
        check_identity_at_birth(subject(faulty(KAPUT["in single"]), dtype=torch.bfloat16))


@pytest.mark.parametrize("check", [check_gradients_alive, check_learns])
@pytest.mark.parametrize(("recipe", "kind"), [(DeadConvolution, "image"), (DeadUnits, "dense")])
def test_a_dead_blueprint_fails(recipe, kind, check):
    dead = subject(recipe, kind)
    check_identity_at_birth(dead)
    with pytest.raises(AssertionError, match=r"no gradient that counts reached|after \d+ steps its loss is"):
        check(dead)


def test_a_gradient_that_is_not_a_number_is_found():
    with pytest.raises(AssertionError, match="a gradient is not finite"):
        check_gradients_alive(subject(faulty(KAPUT["not a number"])))


def test_a_gradient_that_is_zero_by_algebra_has_to_be_declared():
    with pytest.raises(AssertionError, match=r"no gradient that counts reached key\.bias \("):
        check_gradients_alive(subject(Biased, "sequence"))
    check_gradients_alive(subject(Biased, "sequence", without_gradient=frozenset({"key.bias"})))


def test_declaring_a_parameter_that_is_not_there_fails():
    with pytest.raises(AssertionError, match=r"no parameters are called \['keys\.bias'\]"):
        check_gradients_alive(subject(Biased, "sequence", without_gradient=frozenset({"keys.bias"})))


def test_a_blueprint_without_parameters_fails():
    with pytest.raises(AssertionError, match="it has no parameters"):
        check_gradients_alive(subject(lambda _: torch.nn.Identity()))
