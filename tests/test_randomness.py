import random

import numpy as np
import pytest
import torch

from kaslite.randomness import (
    derive,
    generator,
    global_state,
    global_stream,
    global_streams_kept,
    own_global_streams,
    set_global_state,
)
from kaslite.training.checkpoint_file import read_tree, write_tree

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


def draw():
    """Draw from every global stream; NumPy's and Python's keep half a normal draw in reserve."""
    return torch.rand(3).tolist(), torch.randn(3).tolist(), np.random.standard_normal(3).tolist(), random.gauss(0, 1)  # noqa: NPY002


@pytest.mark.parametrize("drawn_before", range(3))
def test_every_global_stream_goes_on_from_a_state_that_was_put_back(drawn_before):
    for _ in range(drawn_before):
        draw()
    state = global_state()
    expected = draw(), draw()
    torch.manual_seed(1), np.random.seed(1), random.seed(1)  # noqa: NPY002
    set_global_state(state)
    assert (draw(), draw()) == expected


def test_looking_at_the_global_streams_draws_nothing_from_them():
    state = global_state()
    global_state()
    expected = draw()
    set_global_state(state)
    assert draw() == expected


def test_a_state_is_not_changed_by_what_is_drawn_after():
    state = global_state()
    expected = draw()
    for _ in range(3):
        set_global_state(state)
        assert draw() == expected


def test_the_state_of_the_global_streams_can_be_written_to_a_checkpoint(tmp_path):
    state = global_state()
    expected = draw()
    write_tree(tmp_path / "it", state)
    set_global_state(read_tree(tmp_path / "it"))
    assert draw() == expected


def test_a_state_from_a_machine_with_more_devices_can_be_put_back_here():
    state = global_state()
    state["torch"] += [torch.cuda.get_rng_state() if torch.cuda.is_available() else torch.zeros(16, dtype=torch.uint8)] * 9
    expected = draw()
    set_global_state(state)
    assert draw() == expected


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_the_streams_of_devices_go_on_too():
    torch.rand(1, device="cuda")
    state = global_state()
    expected = torch.rand(3, device="cuda")
    torch.cuda.manual_seed(1)
    set_global_state(state)
    assert torch.equal(torch.rand(3, device="cuda"), expected)


def test_where_the_global_streams_are_kept_code_may_draw_what_it_likes():
    state = global_state()
    expected = draw()
    set_global_state(state)
    with global_streams_kept():
        draw()
    assert draw() == expected


def test_they_are_kept_after_an_error_too():
    state = global_state()
    expected = draw()
    set_global_state(state)
    with pytest.raises(KeyError), global_streams_kept():
        raise KeyError(draw())
    assert draw() == expected


def test_code_with_global_streams_of_its_own_always_draws_the_same_and_leaves_the_others():
    state = global_state()
    expected = draw()
    drawn = []
    for seed in (0, 0, 1):
        set_global_state(state)
        with own_global_streams(seed, "a"):
            drawn.append(draw())
        assert draw() == expected
    assert drawn[0] == drawn[1]
    assert all(one != other for one, other in zip(drawn[0], drawn[2], strict=True))
