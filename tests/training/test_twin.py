"""A seedless twin trains beside the model, and tells what a seed is worth."""

from __future__ import annotations

import copy
import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.optim import lr_scheduler

import kaslite
from kaslite import Advance, Cull, Germinate, Plateau, SeedState, Wait
from kaslite.blueprints import Blueprint, FeatureKind, registered
from kaslite.errors import RefusedError, StorageError, UsageError
from kaslite.randomness import global_state
from kaslite.signals.evidence import Evidence
from kaslite.signals.interval import Interval
from kaslite.training.evaluation import evaluate_now, evaluate_on, paired_difference
from kaslite.training.tree import encode
from kaslite.training.twin import TwinTraining
from tests.growing import Growth, cross_entropies
from tests.hosts import HOSTS, WIDTH, samples

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STEPS_PER_EPOCH = 3
INPUTS, TARGETS = samples(512)
VALIDATION = samples(256, rng_seed=1)
GROW, ADVANCE, CULL = Germinate("blocks.0", 0, "mlp"), Advance("blocks.0", 0), Cull("blocks.0", 0)
WAIT = Wait("see")
PLACE = ("blocks.0", 0)


class Watched:
    """Trains twins as `Growth` trains the original, and remembers which."""

    def __init__(self) -> None:
        self.trained: list[tuple[nn.Module, torch.optim.Optimizer]] = []
        self.rates: list[float] = []

    @property
    def twin(self) -> nn.Module:
        return self.trained[-1][0]

    def train(self, model, optimizer) -> None:
        for _ in range(STEPS_PER_EPOCH):
            optimizer.zero_grad()
            functional.cross_entropy(model(INPUTS), TARGETS).backward()
            optimizer.step()
            self.rates.append(optimizer.param_groups[0]["lr"])
        self.trained.append((model, optimizer))

    def evaluate(self, model):
        return evaluate_on(model, *VALIDATION, cross_entropies)


def growth(*decisions: kaslite.Decision, watched: Watched | None = None, **options) -> Growth:
    """Return a growth with twins."""
    watched = Watched() if watched is None else watched
    return Growth(
        decisions=decisions,
        twin=TwinTraining(watched.train, watched.evaluate),
        **{"steps_per_epoch": STEPS_PER_EPOCH} | options,
    )


def train(growth: Growth, epochs: int, **metrics) -> None:
    """Train for some epochs; a schedule goes on at every step."""
    for _ in range(epochs):
        for _ in range(STEPS_PER_EPOCH):
            growth.step()
            if growth.scheduler is not None:
                growth.scheduler.step()
        growth.grower.after_epoch(**metrics)


def host_and_moments(model, optimizer) -> list[torch.Tensor]:
    parameters = list(model.host.parameters())
    moments = [value for parameter in parameters for value in optimizer.state[parameter].values()]
    return [tensor.clone() for tensor in (*model.host.state_dict().values(), *moments)]


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return len(one) == len(other) > 0 and all(map(torch.equal, one, other))


def one_cycle(optimizer):
    return lr_scheduler.OneCycleLR(optimizer, 0.05, 100)


# --- what a twin is


@pytest.mark.parametrize("host", [host for host in HOSTS if host != "graph_break"])
@pytest.mark.parametrize("schedule", [None, one_cycle], ids=["constant", "one cycle"])
def test_it_is_bit_for_bit_a_run_that_never_germinated(host: str, schedule) -> None:
    watched = Watched()
    grown = growth(WAIT, GROW, WAIT, ADVANCE, watched=watched, host=host, schedule=schedule)
    plain = Growth(host, steps_per_epoch=STEPS_PER_EPOCH, schedule=schedule)
    train(grown, 8)
    train(plain, 8)
    assert grown.seed.ramp == 1.0
    assert len(watched.trained) == 6
    assert same(host_and_moments(*watched.trained[-1]), host_and_moments(plain.model, plain.optimizer))
    assert not same(host_and_moments(*watched.trained[-1]), host_and_moments(grown.model, grown.optimizer))


def test_it_trains_at_the_learning_rate_of_every_step() -> None:
    watched = Watched()
    grown = growth(GROW, watched=watched, schedule=one_cycle)
    train(grown, 1)
    rates = []
    for _ in range(4):
        for _ in range(STEPS_PER_EPOCH):
            rates.append(grown.optimizer.param_groups[0]["lr"])
            grown.step()
            grown.scheduler.step()
        grown.grower.after_epoch()
    assert watched.rates == rates
    assert len(set(rates)) == len(rates)


