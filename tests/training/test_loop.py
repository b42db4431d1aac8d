from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from torch import nn
from torch.nn import functional

import kaslite
from kaslite import Advance, Germinate, SeedState, Stop, Wait
from kaslite.tasks.hosts.mlp import MLP
from kaslite.tasks.task import Split
from kaslite.training.loop import Phase, Trainer
from tests.growing import Growth
from tests.hosts import samples

PHASES = (Phase("phase_1", 2, grows=False), Phase("phase_2", 3, grows=True))
GROW = (Germinate("blocks.0", 0, "mlp"), Advance("blocks.0", 0), Wait("see"))


class Run:
    """A tiny run of the trainer; everything that it did."""

    def __init__(
        self,
        decisions: tuple[kaslite.Decision, ...] = (),
        *,
        host: nn.Module | str = "in_place",
        phases: tuple[Phase, ...] = PHASES,
        drift_warn: float = 1.0,
        rows: int = 100,
        freeze: bool = False,
        **growth,
    ) -> None:
        self.events: list[kaslite.Event] = []
        self.order: list[float] = []
        self.growth = Growth(host, decisions=decisions, emit=self.events.append, **growth)
        if freeze:
            self.growth.model.freeze_host()
        self.split = Split(*samples(rows))
        self.trainer = Trainer(
            self.growth.model,
            self.growth.optimizer,
            self.growth.grower,
            batches=self.batches,
            loss=functional.cross_entropy,
            drift_warn=drift_warn,
            emit=self.events.append,
        )
        self.trainer.fit(phases)

    def batches(self, epoch: int):
        for inputs, targets in self.split.batches(32, 0, epoch):
            self.order += inputs[:, 0].tolist()
            yield inputs, targets

    def types(self) -> list[str]:
        return [event.type for event in self.events]

    def all(self, type: str) -> list[kaslite.Event]:
        return [event for event in self.events if event.type == type]


def timeless(event: kaslite.Event) -> dict:
    return {key: value for key, value in dataclasses.asdict(event).items() if key not in ("timestamp", "epoch_duration_s")}


def test_events_come_in_the_order_of_the_run() -> None:
    assert Run().types() == [
        "phase_started",
        *["epoch_completed"] * 2,
        "phase_started",
        *["epoch_completed", "decision_made"] * 3,
    ]


def test_growth_is_told_where_it_happens() -> None:
    assert Run(GROW).types()[4:] == [
        *("epoch_completed", "decision_made", "seed_germinated", "seed_state_changed"),
        *("seed_state_changed", "epoch_completed", "decision_made", "seed_state_changed", "blend_strategy_chosen"),
        *("blend_completed", "seed_state_changed", "epoch_completed", "decision_made"),
    ]


def test_phases_are_told_with_their_plan() -> None:
    assert [(event.phase, event.epochs, event.epoch) for event in Run().all("phase_started")] == [
        ("phase_1", 2, 0),
        ("phase_2", 3, 2),
    ]


def test_epochs_are_counted_through_all_phases() -> None:
    run = Run()
    assert [(event.epoch, event.phase) for event in run.all("epoch_completed")] == [
        (1, "phase_1"),
        (2, "phase_1"),
        (3, "phase_2"),
        (4, "phase_2"),
        (5, "phase_2"),
    ]
    assert run.growth.grower.epoch == 5


def test_nothing_is_decided_in_a_phase_that_does_not_grow() -> None:
    run = Run(GROW, phases=(Phase("phase_1", 3, grows=False),))
    assert not run.growth.controller.seen
    assert run.growth.seed.state is SeedState.DORMANT


def test_an_epoch_tells_what_was_measured() -> None:
    run = Run()
    event = run.all("epoch_completed")[-1]
    evaluation = run.growth.evaluate()
    assert event.val_loss == pytest.approx(evaluation.loss)
    assert event.val_accuracy == evaluation.accuracy
    assert event.learning_rate == 1e-2
    assert event.epoch_duration_s > 0
    assert event.seeds == ()


def test_the_train_loss_is_the_mean_over_samples_not_over_batches() -> None:
    run = Run(lr=0.0, phases=(Phase("phase_1", 1, grows=False),))  # 100 samples: the last batch has 4
    outputs = run.growth.model(run.split.inputs)
    expected = functional.cross_entropy(outputs, run.split.targets).item()
    assert run.all("epoch_completed")[0].train_loss == pytest.approx(expected, rel=1e-5)


def test_live_seeds_are_read_at_every_epoch() -> None:
    run = Run(GROW)
    readings = [event.seeds for event in run.all("epoch_completed")]
    assert [len(seeds) for seeds in readings] == [0, 0, 0, 1, 1]
    assert [seeds[0].state for seeds in readings[3:]] == ["training", "shadowing"]
    assert (readings[3][0].alpha, readings[4][0].alpha) == (0, 1)
    assert readings[4][0].drift > 0
    assert readings[4][0].removal_cost is not None


def test_the_best_accuracy_is_the_highest_so_far() -> None:
    run = Run(lr=0.3)  # far too high: the accuracy goes up and down
    accuracies = [event.val_accuracy for event in run.all("epoch_completed")]
    best = [event.best_accuracy for event in run.all("epoch_completed")]
    assert accuracies != sorted(accuracies)
    assert best == [max(accuracies[: epoch + 1]) for epoch in range(5)]
    assert run.trainer.best_accuracy == best[-1]


