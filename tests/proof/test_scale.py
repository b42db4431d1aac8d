from __future__ import annotations

from kaslite.proof.intervals import LEAST_PAIRS
from kaslite.proof.scale import SCALES


def test_quick_says_something_and_full_says_it_with_ten_rng_seeds_or_more() -> None:
    assert len(SCALES["quick"].rng_seeds) >= LEAST_PAIRS
    assert len(SCALES["full"].rng_seeds) >= 10
    assert SCALES["quick"].effort < SCALES["full"].effort == 1


def test_every_scale_is_called_by_its_name() -> None:
    assert all(scale.name == name for name, scale in SCALES.items())
