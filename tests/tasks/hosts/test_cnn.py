import pytest
import torch

from kaslite.blueprints.shape import FeatureKind, FeatureShape
from kaslite.errors import UsageError
from kaslite.randomness import generator
from kaslite.seeds.span import find_spans
from kaslite.tasks import HOST_PATTERN
from kaslite.tasks.hosts.cnn import CNN

PIXELS = torch.randn(5, 64, generator=generator(0, "pixels"))


def test_it_maps_rows_of_pixels_to_logits():
    assert CNN(64, 6, 2, 3)(PIXELS).shape == (5, 3)


@pytest.mark.parametrize("num_layers", [1, 3])
def test_each_block_is_an_image_on_which_seeds_can_sit(num_layers):
    host, seen = CNN(64, 6, num_layers, 3), []
    for span in find_spans(host, HOST_PATTERN):
        block = host.get_submodule(span.writes)
        block.register_forward_hook(lambda _module, _inputs, output: seen.append(FeatureShape.of(output)))
    host(PIXELS)
    assert seen == [FeatureShape(FeatureKind.IMAGE, 6)] * num_layers


def test_it_reads_a_row_of_pixels_as_the_square_that_it_was():
    host, seen = CNN(64, 6, 1, 3), []
    host.stem[0].register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    lit = torch.zeros(2, 64)
    lit[0, 1 * 8 + 2] = 1.0  # second row, third column
    host(lit)
    touched = (seen[0][0] != seen[0][1]).any(0).nonzero().tolist()
    assert touched == [[row, column] for row in (0, 1, 2) for column in (1, 2, 3)]


def test_a_sample_knows_nothing_of_the_others():
    host = CNN(64, 6, 2, 3).train()
    torch.testing.assert_close(host(PIXELS)[:1], host(PIXELS[:1]))


def test_pixels_that_make_no_square_are_refused():
    with pytest.raises(UsageError, match="input_dim is 63; a CNN reads square images"):
        CNN(63, 6, 2, 3)
