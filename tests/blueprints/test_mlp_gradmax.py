import pytest
import torch

from kaslite.blueprints import FeatureKind, SeedShape, get

WIDTHS = [4, 16, 64]


def build(name, width):
    torch.manual_seed(0)
    return get(name).build(SeedShape(FeatureKind.DENSE, width, width))


def gradient_at_birth(module, width):
    """Return the norm of the gradient in all parameters, for a unit gradient at the output."""
    generator = torch.Generator().manual_seed(1)
    outputs = module(torch.randn(256, width, generator=generator))
    direction = torch.randn(outputs.shape, generator=generator)
    outputs.backward(direction / direction.norm())
    return torch.stack([parameter.grad.norm() for parameter in module.parameters() if parameter.grad is not None]).norm()


@pytest.mark.parametrize("width", WIDTHS)
def test_it_is_as_large_as_mlp(width):
    sizes = [[tuple(parameter.shape) for parameter in build(name, width).parameters()] for name in ("mlp", "mlp_gradmax")]
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize("width", WIDTHS)
def test_its_gradient_at_birth_is_larger_than_that_of_mlp(width):
    assert gradient_at_birth(build("mlp_gradmax", width), width) > 1.3 * gradient_at_birth(build("mlp", width), width)


@pytest.mark.parametrize("width", WIDTHS)
def test_no_hidden_unit_is_dead_at_birth(width):
    module = build("mlp_gradmax", width)
    gradient_at_birth(module, width)
    assert module[1].weight.grad.norm(dim=1).min() > 0
    assert module[1].bias.grad.abs().min() > 0


def test_a_gradient_arrives_at_the_hidden_units_at_about_its_own_length():
    module = build("mlp_gradmax", 256)
    normal = torch.randn(1, 256).requires_grad_()
    units = module[1](normal)
    direction = torch.randn(1, 256)
    (arrived,) = torch.autograd.grad(module[3](module[2](units)), units, direction)
    assert (arrived.norm() / direction.norm()).item() == pytest.approx(1, abs=0.2)
