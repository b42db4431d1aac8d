import pytest
import torch
from torch import nn
from torch.nn import functional

from kaslite.blueprints.counting import FlopCount

ROWS, READS, WRITES = 7, 12, 8


def features(*shape, gradient=True):
    return torch.randn(*(shape or (ROWS, READS)), requires_grad=gradient)


def forward(work, *inputs):
    with torch.no_grad(), FlopCount() as count:
        work(*inputs)
    return count.total


def backward(work, *inputs):
    """Count the backward pass alone; the gradient that comes in is given, so nothing but ``work`` is in it."""
    returned = work(*inputs)
    gradient = torch.randn_like(returned)
    with FlopCount() as count:
        returned.backward(gradient)
    return count.total


PRODUCT = 2 * ROWS * READS * WRITES


def test_a_product_is_two_operations_a_pair_and_its_bias_is_free():
    assert forward(nn.Linear(READS, WRITES), features()) == PRODUCT
    assert forward(nn.Linear(READS, WRITES, bias=False), features()) == PRODUCT


def test_backward_a_product_is_two_and_the_gradient_of_a_bias_is_a_sum():
    assert backward(nn.Linear(READS, WRITES), features()) == 2 * PRODUCT + ROWS * WRITES


def test_the_gradient_by_an_input_that_needs_none_costs_nothing():
    assert backward(nn.Linear(READS, WRITES, bias=False), features(gradient=False)) == PRODUCT
    image, product = (2, 3, 4, 4), 2 * 2 * 16 * 9 * 3 * 5
    assert backward(nn.Conv2d(3, 5, 3, padding=1), features(*image)) == 2 * product
    assert backward(nn.Conv2d(3, 5, 3, padding=1), features(*image, gradient=False)) == product


@pytest.mark.parametrize(
    ("work", "there", "back"),
    [
        (functional.relu, 1, 1),
        (functional.gelu, 1, 1),
        (nn.LayerNorm(READS), 5, 10),
        (nn.BatchNorm1d(READS), 5, 10),
        (nn.GroupNorm(3, READS), 5, 10),
        (lambda rows: rows.softmax(-1), 5, 5),
        (lambda rows: rows.log_softmax(-1), 5, 5),
        (torch.clone, 0, 0),
        (lambda rows: rows.unflatten(1, (3, 4)).transpose(1, 2), 0, 0),
        (lambda rows: rows.double(), 0, 0),
    ],
)
def test_what_torch_reports_as_0_is_counted_a_number(work, there, back):
    numbers = ROWS * READS
    assert backward(work, features()) == back * numbers
    # Counting the samples seen, as BatchNorm does in training, is one more.
    assert forward(work, features()) - isinstance(work, nn.BatchNorm1d) == there * numbers


def test_a_sum_and_a_mean_cost_what_they_take_in():
    assert forward(lambda rows: rows.sum(0), features()) == ROWS * READS
    assert forward(lambda rows: rows.mean(1), features()) == ROWS * READS


def test_pooling_costs_what_it_takes_in():
    assert forward(nn.MaxPool2d(2), features(2, 3, 4, 4)) == forward(nn.AvgPool2d(2), features(2, 3, 4, 4)) == 2 * 3 * 16


def test_losses():
    targets, numbers = torch.zeros(ROWS, dtype=torch.int64), ROWS * READS
    assert forward(functional.cross_entropy, features(), targets) == 5 * numbers
    assert backward(functional.cross_entropy, features(), targets) == 5 * numbers
    assert forward(functional.mse_loss, features(), features(gradient=False)) == 3 * numbers
    assert backward(functional.mse_loss, features(), features(gradient=False)) == 3 * numbers


def test_a_look_up_is_free_and_its_gradient_is_a_sum():
    tokens, embedding = torch.zeros(4, 6, dtype=torch.int64), nn.Embedding(5, 8)
    assert forward(embedding, tokens) == 0
    assert backward(embedding, tokens) == 4 * 6 * 8


@pytest.mark.parametrize("causal", [False, True])
def test_attention_on_the_cpu_and_masked_positions_count_as_computed(causal):
    batch, heads, tokens, width = 2, 3, 5, 8
    scores = batch * heads * tokens * tokens

    def attend(*inputs):
        return functional.scaled_dot_product_attention(*inputs, is_causal=causal)

    inputs = [features(batch, heads, tokens, width) for _ in range(3)]
    assert forward(attend, *inputs) == 2 * (2 * scores * width) + 5 * scores
    assert backward(attend, *inputs) == 5 * (2 * scores * width) + 10 * scores  # the scores once more, and four gradients


def test_counting_changes_nothing():
    torch.manual_seed(0)
    layer, rows = nn.Sequential(nn.Linear(READS, WRITES), nn.GELU(), nn.LayerNorm(WRITES)), features(gradient=False)
    with FlopCount():
        counted = layer(rows)
    assert torch.equal(counted, layer(rows))
