import pytest
import torch

from kaslite.randomness import generator
from kaslite.seeds.span import find_spans
from kaslite.tasks import HOST_PATTERN
from kaslite.tasks.hosts.mlp import MLP


@pytest.mark.parametrize("num_layers", [1, 3])
def test_each_hidden_layer_is_a_block_on_which_seeds_can_sit(num_layers):
    spans = find_spans(MLP(4, 8, num_layers, 3), HOST_PATTERN)
    assert [span.writes for span in spans] == [f"blocks.{index}" for index in range(num_layers)]


def test_it_maps_features_to_logits():
    assert MLP(4, 8, 2, 3)(torch.zeros(5, 4)).shape == (5, 3)


@pytest.mark.parametrize(("num_layers", "params"), [(1, 5 * 8 + 9 * 3), (3, 5 * 8 + 2 * 9 * 8 + 9 * 3)])
def test_it_has_the_parameters_of_its_layers_and_no_others(num_layers, params):
    assert sum(parameter.numel() for parameter in MLP(4, 8, num_layers, 3).parameters()) == params


def test_a_block_ends_with_its_activation_and_the_head_does_not():
    host = MLP(4, 8, 1, 3)
    x = torch.randn(100, 4, generator=generator(0, "x"))
    hidden = host.blocks[0](x)
    assert hidden.min() == 0.0
    assert torch.equal(host(x), host.head(hidden))
    assert host(x).min() < 0.0
