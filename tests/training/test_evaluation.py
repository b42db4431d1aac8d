from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from kaslite import SeedState
from kaslite.errors import UsageError
from kaslite.training.evaluation import (
    Evaluation,
    cross_entropies,
    evaluate_now,
    evaluate_on,
    mean_cross_entropy,
    mean_squared_error,
    r_squared,
    removal_cost,
    squared_errors,
)
from tests.growing import Growth
from tests.hosts import build, samples


def test_loss_and_accuracy_are_means_over_samples() -> None:
    evaluation = Evaluation(torch.tensor([1.0, 2.0, 6.0]), torch.tensor([True, False, True]))
    assert evaluation.loss == 3
    assert evaluation.accuracy == pytest.approx(2 / 3)


def test_regression_has_no_accuracy() -> None:
    assert Evaluation(torch.ones(3)).accuracy is None


@pytest.mark.parametrize("batch_size", [1, 7, 64, 1000])
def test_every_sample_is_judged_once_and_in_order(batch_size: int) -> None:
    model, (inputs, targets) = build("batch_norm").eval(), samples()
    evaluation = evaluate_on(model, inputs, targets, cross_entropies, batch_size)
    outputs = model(inputs)
    torch.testing.assert_close(evaluation.losses, cross_entropies(outputs, targets))
    assert torch.equal(evaluation.correct, outputs.argmax(1) == targets)


def test_targets_that_are_numbers_make_it_a_regression() -> None:
    model, (inputs, _) = nn.Linear(6, 1), samples()
    evaluation = evaluate_on(model, inputs, torch.zeros(64, 1), lambda y, t: (y - t).square().mean(1))
    torch.testing.assert_close(evaluation.losses, model(inputs).square().mean(1))
    assert evaluation.correct is None


TEXT = (torch.randn(4, 7, 5, generator=torch.manual_seed(0)), torch.randint(5, (4, 7), generator=torch.manual_seed(1)))


def test_a_text_has_one_loss_a_window_and_the_fraction_of_its_tokens_that_are_right() -> None:
    logits, tokens = TEXT
    evaluation = evaluate_on(nn.Identity(), logits, tokens, cross_entropies)
    expected = [nn.functional.cross_entropy(window, after) for window, after in zip(logits, tokens, strict=True)]
    torch.testing.assert_close(evaluation.losses, torch.stack(expected))
    assert evaluation.accuracy == pytest.approx((logits.argmax(-1) == tokens).float().mean().item())
    assert evaluation.loss == pytest.approx(mean_cross_entropy(logits, tokens).item())


def test_of_samples_in_classes_the_losses_are_those_of_torch() -> None:
    logits, classes = TEXT[0][:, 0], TEXT[1][:, 0]
    assert torch.equal(cross_entropies(logits, classes), nn.functional.cross_entropy(logits, classes, reduction="none"))
    assert torch.equal(mean_cross_entropy(logits, classes), nn.functional.cross_entropy(logits, classes))


