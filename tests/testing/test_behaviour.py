import pytest
import torch

from kaslite.blueprints import get
from kaslite.testing import behaviour
from tests.testing.planted import KAPUT, WithBatchNorm, faulty, sound, subject

CHECKS = [check for name, check in vars(behaviour).items() if name.startswith("check_")]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_sound_blueprint_passes(check, dtype):
    check(subject(sound, dtype=dtype))


@pytest.mark.parametrize(
    ("check", "fault", "reason"),
    [
        (behaviour.check_deterministic, "counted", "two passes over the same feature differ"),
        (behaviour.check_deterministic, "drew", "two passes over the same feature differ"),
        (behaviour.check_deterministic, "drew in vain", "its forward pass drew"),
        (behaviour.check_deterministic, "not a number", "its output is not finite"),
        (behaviour.check_remembers_nothing, "overwrote", "it changed the feature that it read"),
        (behaviour.check_remembers_nothing, "remembered", "its output depends on what it saw before"),
        (behaviour.check_modes_agree, "mode", r"train\(\) and eval\(\) differ"),
        (behaviour.check_samples_apart, "batch", "a sample alone and in a batch"),
        (behaviour.check_samples_apart, "not a number", "a sample alone and in a batch"),
    ],
)
def test_a_fault_is_found(check, fault, reason):
    with pytest.raises(AssertionError, match=reason):
        check(subject(faulty(KAPUT[fault])))


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        (behaviour.check_remembers_nothing, "a forward pass changed 0.running_mean"),
        (behaviour.check_samples_apart, "a sample alone and in a batch|more than 1 value"),
    ],
)
def test_statistics_are_found(check, reason):
    with pytest.raises((AssertionError, ValueError), match=reason):
        check(subject(WithBatchNorm))


def test_dropout_is_found():
    def recipe(shape):
        return torch.nn.Sequential(*sound(shape), torch.nn.Dropout(0.5))

    with pytest.raises(AssertionError, match="two passes over the same feature differ"):
        behaviour.check_deterministic(subject(recipe))
    with pytest.raises(AssertionError, match=r"train\(\) and eval\(\) differ"):
        behaviour.check_modes_agree(subject(recipe))


def test_a_module_that_draws_from_a_stream_of_its_own_is_found():
    def recipe(shape):
        module = sound(shape)
        torch.nn.init.normal_(module[1].weight, generator=own)
        return module

    own = torch.Generator().manual_seed(0)
    with pytest.raises(AssertionError, match="built twice from one stream"):
        behaviour.check_builds_alike(subject(recipe))


def test_looking_ahead_is_found_where_the_shape_is_causal():
    def recipe(shape):
        return get("attention").recipe(type(shape)(shape.kind, shape.reads, shape.writes))

    behaviour.check_looks_not_ahead(subject(recipe, "sequence"))
    with pytest.raises(AssertionError, match="a later token moved earlier ones"):
        behaviour.check_looks_not_ahead(subject(recipe, "sequence", causal=True))
