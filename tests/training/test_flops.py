from __future__ import annotations

import pytest
import torch
from torch import nn

from kaslite import SeededModel, SeedState
from kaslite.blending import STRATEGIES
from kaslite.seeds.reconstruction import BATCH_ROWS, MIN_BATCHES
from kaslite.tasks.hosts.cnn import CNN
from kaslite.tasks.hosts.mlp import MLP
from kaslite.tasks.hosts.transformer import Transformer
from kaslite.training.evaluation import cross_entropies, evaluate_now, evaluate_on, mean_cross_entropy
from kaslite.training.flops import FlopMeter
from tests.growing import Growth
from tests.hosts import HOSTS, build, samples

N = 32


def linear(rows: int, reads: int, writes: int, *, first: bool = False) -> int:
    """Forward, by the weights, by the inputs (not of a first layer), and the sum that is the gradient of the bias."""
    return (2 if first else 3) * 2 * rows * reads * writes + rows * writes


def activation(numbers: int) -> int:
    return 2 * numbers


def normalisation(numbers: int) -> int:
    return (5 + 10) * numbers


def cross_entropy(rows: int, classes: int) -> int:
    return (5 + 5) * rows * classes


WIDTH, CLASSES = 16, 2


def mlp(rows: int) -> int:
    blocks = linear(rows, 6, WIDTH, first=True) + linear(rows, WIDTH, WIDTH) + 2 * activation(rows * WIDTH)
    return blocks + linear(rows, WIDTH, CLASSES) + cross_entropy(rows, CLASSES)


def mlp_forward(rows: int) -> int:
    products = 2 * rows * (6 * WIDTH + WIDTH * WIDTH + WIDTH * CLASSES)
    verdict = CLASSES + 1 + 4  # argmax, whether it is right, and the check that this is a verdict
    return products + 2 * rows * WIDTH + 5 * rows * CLASSES + verdict * rows


def cnn(rows: int) -> int:
    pixels, channels, classes = 64 * rows, 8, 10
    stem = 2 * (2 * pixels * 9 * 1 * channels) + activation(pixels * channels)  # the gradient of a bias is in the convolution's
    block = 3 * (2 * pixels * 9 * channels * channels) + normalisation(pixels * channels) + activation(pixels * channels)
    mean = 2 * pixels * channels
    return stem + block + mean + linear(rows, channels, classes) + cross_entropy(rows, classes)


def transformer(rows: int) -> int:
    context, width, vocabulary = 16, 32, 11
    tokens = rows * context
    scores = tokens * context  # masked ones count as computed
    embeddings = 3 * tokens * width + context * width  # their sum; backward one sum for each, that of positions over samples
    attention = (2 + 5) * 2 * scores * width + (5 + 10) * scores  # backward the scores are computed once more
    attend = normalisation(tokens * width) + linear(tokens, width, 3 * width) + attention + linear(tokens, width, width)
    widen = linear(tokens, width, 4 * width) + activation(tokens * 4 * width) + linear(tokens, 4 * width, width)
    residuals = 2 * 2 * tokens * width
    block = attend + normalisation(tokens * width) + widen + residuals
    head = normalisation(tokens * width) + linear(tokens, width, vocabulary)
    return embeddings + block + head + cross_entropy(tokens, vocabulary)


BY_HAND = {
    "mlp": (lambda: MLP(6, WIDTH, 2, CLASSES), mlp, lambda: samples(N)),
    "cnn": (lambda: CNN(64, 8, 1, 10), cnn, lambda: (torch.randn(N, 64), torch.randint(10, (N,)))),
    "transformer": (
        lambda: Transformer(16, 32, 1, 11),
        transformer,
        lambda: (torch.randint(11, (N, 16)), torch.randint(11, (N, 16))),
    ),
}


