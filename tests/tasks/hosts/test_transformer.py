import pytest
import torch

from kaslite.blueprints.shape import FeatureKind, FeatureShape
from kaslite.randomness import generator
from kaslite.seeds.span import find_spans
from kaslite.tasks import HOST_PATTERN
from kaslite.tasks.hosts.transformer import Transformer

VOCABULARY = 11
TOKENS = torch.randint(VOCABULARY, (3, 8), generator=generator(0, "tokens"))


def build(width=16, num_layers=2):
    return Transformer(8, width, num_layers, VOCABULARY)


@pytest.mark.parametrize("width", [1, 8, 32, 64, 100])
def test_it_maps_tokens_to_logits_of_the_vocabulary_at_any_width(width):
    assert build(width)(TOKENS).shape == (3, 8, VOCABULARY)


def test_it_reads_fewer_tokens_than_there_are_positions():
    host = build()
    torch.testing.assert_close(host(TOKENS[:, :5]), host(TOKENS)[:, :5])


@pytest.mark.parametrize("num_layers", [1, 3])
def test_each_block_is_a_sequence_on_which_seeds_can_sit(num_layers):
    host, seen = build(num_layers=num_layers), []
    for span in find_spans(host, HOST_PATTERN):
        block = host.get_submodule(span.writes)
        block.register_forward_hook(lambda _module, _inputs, output: seen.append(FeatureShape.of(output)))
    host(TOKENS)
    assert seen == [FeatureShape(FeatureKind.SEQUENCE, 16)] * num_layers


@pytest.mark.parametrize("changed", [1, 4, 7])
def test_a_later_token_changes_no_earlier_logits(changed):
    host = build()
    other = TOKENS.clone()
    other[:, changed] = (other[:, changed] + 1) % VOCABULARY
    before, after = host(TOKENS), host(other)
    assert torch.equal(before[:, :changed], after[:, :changed])
    assert ((before - after).abs().amax(-1)[:, changed:] > 0).all()


def test_the_order_of_the_tokens_before_matters():
    host = build()
    swapped = TOKENS[:, [1, 0, *range(2, 8)]]
    assert not torch.allclose(host(TOKENS)[:, -1], host(swapped)[:, -1])


def test_it_draws_nothing_while_it_runs():
    host = build().train()
    assert torch.equal(host(TOKENS), host(TOKENS))