def test_a_learning_rate_that_is_a_tensor_is_not_shared() -> None:
    watched = Watched()

    def capturable(model):
        return torch.optim.SGD(model.parameters(), lr=torch.tensor(0.1))

    grown = growth(GROW, watched=watched, optimize=capturable, schedule=lambda o: lr_scheduler.ExponentialLR(o, 0.5))
    train(grown, 2)
    twin = watched.trained[-1][1].param_groups[0]["lr"]
    assert twin is not grown.optimizer.param_groups[0]["lr"]
    assert twin.item() == pytest.approx(0.1 * 0.5**5)


def test_the_model_is_the_same_with_and_without_a_twin() -> None:
    decisions = (GROW, WAIT, ADVANCE)
    with_twin, without = growth(*decisions), Growth(decisions=decisions, steps_per_epoch=STEPS_PER_EPOCH)
    for grown in (with_twin, without):
        train(grown, 6)
    assert same(list(with_twin.model.state_dict().values()), list(without.model.state_dict().values()))


@pytest.mark.parametrize("progress_thresh", [1.0, 1e-6], ids=["stays in the shadow", "blends at its end"])
def test_a_seed_that_germinates_in_the_middle_of_an_epoch_gets_its_twin_at_the_end(progress_thresh: float) -> None:
    watched = Watched()
    grown, plain = growth(watched=watched, progress_thresh=progress_thresh), Growth(steps_per_epoch=STEPS_PER_EPOCH)
    grown.step()
    grown.grower.apply(GROW)
    for _ in range(STEPS_PER_EPOCH - 1):
        grown.step()
    grown.grower.after_epoch()
    train(grown, 2)
    train(plain, 3)
    assert len(watched.trained) == 2
    assert same(host_and_moments(*watched.trained[-1]), host_and_moments(plain.model, plain.optimizer))


def test_a_seed_that_fades_out_fades_out_of_the_twin_too() -> None:
    watched = Watched()
    other = ("blocks.1", 0)
    grown = growth(place=other, fixed_steps=3 * STEPS_PER_EPOCH, watched=watched).reach(SeedState.SHADOWING)
    grown.epoch()
    grown.grower.apply(Cull(*other))
    grown.grower.apply(GROW)
    ramps = []
    for _ in range(3):
        grown.epoch()
        ramps.append((watched.twin.seed_at(*other).ramp, grown.model.seed_at(*other).ramp))
    assert ramps[0][0] == ramps[0][1] == pytest.approx(2 / 3)
    assert ramps[-1] == (0.0, 0.0)


class Resting(Watched):
    """Leaves the backward pass out where nothing learns."""

    def train(self, model, optimizer) -> None:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(INPUTS), TARGETS)
        if loss.requires_grad:
            loss.backward()
        optimizer.step()
        self.trained.append((model, optimizer))


def test_when_the_host_freezes_its_host_does() -> None:
    watched = Resting()
    grown = growth(GROW, watched=watched, host="batch_norm")
    train(grown, 2)
    before = copy.deepcopy(watched.twin.host.state_dict())
    grown.model.freeze_host()
    train(grown, 2)
    assert len(watched.trained) == 3
    assert same(list(watched.twin.host.state_dict().values()), list(before.values()))


# --- global streams


def draw(*_) -> None:
    torch.rand(3), np.random.rand(3), random.random()  # noqa: NPY002


def streams() -> list:
    return [repr(value) if not isinstance(value, torch.Tensor) else value.tolist() for value in flat(global_state())]


def flat(tree) -> list:
    return [leaf for value in tree.values() for leaf in (flat(value) if isinstance(value, dict) else [value])]


class Drawing(Watched):
    """Draws from every global stream, as dropout and loaders of data do."""

    def train(self, *args) -> None:
        draw()
        super().train(*args)

    def evaluate(self, model):
        draw()
        return super().evaluate(model)


def test_whatever_a_twin_draws_the_global_streams_go_on_as_without_it() -> None:
    grown, plain = growth(GROW, ADVANCE, watched=Drawing()), Growth(decisions=(GROW, ADVANCE), steps_per_epoch=STEPS_PER_EPOCH)
    seen = []
    for one in (grown, plain):
        torch.manual_seed(1), np.random.seed(1), random.seed(1)  # noqa: NPY002
        train(one, 6)
        seen.append(streams())
    assert grown.seed.record.twin_gain is not None
    assert seen[0] == seen[1]


