from __future__ import annotations

import copy

import pytest
import torch

from kaslite.randomness import generator
from kaslite.seeds import reservoir as module
from kaslite.seeds.reservoir import BYTES, ROWS, Reservoir


def filled(batches: int, size: int = 100, rng_seed: int = 0) -> Reservoir:
    """Return a reservoir that has seen rows that are numbered as they came."""
    reservoir = Reservoir(generator(rng_seed, "reservoir"))
    for batch in range(batches):
        reservoir.add(torch.arange(batch * size, (batch + 1) * size, dtype=torch.float32)[:, None])
    return reservoir


def kept(reservoir: Reservoir) -> list[float]:
    return sorted(reservoir.sample(ROWS).flatten().tolist())


def test_all_rows_are_kept_while_there_is_room() -> None:
    assert kept(filled(3)) == list(range(300))
    assert len(filled(3)) == 300


def test_it_never_holds_more_than_its_rows_and_never_one_twice() -> None:
    rows = kept(filled(50))
    assert len(rows) == len(set(rows)) == ROWS


def test_every_row_that_passed_is_kept_with_the_same_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS", 20)
    counts = torch.zeros(100)
    for rng_seed in range(400):
        counts[torch.tensor(kept(filled(4, 25, rng_seed))).long()] += 1
    tenths = counts.reshape(10, 10).sum(1) / 400  # of each ten rows in their order, two are kept on average
    assert (tenths - 2).abs().max() < 0.35  # five standard errors


def test_it_never_holds_more_than_its_bytes() -> None:
    reservoir = Reservoir(generator(0, "reservoir"))
    reservoir.add(torch.zeros(128, 2**18))  # a MiB a row
    assert len(reservoir) * 2**20 == BYTES


def test_a_row_that_is_too_large_is_not_kept() -> None:
    reservoir = Reservoir(generator(0, "reservoir"))
    assert reservoir.add(torch.zeros(2, 8))
    assert not reservoir.add(torch.zeros(1).expand(2, BYTES // 4 + 1))
    assert len(reservoir) == 0


@pytest.mark.parametrize("other", [torch.ones(2, 3), torch.ones(2, 1, dtype=torch.float64)])
def test_rows_of_another_size_or_dtype_start_it_anew(other: torch.Tensor) -> None:
    reservoir = filled(3)
    reservoir.add(other)
    assert torch.equal(reservoir.sample(ROWS), other)
    assert reservoir.batches == 4


def test_rows_are_copies_and_finite() -> None:
    reservoir, rows = Reservoir(generator(0, "reservoir")), torch.tensor([[torch.inf, torch.nan, 1.0]])
    reservoir.add(rows)
    rows.fill_(7.0)
    assert reservoir.sample(1).tolist() == [[0.0, 0.0, 1.0]]


def test_nothing_is_drawn_from_the_global_stream() -> None:
    before = torch.get_rng_state()
    filled(20).sample(64)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("batches", [0, 3, 20])
def test_a_loaded_one_goes_on_as_the_saved_one(batches: int) -> None:
    saved = filled(batches)
    state = copy.deepcopy(saved.state_dict())
    loaded = Reservoir(generator(1, "another"))
    loaded.load_state_dict(state)
    for reservoir in (saved, loaded):
        for _ in range(15):
            reservoir.add(torch.arange(5000.0, 5100.0)[:, None])
    assert torch.equal(saved.sample(ROWS), loaded.sample(ROWS))