@pytest.mark.parametrize(
    ("correct", "complaint"),
    [
        (torch.ones(2), r"has shape \(2,\); it has to be one boolean, or one fraction in \[0, 1\], for each of the 3 losses"),
        (torch.ones(3, 1), r"has shape \(3, 1\)"),
        (torch.ones(0, dtype=torch.bool), r"has shape \(0,\)"),
        (torch.ones(3, dtype=torch.int64), "is torch.int64"),
        (torch.tensor([0.0, 50.0, 100.0]), "lies between 0 and 100"),
        (torch.tensor([0.0, 1.0, torch.nan]), "lies between nan and nan"),
    ],
)
def test_verdicts_that_are_not_one_a_loss_are_refused(correct: torch.Tensor, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        Evaluation(torch.ones(3), correct)


def test_evaluating_now_leaves_modes_and_statistics_as_they_were() -> None:
    model = build("batch_norm").train()
    model.norm.eval()  # frozen by the user
    modes = [part.training for part in model.modules()]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    evaluation = evaluate_now(model, lambda: evaluate_on(model, *samples(), cross_entropies))
    assert [part.training for part in model.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert not evaluation.losses.requires_grad


def test_evaluating_again_draws_the_same_and_leaves_the_global_streams_as_they_were() -> None:
    host, before = build(), torch.get_rng_state()
    first, second = (evaluate_now(host, lambda: torch.rand(5)) for _ in range(2))
    assert torch.equal(first.losses, second.losses)
    assert torch.equal(torch.get_rng_state(), before)


def test_losses_alone_are_an_evaluation_too() -> None:
    model, (inputs, targets) = build("batch_norm"), samples()
    bare = evaluate_now(model, lambda: cross_entropies(model(inputs), targets))
    whole = evaluate_now(model, lambda: evaluate_on(model, inputs, targets, cross_entropies))
    assert torch.equal(bare.losses, whole.losses)
    assert bare.accuracy is None


def test_modes_come_back_after_an_error() -> None:
    model = build().train()
    with pytest.raises(RuntimeError):
        evaluate_now(model, lambda: evaluate_on(model, torch.zeros(1, 99), torch.zeros(1), cross_entropies))
    assert all(part.training for part in model.modules())


@pytest.mark.parametrize("losses", [torch.tensor(0.5), torch.ones(3, 2)])
def test_losses_that_are_not_one_a_sample_are_refused(losses: torch.Tensor) -> None:
    with pytest.raises(UsageError, match="one loss a sample"):
        evaluate_now(build(), lambda: losses)


def test_of_a_regression_a_sample_has_one_loss_the_batch_their_mean_and_nothing_is_correct() -> None:
    outputs, targets = torch.tensor([[1.0], [2.0], [5.0]]), torch.tensor([[1.0], [0.0], [2.0]])
    evaluation = evaluate_on(nn.Identity(), outputs, targets, squared_errors)
    assert evaluation.losses.tolist() == [0.0, 4.0, 9.0]
    assert evaluation.loss == pytest.approx(mean_squared_error(outputs, targets).item())
    assert evaluation.accuracy is None


def test_r_squared_is_the_part_of_the_variance_that_is_predicted() -> None:
    targets = torch.tensor([[1.0], [3.0]])
    assert [r_squared(loss, targets) for loss in (0.0, 0.25, 1.0, 3.0)] == [1.0, 0.75, 0.0, -2.0]


@pytest.mark.parametrize(("loss", "targets"), [(math.nan, [1.0, 3.0]), (math.inf, [1.0, 3.0]), (0.5, [2.0, 2.0]), (0.5, [2.0])])
def test_r_squared_is_nothing_where_it_cannot_be_told(loss: float, targets: list[float]) -> None:
    assert r_squared(loss, torch.tensor(targets)) is None


def test_the_removal_cost_is_the_paired_rise_of_the_loss() -> None:
    growth = Growth().reach(SeedState.SHADOWING)
    for _ in range(20):
        growth.step()
    with_seed = growth.evaluate()
    cost = removal_cost(growth.seed, growth.evaluate, with_seed)
    growth.seed.alpha.zero_()
    assert cost.mean == pytest.approx(growth.evaluate().loss - with_seed.loss, rel=1e-4)
    assert cost.lower < cost.mean < cost.upper


def test_measuring_the_removal_cost_leaves_the_seed_in() -> None:
    growth = Growth().reach(SeedState.SHADOWING)
    before = growth.evaluate()
    removal_cost(growth.seed, growth.evaluate, before)
    assert torch.equal(growth.evaluate().losses, before.losses)


def test_a_seed_without_weight_costs_nothing_to_remove() -> None:
    growth = Growth().reach(SeedState.BLENDING)
    cost = removal_cost(growth.seed, growth.evaluate, growth.evaluate())
    assert (cost.lower, cost.mean, cost.upper) == (0, 0, 0)