def test_a_twin_trains_though_the_caller_has_switched_gradients_off() -> None:
    watched = Watched()
    grown = growth(GROW, watched=watched)
    train(grown, 1)
    for _ in range(STEPS_PER_EPOCH):
        grown.step()
    with torch.no_grad():
        grown.grower.after_epoch()
    assert len(watched.trained) == 1


# --- what it says


def test_the_gain_is_the_paired_difference_of_the_losses() -> None:
    watched = Watched()
    grown = growth(GROW, ADVANCE, watched=watched)
    train(grown, 5)
    without, having = (evaluate_now(m, lambda m=m: watched.evaluate(m)) for m in (watched.twin, grown.model))
    assert grown.seed.record.twin_gain == paired_difference(without, having)
    assert grown.seed.record.evidence == Evidence.of_twin(grown.seed.record.twin_gain, having.loss)
    assert grown.seed.record.removal_cost not in (None, grown.seed.record.twin_gain)


def test_the_controller_sees_it() -> None:
    grown = growth(GROW, ADVANCE)
    train(grown, 5)
    seen = grown.controller.seen[-1].seeds[0]
    assert (seen.twin_gain, seen.evidence) == (grown.seed.record.twin_gain, grown.seed.record.evidence)


def test_without_evaluate_the_model_is_evaluated_as_its_twin_is() -> None:
    grown = growth(GROW, ADVANCE, measured=False)
    train(grown, 5)
    assert grown.controller.seen[-1].val_loss == pytest.approx(grown.evaluate().loss)
    assert grown.seed.record.twin_gain is not None


SURE, UNSURE = Interval(mean=0.2, lower=0.1, upper=0.3), Interval(mean=0.0, lower=-0.1, upper=0.1)


@pytest.mark.parametrize(("gain", "cost", "passes"), [(SURE, UNSURE, True), (UNSURE, SURE, False)])
def test_gates_decide_by_the_gain_and_not_by_the_removal_cost(monkeypatch, gain, cost, passes) -> None:
    monkeypatch.setattr("kaslite.training.observing.removal_cost", lambda *_: cost)
    monkeypatch.setattr("kaslite.training.twin.Twin.gain", lambda *_: gain)
    grown = growth(GROW, ADVANCE)
    train(grown, 4)
    assert grown.seed.state is SeedState.SHADOWING
    if not passes:
        with pytest.raises(RefusedError, match=r"its gain against the twin is -0.1000 to \+0.1000"):
            grown.grower.apply(ADVANCE)
        return
    grown.grower.apply(ADVANCE)
    assert grown.seed.state is SeedState.PROBATIONARY


def test_a_seed_that_blends_in_the_epoch_in_which_it_germinates_stays_unmeasured() -> None:
    grown = growth()
    grown.step()
    grown.grower.apply(GROW)
    grown.step()
    grown.grower.apply(ADVANCE)
    grown.step()
    grown.grower.after_epoch()
    train(grown, 4)
    assert grown.seed.state is SeedState.SHADOWING
    assert grown.seed.record.removal_cost is not None
    assert (grown.seed.record.twin_gain, grown.seed.record.evidence) == (None, None)
    with pytest.raises(RefusedError, match="unmeasured"):
        grown.grower.apply(ADVANCE)


# --- how long it lives


def test_it_is_dropped_when_the_seed_is_culled() -> None:
    watched = Watched()
    grown = growth(GROW, ADVANCE, WAIT, CULL, watched=watched)
    train(grown, 4)
    assert len(watched.trained) == 3
    train(grown, 3)
    assert len(watched.trained) == 3


def test_the_next_seed_gets_a_twin_of_its_own() -> None:
    watched = Watched()
    grown = growth(GROW, CULL, Germinate("blocks.1", 0, "mlp"), watched=watched)
    train(grown, 4)
    assert len({id(model) for model, _ in watched.trained}) == 2


# --- planted seeds


class Zero(nn.Linear):
    """Whatever it learns, what it adds stays zero."""

    def forward(self, feature):
        return 0.0 * super().forward(feature)


@pytest.fixture
def zero() -> Iterator[None]:
    with registered(Blueprint("zero", frozenset(FeatureKind), lambda shape: Zero(shape.reads, shape.writes))):
        yield