def train(meter: FlopMeter, model: SeededModel, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Do what a training loop does but for the optimizer's step."""
    with meter.spending(model, len(targets)):
        model.zero_grad()
        loss = mean_cross_entropy(model(inputs), targets)
        loss.backward()
    return loss


def measured(model: SeededModel, rows: int = N, meter: FlopMeter | None = None) -> int:
    meter = meter or FlopMeter()
    before = meter.total
    train(meter, model, *samples(rows))
    return meter.total - before


@pytest.mark.parametrize("host", BY_HAND)
def test_a_training_step_of_each_host_costs_what_is_counted_by_hand(host: str) -> None:
    make, by_hand, data = BY_HAND[host]
    meter, (inputs, targets) = FlopMeter(), data()
    train(meter, SeededModel(make(), "blocks.*", example_input=inputs), inputs, targets)
    assert meter.total == pytest.approx(by_hand(N), rel=0.001)


def growing(**growth) -> Growth:
    torch.manual_seed(0)
    return Growth(MLP(6, WIDTH, 2, CLASSES), **growth)


def mlp_seed(rows: int) -> int:
    hidden = 2 * WIDTH
    widen = linear(rows, WIDTH, hidden) + activation(rows * hidden) + linear(rows, hidden, WIDTH)
    return normalisation(rows * WIDTH) + widen


def test_both_paths_of_a_blend_are_counted() -> None:
    blend = 3 * N * WIDTH  # alpha * delta, there and back, and the sum of both
    gradients_meet = N * WIDTH  # at the feature that both paths read
    watched = 4 * N * WIDTH  # sums of what is read and added, and of both slopes: they tell whether the seed is sick
    by_hand = mlp(N) + mlp_seed(N) + blend + gradients_meet + watched
    assert measured(growing().reach(SeedState.BLENDING).model) == pytest.approx(by_hand, rel=0.001)


@pytest.mark.parametrize(("objective", "slope"), [("task", 7), ("gradient", 6)])
def test_a_seed_that_learns_from_the_hosts_passes_adds_its_own_and_the_slope_of_its_objective(objective, slope) -> None:
    cosine = 6  # three products and their sums
    by_hand = mlp(N) + mlp_seed(N) + (slope + cosine) * N * WIDTH
    growth = growing(shadow_objective=objective).reach(SeedState.TRAINING)
    assert measured(growth.model) == pytest.approx(by_hand, rel=0.001)


def test_a_seed_that_learns_from_its_reservoir_adds_the_passes_of_its_child() -> None:
    growth = growing(shadow_objective="reconstruct", blueprint="autoencoder", blueprints=["autoencoder"])
    growth.reach(SeedState.TRAINING)
    meter = FlopMeter()
    growth.grower.meter_shadow_training(meter.spending)
    for _ in range(MIN_BATCHES - 1):
        growth.step()
    assert meter.total == 0
    growth.step()
    hidden, rows = 4 * WIDTH, BATCH_ROWS
    child = linear(rows, WIDTH, hidden, first=True) + activation(rows * hidden) + linear(rows, hidden, WIDTH)
    squared_error = (3 + 3) * rows * WIDTH
    assert meter.total == child + squared_error
    growth.step()
    assert meter.total == 2 * (child + squared_error)
    assert measured(growth.model) == pytest.approx(mlp(N), rel=0.01)  # beside the host only rows are drawn


def test_an_evaluation_costs_a_forward_pass_its_losses_and_what_the_probes_look_at() -> None:
    model, meter, (inputs, targets) = growing().model, FlopMeter(), samples(N)

    def evaluate() -> None:
        with meter.spending(model, N):
            evaluate_now(model, lambda: evaluate_on(model, inputs, targets, cross_entropies))

    evaluate()
    assert meter.total == mlp_forward(N)
    meter = FlopMeter()
    with model.probing():
        evaluate()
    variances = 2 * 4 * N * WIDTH  # of two layers: the means, what lies beside them, its squares, their mean
    assert meter.total == pytest.approx(mlp_forward(N) + variances, rel=0.01)


def test_every_pass_is_added_and_a_smaller_batch_costs_less() -> None:
    meter, model = FlopMeter(), growing().model
    costs = [measured(model, rows, meter) for rows in (64, 16, 64, 16)]
    assert costs == [mlp(64), mlp(16)] * 2
    assert meter.total == sum(costs)


def test_a_grown_model_costs_more_and_a_culled_one_what_it_did() -> None:
    growth, meter = growing(), FlopMeter()
    costs = {}
    for state in (SeedState.DORMANT, SeedState.GERMINATED, SeedState.TRAINING, SeedState.BLENDING):
        growth.reach(state)
        costs[state] = measured(growth.model, meter=meter)
    growth.optimizer.step()
    growth.grower.after_step()
    growth.cull()
    while growth.seed.state is SeedState.CULLED:
        growth.step()
    assert costs[SeedState.DORMANT] == costs[SeedState.GERMINATED] == measured(growth.model, meter=meter) == mlp(N)
    assert min(costs[SeedState.TRAINING], costs[SeedState.BLENDING]) > mlp(N)


def test_two_models_are_counted_apart() -> None:
    meter, grown, plain = FlopMeter(), growing().reach(SeedState.BLENDING).model, growing().model
    costs = [measured(model, meter=meter) for model in (plain, grown, plain, grown)]
    assert costs[0] == costs[2] == mlp(N)
    assert costs[1] == costs[3] > costs[0]


@pytest.mark.parametrize("objective", ["task", "gradient", "reconstruct"])
def test_a_pass_costs_the_same_at_whichever_step_it_is_counted(objective: str) -> None:
    growth = growing(shadow_objective=objective, blueprint="autoencoder", blueprints=["autoencoder"])
    growth.reach(SeedState.TRAINING)  # just after an epoch's end: the sums over its steps are empty
    costs = set()
    for _ in range(3):
        costs.add(measured(growth.model))
        growth.step()
    assert len(costs) == 1


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_step_of_a_blend_costs_the_same_whether_its_strategy_looks_at_it_or_not(strategy: str) -> None:
    growth = growing(strategy=strategy, fixed_steps=200).reach(SeedState.BLENDING)
    growth.seed.set_ramp(0.5)
    costs = []
    for _ in range(12):  # the first and the eleventh are looked at
        costs.append(measured(growth.model))
        growth.step()
    assert set(costs) == {measured(growing().reach(SeedState.BLENDING).model)}


@pytest.mark.parametrize("host", [host for host in HOSTS if host != "graph_break"])
def test_counting_changes_nothing(host: str) -> None:
    counted, plain = (SeededModel(build(host), "blocks.*") for _ in range(2))
    meter = FlopMeter()
    for _ in range(2):  # the first is counted, the second looked up
        loss, expected = train(meter, counted, *samples()), train_uncounted(plain)
        assert torch.equal(loss, expected)
        assert_same_gradients(counted, plain)


def test_counting_changes_nothing_in_the_shadow() -> None:
    counted, plain = (growing().reach(SeedState.TRAINING) for _ in range(2))
    for growth in (counted, plain):
        growth.update()  # so that there is a sum to go on with
    train(FlopMeter(), counted.model, *samples())
    train_uncounted(plain.model)
    assert_same_gradients(counted.seed, plain.seed)
    assert torch.equal(counted.seed.alignment.grad, plain.seed.alignment.grad)


def train_uncounted(model: SeededModel) -> torch.Tensor:
    inputs, targets = samples()
    model.zero_grad()
    loss = mean_cross_entropy(model(inputs), targets)
    loss.backward()
    return loss


def assert_same_gradients(one: nn.Module, other: nn.Module) -> None:
    for own, its in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(own.grad, its.grad)
