from __future__ import annotations

import math

import pytest
import torch

from kaslite import blueprints
from kaslite.blueprints import FeatureKind, SeedShape
from kaslite.seeds import Seed
from kaslite.seeds.alignment import Alignment


def summed(*sums: float) -> Alignment:
    """Return the alignment of a seed whose backward passes left these sums: -<g, delta>, <delta, delta>, <g, g>."""
    seed = Seed("stem", 0)
    seed.germinate(blueprints.get("mlp"), SeedShape(FeatureKind.DENSE, 4, 4), torch.zeros(1), 0)
    alignment = Alignment(seed)
    seed.alignment.grad = torch.tensor(sums) if sums else None
    return alignment


@pytest.mark.parametrize(
    ("sums", "progress"),
    [((3.0, 4.0, 9.0), 0.5), ((6.0, 4.0, 9.0), 1.0), ((-3.0, 4.0, 9.0), 0.0), ((0.0, 0.0, 9.0), 0.0), ((0.0, 4.0, 0.0), 0.0)],
)
def test_progress_is_the_cosine_of_delta_and_descent(sums: tuple[float, ...], progress: float) -> None:
    assert summed(*sums).read() == pytest.approx(progress)


def test_a_reading_starts_the_sums_anew() -> None:
    alignment = summed(3.0, 4.0, 9.0)
    alignment.read()
    assert alignment.read() is None


@pytest.mark.parametrize("size", [math.inf, math.nan])
def test_a_delta_that_is_not_finite_shows(size: float) -> None:
    alignment = summed(3.0, size, 9.0)
    assert not alignment.is_finite
    assert math.isnan(alignment.read())


def test_a_seed_that_made_no_step_is_finite() -> None:
    assert summed().is_finite