def linear_host() -> nn.Module:
    """Return a host that cannot learn what the samples ask for, but with a seed that is not linear."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, WIDTH), nn.Linear(WIDTH, 2))


def tried(blueprint: str) -> tuple[Growth, list[kaslite.Event]]:
    """Let `Plateau` grow seeds in a host that is stuck; they blend whatever they learn in the shadow."""
    events: list[kaslite.Event] = []
    host = linear_host()
    grown = growth(host=host, at="0", place=("0", 0), blueprints=[blueprint], emit=events.append, progress_thresh=0.0)
    grown.grower.controller = Plateau(patience=3, trial_epochs=6)
    train(grown, 60)
    return grown, events


def test_a_planted_useful_seed_is_fossilized_by_its_gain() -> None:
    grown, events = tried("mlp")
    (fossilized,) = [event for event in events if event.type == "seed_fossilized"]
    assert fossilized.twin_gain > 0.01
    assert fossilized.removal_cost is not None
    assert grown.grower.state_dict()["twins"] == {"twins": [], "options": []}  # nothing of the twin is left


@pytest.mark.usefixtures("zero")
def test_a_planted_useless_seed_is_not_fossilized_but_culled_when_its_trial_is_over() -> None:
    _, events = tried("zero")
    reached = [event.to_state for event in events if event.type == "seed_state_changed"]
    culled = [event.reason for event in events if event.type == "seed_culled"]
    assert "shadowing" in reached
    assert "probationary" not in reached
    assert culled
    assert all(
        reason.startswith("not proven in 6 epochs: its gain against the twin is +0.0000 to +0.0000") for reason in culled
    )


# --- saved, loaded, and gone back


def facts(grown: Growth) -> list:
    """Return all that a growth is, its twins too."""
    tree = {"grower": grown.grower.state_dict(), "optimizer": grown.optimizer.state_dict()}
    return [repr(encode(tree)[0]), *(t.tolist() for t in encode(tree)[1]), *(p.tolist() for p in grown.model.parameters())]


@pytest.mark.parametrize("cut", [2, 3, 4, 6], ids=["in the shadow", "in a blend", "blended", "proven"])
def test_a_loaded_training_goes_on_bit_for_bit(cut: int, tmp_path: Path) -> None:
    def course() -> Growth:
        decisions = (GROW, ADVANCE, WAIT, WAIT, WAIT, CULL, WAIT, GROW)
        durations = kaslite.Durations(embargo_epochs=0, reset_epochs=0)
        return growth(*decisions, schedule=one_cycle, fixed_steps=4, durations=durations)

    whole, first, second = course(), course(), course()
    train(whole, 10)
    train(first, cut)
    kaslite.save(tmp_path / "it", first.model, first.optimizer, first.grower)
    kaslite.load(tmp_path / "it", second.model, second.optimizer, second.grower)
    assert facts(second) == facts(first)
    second.controller.decisions = first.controller.decisions
    train(second, 10 - cut)
    assert facts(second) == facts(whole)
    assert second.controller.seen == whole.controller.seen[cut:]


def test_in_the_middle_of_an_epoch_too(tmp_path: Path) -> None:
    whole, first, second = (growth(GROW, ADVANCE, schedule=one_cycle) for _ in range(3))
    for one in (whole, first):
        train(one, 2)
        one.step()
        one.scheduler.step()
    kaslite.save(tmp_path / "it", first.model, first.optimizer, first.grower)
    kaslite.load(tmp_path / "it", second.model, second.optimizer, second.grower)
    second.controller.decisions = []
    for one in (whole, second):
        for _ in range(STEPS_PER_EPOCH - 1):
            one.step()
            one.scheduler.step()
        one.grower.after_epoch()
    assert facts(second) == facts(whole)


@pytest.mark.parametrize("saved", [True, False])
def test_a_training_with_twins_does_not_go_on_without_them_nor_the_other_way_round(saved: bool, tmp_path: Path) -> None:  # noqa: FBT001
    one, other = (growth(), Growth()) if saved else (Growth(), growth())
    kaslite.save(tmp_path / "it", one.model, one.optimizer, one.grower)
    with pytest.raises(StorageError, match=f"another twin=: {saved} there, and {not saved} here"):
        kaslite.load(tmp_path / "it", other.model, other.optimizer, other.grower)


def test_when_the_host_goes_back_a_seed_in_the_shadow_gets_a_twin_of_the_host_that_it_now_has() -> None:
    watched = Watched()
    grown, plain = growth(GROW, watched=watched), Growth(steps_per_epoch=STEPS_PER_EPOCH)
    for one in (grown, plain):
        train(one, 3)
        train(one, 1, val_loss=float("nan"))
        train(one, 2)
    assert grown.seed.state is SeedState.TRAINING
    assert same(host_and_moments(*watched.trained[-1]), host_and_moments(plain.model, plain.optimizer))


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(UsageError, match=r"TwinTraining\(evaluate=3\) has to be a function of a model"):
        TwinTraining(train=Watched().train, evaluate=3)
