import pytest
import torch
from torch import nn

from kaslite.blueprints import FeatureKind, SeedShape, get, names
from kaslite.errors import UsageError
from kaslite.seeds.newborn import check_newborn

DENSE = SeedShape(FeatureKind.DENSE, 4, 4)


def zero_linear(reads=4, writes=4):
    linear = nn.Linear(reads, writes)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear


class InHalf(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(1))

    def forward(self, feature):
        return (self.scale * feature,)


@pytest.mark.parametrize("kind", FeatureKind)
def test_every_blueprint_of_ours_passes(kind):
    for name in names(kind):
        shape = SeedShape(kind, 8, 8)
        check_newborn(get(name).build(shape), name, shape, has_child=get(name).has_child)


@pytest.mark.parametrize(
    ("module", "complaint"),
    [
        ("not a module", "built a str"),
        (nn.Identity(), "without trainable parameters"),
        (zero_linear(writes=3), r"to \(2, 3\); it has to return \(2, 4\)"),
        (zero_linear(reads=3), r"fails on a feature of shape \(2, 4\)"),
        (InHalf(), "to tuple; it has to return"),
        (nn.Sequential(nn.ReLU(inplace=True), zero_linear()), "must not work in place"),
        (nn.Linear(4, 4), "does not return zeros at birth"),
    ],
)
def test_what_cannot_be_a_seed_is_refused_with_the_reason(module, complaint):
    with pytest.raises(UsageError, match=complaint):
        check_newborn(module, "mine", DENSE)


def with_child(child):
    module = zero_linear()
    module.child = child
    return module


@pytest.mark.parametrize(
    ("module", "complaint"),
    [
        (zero_linear(), "no submodule `child` with trainable parameters"),
        (with_child(nn.Identity()), "no submodule `child` with trainable parameters"),
        (with_child(nn.Linear(4, 3)), r"does not map a feature of shape \(2, 4\) to one of the same shape"),
    ],
)
def test_a_declared_child_has_to_be_there_and_to_keep_the_shape(module, complaint):
    check_newborn(module, "mine", DENSE)
    with pytest.raises(UsageError, match=complaint):
        check_newborn(module, "mine", DENSE, has_child=True)