def test_drift_above_the_threshold_is_warned_of() -> None:
    run = Run(GROW, drift_warn=1e-6)
    warnings = [(event.epoch, event.layer, event.seed, event.measure, event.threshold) for event in run.all("drift_warned")]
    assert warnings == [(5, "blocks.0", 0, "cosine", 1e-6), (5, "blocks.0", 0, "scale", 1e-6)]
    assert not Run(GROW, drift_warn=1.9).all("drift_warned")


def test_a_loss_that_is_not_finite_is_told_as_unmeasured() -> None:
    run = Run(lr=float("inf"), measured=False, phases=(Phase("phase_1", 1, grows=False),))
    assert run.all("epoch_completed")[0].train_loss is None


def linear(reads: int, writes: int) -> int:
    """Return what a linear layer costs a sample: forward, by weights and by inputs, and by the bias."""
    return 3 * 2 * reads * writes + writes


# Its first layer has no gradient by its inputs; two activations, there and back; softmax and its gradient.
HOST_FLOPS = linear(6, 16) - 2 * 6 * 16 + linear(16, 16) + linear(16, 2) + 2 * 2 * 16 + 10 * 2
# Normalisation, activation, and at each number the slope of the objective and its cosine.
SEED_FLOPS = 15 * 16 + linear(16, 32) + 2 * 32 + linear(32, 16) + 13 * 16


def test_flops_of_training_are_those_counted_by_hand() -> None:
    run = Run(host=MLP(6, 16, 2, 2), phases=(Phase("phase_1", 3, grows=False),))
    assert run.trainer.train_flops.total == 300 * HOST_FLOPS


def test_flops_of_a_seed_are_counted_from_the_step_at_which_it_joins() -> None:
    run = Run(GROW[:1], host=MLP(6, 16, 2, 2), phases=(Phase("phase_2", 2, grows=True),))
    assert run.growth.seed.state is SeedState.TRAINING
    # Of the second epoch's steps, of 32, 32, 32 and 4 samples, all but the first pass the seed.
    assert run.trainer.train_flops.total == pytest.approx(200 * HOST_FLOPS + 68 * SEED_FLOPS, rel=0.001)


def test_what_a_seed_learns_from_its_reservoir_is_counted() -> None:
    by_reservoir = {"blueprint": "autoencoder", "blueprints": ["autoencoder"], "shadow_objective": "reconstruct"}
    phases = (Phase("phase_2", 4, grows=True),)
    run = Run((Germinate("blocks.0", 0, "autoencoder"),), host=MLP(6, 16, 2, 2), phases=phases, **by_reservoir)
    assert run.growth.seed.reservoir.batches == 3 + 4 + 4
    child = linear(16, 64) - 2 * 16 * 64 + 2 * 64 + linear(64, 16) + 6 * 16
    steps = 2  # at the tenth batch and at the eleventh, of 64 rows
    assert run.trainer.train_flops.total == pytest.approx(400 * HOST_FLOPS + steps * 64 * child, rel=0.01)


def test_a_twin_costs_what_the_model_costs() -> None:
    run = Run(host=MLP(6, 16, 2, 2), phases=(Phase("phase_1", 1, grows=False),))
    model, optimizer = copy.deepcopy((run.growth.model, run.growth.optimizer))
    run.trainer.train_twin(model, optimizer)
    assert run.trainer.train_flops.total == 2 * 100 * HOST_FLOPS


def test_an_epoch_tells_what_training_has_cost_so_far() -> None:
    run = Run(host=MLP(6, 16, 2, 2))
    assert [event.train_flops for event in run.all("epoch_completed")] == [100 * HOST_FLOPS * epoch for epoch in range(1, 6)]


def test_equal_runs_tell_equal_events() -> None:
    first, second = Run(GROW), Run(GROW)
    assert [timeless(event) for event in first.events] == [timeless(event) for event in second.events]


def test_growth_does_not_change_the_order_of_the_data() -> None:
    grown, plain = Run(GROW), Run()
    assert len(plain.order) == 500
    assert grown.order == plain.order


def test_growth_does_not_change_what_the_host_draws() -> None:
    def draws(decisions: tuple[kaslite.Decision, ...]) -> torch.Tensor:
        torch.manual_seed(7)
        dropout = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5), nn.Linear(8, 2))
        Run(decisions, host=dropout, at="0", place=("0", 0))
        return torch.rand(3)

    assert torch.equal(draws(()), draws((Germinate("0", 0, "mlp"), Advance("0", 0))))


def test_training_ends_with_the_epoch_in_which_the_controller_says_so() -> None:
    run = Run((Wait("see"), Stop("solved")), phases=(*PHASES, Phase("phase_3", 2, grows=True)))
    assert run.growth.grower.epoch == 4
    last = run.events[-1]
    assert (last.type, last.decision, last.reason, last.epoch) == ("decision_made", "stop", "solved", 4)
    assert [event.phase for event in run.all("phase_started")] == ["phase_1", "phase_2"]


def test_what_has_stopped_does_not_go_on_from_its_state() -> None:
    run, other = Run((Stop("solved"),)), Run(phases=())
    other.trainer.load_state_dict(run.trainer.state_dict())
    other.trainer.fit(PHASES)
    assert other.events == []
    assert other.growth.grower.epoch == 0


def test_the_state_of_a_trainer_that_knew_no_stopping_is_that_of_one_that_goes_on() -> None:
    run = Run()
    state = {name: value for name, value in run.trainer.state_dict().items() if name != "has_stopped"}
    run.trainer.load_state_dict(state)
    assert not run.trainer.has_stopped
