"""What the Grower refuses, each in one sentence, and what it leaves behind: nothing."""

import pytest
import torch
from torch import nn

from kaslite import (
    Cull,
    Germinate,
    Grower,
    Plateau,
    SeededModel,
    SeedState,
    TwinTraining,
    UsageError,
)
from kaslite.blueprints import Blueprint, FeatureKind, registry
from tests.growing import Growth


def host():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def model():
    return SeededModel(host(), at="0", example_input=torch.zeros(1, 4))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"shadow_lr": -1.0}, "shadow_lr is -1.0"),
        ({"shadow_lr": float("nan")}, "shadow_lr is nan"),
        ({"progress_thresh": 60}, r"progress_thresh is 60; training progress lies in \[0, 1\]"),
        ({"shadow_objective": "taks"}, r"unknown shadow objective 'taks': did you mean 'task'\?"),
        ({"shadow_objective": "reconstruct"}, "nothing of blueprints= can learn by shadow_objective='reconstruct'"),
        ({"blueprints": []}, "blueprints= is empty"),
        ({"blueprints": ["mpl"]}, "did you mean 'mlp'"),
    ],
)
def test_a_wrong_argument_is_refused(arguments, complaint):
    seeded = model()
    optimizer = torch.optim.SGD(seeded.parameters(), lr=0.1)
    with pytest.raises(UsageError, match=complaint):
        Grower(seeded, optimizer, **{"controller": Plateau(), "blueprints": ["mlp"]} | arguments)


def test_a_model_without_seeds_is_refused():
    plain = host()
    with pytest.raises(UsageError, match=r"kaslite\.SeededModel\(host, at="):
        Grower(plain, torch.optim.SGD(plain.parameters(), lr=0.1), controller=Plateau(), blueprints=["mlp"])


def test_the_optimizer_of_another_model_is_refused():
    with pytest.raises(UsageError, match="holds no parameter of the model"):
        Grower(model(), torch.optim.SGD(host().parameters(), lr=0.1), controller=Plateau(), blueprints=["mlp"])


@pytest.mark.parametrize("answer", [None, "germinate", [], [Cull("blocks.0", 0), "germinate"]])
def test_a_controller_that_does_not_decide_is_refused(answer):
    with pytest.raises(UsageError, match="the controller answered"):
        Growth(decisions=(answer,)).epoch()


def test_a_twin_that_would_weigh_nothing_is_refused():
    twin = TwinTraining(train=lambda *_: None, evaluate=lambda _: torch.zeros(1))
    with pytest.raises(UsageError, match="weigh=False that they are not weighed; leave one of the two out"):
        Growth(twin=twin, weigh=False)


def test_an_unknown_blending_strategy_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="unknown blending strategy 'FIXED_RAMPS': did you mean 'FIXED_RAMP'"):
        Growth(strategy="FIXED_RAMPS")


@pytest.mark.parametrize("settings", [{"acc_threshold": 95}, {"delta": -1}])
def test_a_plateau_that_could_never_work_is_refused(settings):
    with pytest.raises(UsageError, match="acc_threshold is"):
        Plateau(**settings)


@pytest.mark.parametrize("accuracy", [55.0, -0.1])
def test_an_accuracy_in_percent_is_refused(accuracy):
    with pytest.raises(UsageError, match="not a percentage"):
        Growth(measured=False).epoch(val_loss=1.0, val_accuracy=accuracy)


def test_a_metric_may_be_a_tensor():
    growth = Growth(measured=False)
    growth.epoch(val_loss=torch.tensor(0.5, requires_grad=True))
    assert growth.controller.seen[-1].val_loss == 0.5


def test_a_forgotten_tick_is_told_at_the_end_of_the_epoch():
    growth = Growth()
    growth.update()
    with pytest.raises(UsageError, match="without it no seed trains"):
        growth.grower.after_epoch()


@pytest.mark.parametrize("recipe", [lambda _: nn.Identity(), lambda shape: nn.Linear(shape.reads, shape.writes)])
def test_a_newborn_that_cannot_be_a_seed_leaves_everything_as_it_was(monkeypatch, recipe):
    monkeypatch.setitem(registry._REGISTRY, "bad", Blueprint("bad", frozenset(FeatureKind), recipe))
    growth, untouched = Growth(), Growth()
    with pytest.raises(UsageError, match="blueprint 'bad'"):
        growth.grower.apply(Germinate(*growth.place, "bad"))
    assert growth.seed.state is SeedState.DORMANT
    for each in (growth, untouched):
        each.reach(SeedState.TRAINING)
    grown, expected = (list(each.seed.parameters()) for each in (growth, untouched))
    assert all(torch.equal(a, b) for a, b in zip(grown, expected, strict=True))


def test_a_blended_seed_that_is_loaded_keeps_the_alpha_that_was_saved():
    growth = Growth().reach(SeedState.BLENDING)
    growth.step()
    saved, ramp = {name: value.clone() for name, value in growth.model.state_dict().items()}, growth.seed.ramp
    growth.step()
    growth.model.load_state_dict(saved)
    assert growth.seed.ramp == pytest.approx(ramp)
    with growth.seed.switched_off():
        pass
    assert growth.seed.alpha.item() == pytest.approx(ramp)


def test_evaluate_has_to_look_at_the_same_samples_each_time():
    sizes = iter(range(3, 100))
    growth = Growth().reach(SeedState.SHADOWING)
    odd = Grower(
        growth.model, growth.optimizer, controller=Plateau(), blueprints=["mlp"], evaluate=lambda: torch.ones(next(sizes))
    )
    with pytest.raises(UsageError, match="the same samples in the same order"):
        odd.observe()


@pytest.mark.parametrize("answer", [0.5, [0.5], None, torch.tensor(0.5), torch.ones(2, 2), torch.ones(0)])
def test_evaluate_has_to_return_one_loss_a_sample(answer):
    seeded = model()
    optimizer = torch.optim.SGD(seeded.parameters(), lr=0.1)
    grower = Grower(seeded, optimizer, controller=Plateau(), blueprints=["mlp"], evaluate=lambda: answer)
    with pytest.raises(UsageError, match="one loss a sample"):
        grower.observe()
