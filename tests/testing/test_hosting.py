import pytest
import torch

from kaslite.blueprints import FeatureKind, get
from kaslite.errors import UsageError
from kaslite.testing.hosting import check_lives_in_batch_norm_host
from tests.testing.planted import KAPUT, faulty, subject


@pytest.mark.parametrize("kind", FeatureKind)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_sound_blueprint_passes(kind, dtype):
    check_lives_in_batch_norm_host(subject(get("mlp").recipe, kind, writes=3, dtype=dtype))


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("not a number", "does not return zeros at birth"),
        ("overwrote", "must not work in place"),
    ],
)
def test_a_fault_that_a_host_refuses_at_birth_is_found(fault, reason):
    with pytest.raises(UsageError, match=reason):
        check_lives_in_batch_norm_host(subject(faulty(KAPUT[fault])))


def test_a_seed_that_no_gradient_reaches_is_found():
    def detached(_module, _feature, delta):
        return delta.detach()

    with pytest.raises(AssertionError, match="no gradient reached it"):
        check_lives_in_batch_norm_host(subject(faulty(detached)))


def test_infinite_gradients_are_found():
    def steep(_module, _feature, delta):
        return delta + (delta - delta.detach()).sqrt()

    with pytest.raises(AssertionError, match="gradients are not finite"):
        check_lives_in_batch_norm_host(subject(faulty(steep)))


def test_noise_in_evaluation_is_found():
    def noise(module, _feature, delta):
        return delta if module.training else delta + torch.rand_like(delta)

    with pytest.raises(AssertionError, match="in a host in evaluation, two passes differ"):
        check_lives_in_batch_norm_host(subject(faulty(noise)))
