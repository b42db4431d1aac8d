"""What each shadow objective asks of a seed, against autograd."""

from __future__ import annotations

import pytest
import torch

from kaslite import blueprints
from kaslite.blueprints import FeatureKind, SeedShape
from kaslite.errors import UsageError
from kaslite.randomness import generator
from kaslite.seeds.objectives import OBJECTIVES, check_can_learn, fit_slope, task_slope

WIDE = SeedShape(FeatureKind.DENSE, 8, 8)


def tensors() -> list[torch.Tensor]:
    return [torch.randn(5, 4, generator=generator(0, name)) for name in ("g", "x", "delta")]


def slope_of(loss) -> torch.Tensor:
    g, x, delta = tensors()
    delta.requires_grad_()
    loss(g, x, delta).backward()
    return delta.grad


def test_task_pulls_downhill_and_keeps_delta_small_beside_x() -> None:
    expected = slope_of(lambda g, x, d: (g * d + g.abs() / (0.1 * x.abs() + 1e-3) * d.square() / 2).sum())
    torch.testing.assert_close(task_slope(*tensors()), expected)


def test_gradient_fits_the_negative_gradient_at_a_tenth_of_the_size_of_x() -> None:
    expected = slope_of(lambda g, x, d: 0.5 * (d + g * (0.1 * x.norm() / g.norm())).square().sum())
    torch.testing.assert_close(fit_slope(*tensors()), expected)


@pytest.mark.parametrize("size", [0.0, 1e-45, 1e-30, 1e30])
def test_gradient_is_finite_however_small_or_large_g_is(size: float) -> None:
    g, x, delta = tensors()
    slope = fit_slope(size * g, x, delta)
    assert slope.isfinite().all()
    assert (slope - delta).norm() <= 0.1001 * x.norm()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_an_autoencoder_learns_by_every_objective(objective: str) -> None:
    check_can_learn(blueprints.get("autoencoder"), WIDE, objective)


def test_a_blueprint_without_a_child_is_refused_with_those_that_have_one_and_the_other_objectives() -> None:
    with pytest.raises(
        UsageError, match=r"'mlp' declares no child .* here these do: autoencoder; .* learn by: task, gradient\."
    ):
        check_can_learn(blueprints.get("mlp"), WIDE, "reconstruct")


def test_an_unknown_objective_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown shadow objective 'reconstuct': did you mean 'reconstruct'\?"):
        check_can_learn(blueprints.get("mlp"), WIDE, "reconstuct")
