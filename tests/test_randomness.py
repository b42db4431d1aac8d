import pytest
import torch

from kaslite.randomness import derive, generator, global_stream

CPU = torch.device("cpu")


def test_a_stream_is_the_same_on_every_machine():
    assert derive(0, "order", 1) == 2961819992523135983


@pytest.mark.parametrize("other", [(1, "order", 1), (0, "split", 1), (0, "order", 2), (0, "order"), (0, "order", 1, 1)])
def test_another_name_is_another_stream(other):
    assert derive(*other) != derive(0, "order", 1)


@pytest.mark.parametrize("rng_seed", range(20))
def test_a_derived_seed_fits_every_generator(rng_seed):
    assert 0 <= derive(rng_seed, "data") < 2**63


def test_a_generator_starts_anew_each_time_it_is_asked_for():
    first, second = (torch.rand(3, generator=generator(0, "a")) for _ in range(2))
    assert torch.equal(first, second)


def test_drawing_from_one_stream_does_not_shift_another():
    one, other = generator(0, "a"), generator(0, "b")
    torch.rand(100, generator=one)
    assert torch.equal(torch.rand(3, generator=other), torch.rand(3, generator=generator(0, "b")))


def test_inside_a_global_stream_the_global_generator_is_the_named_one():
    with global_stream(CPU, 0, "host"):
        inside = torch.rand(3)
    assert torch.equal(inside, torch.rand(3, generator=generator(0, "host")))


def test_after_a_global_stream_the_old_one_goes_on():
    before = torch.get_rng_state()
    with global_stream(CPU, 0, "host"):
        torch.rand(3)
    assert torch.equal(torch.get_rng_state(), before)


def test_after_an_error_in_a_global_stream_the_old_one_goes_on():
    before = torch.get_rng_state()
    with pytest.raises(KeyError), global_stream(CPU, 0, "host"):
        raise KeyError(torch.rand(3))
    assert torch.equal(torch.get_rng_state(), before)
