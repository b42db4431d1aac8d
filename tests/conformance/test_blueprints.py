"""What every registered blueprint owes, whoever wrote it."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from kaslite import blueprints
from kaslite.blueprints import FeatureKind, SeedShape
from kaslite.randomness import generator, global_stream

WIDTHS = [(12, 12), (8, 20), (20, 8), (1, 1)]
AXES = {FeatureKind.DENSE: (32,), FeatureKind.SEQUENCE: (32, 5), FeatureKind.IMAGE: (32, 6, 6)}
CASES = [
    pytest.param(name, SeedShape(kind, *widths), id=f"{name}-{kind}-{widths[0]}-{widths[1]}")
    for kind in FeatureKind
    for name in blueprints.names(kind)
    for widths in WIDTHS
]
every_blueprint = pytest.mark.parametrize(("name", "shape"), CASES)


def build(name, shape):
    with global_stream(torch.device("cpu"), 0, name):
        return blueprints.get(name).build(shape)


def build_shaken(name, shape):
    """Build it with no parameter at zero, so that it has an output to look at."""
    module = build(name, shape)
    stream = generator(0, "shake")
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=stream), alpha=0.3)
    return module


def feature(shape, width, name="feature"):
    samples, *rest = AXES[shape.kind]
    x = torch.randn(samples, *rest, width, generator=generator(0, name))
    return x.movedim(-1, 1) if shape.kind is FeatureKind.IMAGE else x


def target(shape):
    """Return a rank-one linear function of the feature: the least that a seed should be able to learn."""
    read = feature(shape, shape.reads)
    axis = 1 if shape.kind is FeatureKind.IMAGE else -1
    return read.mean(axis, keepdim=True) * shape.reads**0.5 * torch.ones_like(feature(shape, shape.writes))


def fit(module, shape, steps):
    """Yield the loss of each step, while its gradients are there to be looked at."""
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = functional.mse_loss(module(feature(shape, shape.reads)), target(shape))
        loss.backward()
        yield loss.item()
        optimizer.step()


def test_there_are_blueprints_to_test():
    assert CASES


@every_blueprint
def test_at_birth_its_delta_is_exactly_zero(name, shape):
    delta = build(name, shape)(feature(shape, shape.reads))
    assert delta.shape == feature(shape, shape.writes).shape
    assert delta.abs().max().item() == 0.0


@every_blueprint
def test_within_two_steps_every_parameter_has_a_gradient_that_counts(name, shape):
    module = build(name, shape)
    norms = [[parameter.grad.norm().item() for parameter in module.parameters()] for _ in fit(module, shape, steps=2)]
    largest = [max(steps) for steps in zip(*norms, strict=True)]
    assert min(largest) > 1e-4 * max(largest)


@every_blueprint
def test_it_learns(name, shape):
    first, *_, last = fit(build(name, shape), shape, steps=150)
    assert last < 0.5 * first


@every_blueprint
def test_the_same_stream_builds_the_same_module(name, shape):
    first, second = build(name, shape).state_dict(), build(name, shape).state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


@every_blueprint
def test_its_forward_pass_draws_no_randomness(name, shape):
    module, before = build_shaken(name, shape), torch.get_rng_state()
    first, second = (module(feature(shape, shape.reads)) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)


@every_blueprint
def test_it_remembers_nothing_of_what_it_sees(name, shape):
    module = build_shaken(name, shape).train()
    before = copy.deepcopy(module.state_dict())
    module(feature(shape, shape.reads))
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


@every_blueprint
def test_it_behaves_alike_in_training_and_evaluation(name, shape):
    module, read = build_shaken(name, shape), feature(shape, shape.reads)
    assert torch.equal(module.train()(read), module.eval()(read))


@every_blueprint
def test_a_sample_does_not_depend_on_its_batch(name, shape):
    module, read = build_shaken(name, shape), feature(shape, shape.reads)
    assert torch.allclose(module(read)[:1], module(read[:1]), atol=1e-5)


@every_blueprint
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-5), (torch.bfloat16, 0.1)])
def test_it_moves_to_another_precision(name, shape, dtype, tolerance):
    module, read = build_shaken(name, shape), feature(shape, shape.reads)
    single = module(read)
    other = module.to(dtype)(read.to(dtype))
    assert other.dtype is dtype
    assert (other.float() - single).norm() <= tolerance * single.norm()


@every_blueprint
def test_it_leaves_what_it_reads_as_it_was(name, shape):
    read = feature(shape, shape.reads)
    before = read.clone()
    build_shaken(name, shape)(read)
    assert torch.equal(read, before)


@every_blueprint
def test_it_holds_no_layer_that_depends_on_mode(name, shape):
    modal = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._NormBase)
    assert not any(isinstance(part, modal) for part in build(name, shape).modules())
