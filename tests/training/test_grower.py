"""The grower carries decisions out, or refuses them and leaves everything as it was."""

from __future__ import annotations

import pytest
import torch

import kaslite
from kaslite import Advance, Cull, Fossilize, Germinate, Grower, Plateau, SeededModel, SeedState, Wait
from kaslite.errors import RefusedError, UsageError
from kaslite.training.durations import Durations
from tests.growing import PATH, Growth
from tests.hosts import build, hooks, samples

PLACE = ("blocks.0", 0)


def moves(events: list[kaslite.Event]) -> list[tuple[str, str]]:
    return [(event.from_state, event.to_state) for event in events if event.type == "seed_state_changed"]


def types(events: list[kaslite.Event]) -> list[str]:
    return [event.type for event in events]


def everything(growth: Growth) -> list:
    """Return all that a decision can change."""
    return [
        [(seed.state, seed.ramp, seed.germinations, vars(seed.record).copy()) for seed in growth.model.seeds],
        [(name, value.tolist()) for name, value in growth.model.state_dict().items()],
        [[id(parameter) for parameter in group["params"]] for group in growth.optimizer.param_groups],
        [len(list(seed.parameters())) for seed in growth.model.seeds],
        hooks(growth.model),
        growth.model.topology_changes,
        torch.get_rng_state().tolist(),
    ]


ILLEGAL = [
    (SeedState.DORMANT, Advance(*PLACE), RefusedError, "dormant seed moves on by itself"),
    (SeedState.DORMANT, Fossilize(*PLACE), RefusedError, "has to be probationary"),
    (SeedState.DORMANT, Cull(*PLACE), RefusedError, "only a live seed can be culled"),
    (SeedState.DORMANT, Germinate(*PLACE, "mpl"), UsageError, "did you mean 'mlp'"),
    (SeedState.DORMANT, Germinate("blocks.9", 0, "mlp"), UsageError, "no seed layer 'blocks.9'"),
    (SeedState.DORMANT, Germinate("blocks.0", 9, "mlp"), UsageError, "has no seed 9"),
    (SeedState.GERMINATED, Advance(*PLACE), RefusedError, "germinated seed moves on by itself"),
    (SeedState.TRAINING, Fossilize(*PLACE), RefusedError, "has to be probationary"),
    (SeedState.BLENDING, Advance(*PLACE), RefusedError, "blending seed moves on by itself"),
    (SeedState.SHADOWING, Fossilize(*PLACE), RefusedError, "has to be probationary"),
    (SeedState.PROBATIONARY, Advance(*PLACE), RefusedError, "probationary seed moves on"),
    (SeedState.PROBATIONARY, Fossilize(*PLACE), RefusedError, "held for 0 epochs in a row"),
    (SeedState.FOSSILIZED, Fossilize(*PLACE), RefusedError, "has to be probationary"),
    *((state, Germinate(*PLACE, "mlp"), RefusedError, "only a dormant seed germinates") for state in PATH),
]


@pytest.mark.parametrize(("state", "decision", "error", "reason"), ILLEGAL)
def test_an_illegal_decision_raises_and_changes_nothing(state, decision, error, reason) -> None:
    growth = Growth().reach(state)
    growth.grower.apply(Wait())
    before = everything(growth)
    with pytest.raises(error, match=reason):
        growth.grower.apply(decision)
    assert everything(growth) == before
    assert growth.grower.apply(Wait()) == []


def test_a_blueprint_for_other_features_is_refused_with_those_that_fit() -> None:
    model = SeededModel(torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3)), "0", example_input=torch.zeros(1, 1, 4, 4))
    grower = Grower(model, torch.optim.SGD(model.parameters()), controller=Plateau(), blueprints=["block"])
    with pytest.raises(UsageError, match=r"'block' does not grow on the image feature of '0': .*; these do: attention, "):
        grower.apply(Germinate("0", 0, "block"))


def test_an_unknown_blueprint_is_refused_when_the_grower_is_made() -> None:
    model = SeededModel(build(), "blocks.*")
    with pytest.raises(UsageError, match="did you mean 'mlp'"):
        Grower(model, torch.optim.SGD(model.parameters()), controller=Plateau(), blueprints=["mpl"])


def test_several_decisions_of_one_epoch_are_carried_out_in_their_order() -> None:
    growth = Growth(decisions=([Germinate(*PLACE, "mlp"), Germinate("blocks.1", 0, "low_rank")],))
    growth.epoch()
    events = growth.epoch()
    assert [event.layer for event in events if event.type == "seed_state_changed"] == ["blocks.0", "blocks.1"]
    assert [seed.blueprint_id for seed in growth.model.seeds] == ["mlp", "low_rank"]


def test_a_refused_decision_does_not_keep_those_after_it_from_being_carried_out() -> None:
    growth = Growth(decisions=([Advance(*PLACE), Germinate(*PLACE, "mlp")],))
    made = [event for event in growth.epoch() if event.type == "decision_made"]
    assert [(event.decision, event.refusal is None) for event in made] == [("advance", False), ("germinate", True)]
    assert growth.seed.state is SeedState.GERMINATED


def test_a_controller_that_has_its_plan_already_is_asked_before_the_first_epoch() -> None:
    growth = Growth(decisions=(Germinate(*PLACE, "mlp"),))
    assert [(event.type, event.epoch) for event in growth.grower.begin()] == [
        ("decision_made", 0),
        ("seed_germinated", 0),
        ("seed_state_changed", 0),
    ]
    assert growth.controller.seen[0].val_loss is None
    assert growth.seed.record.baseline_loss is not None


def test_a_decision_tells_how_long_a_patient_controller_has_waited() -> None:
    growth = Growth()
    growth.grower.controller = Plateau(patience=7)
    (told,) = (event for event in growth.epoch() if event.type == "decision_made")
    assert (told.plateau_counter, told.patience) == (0, 7)


def test_a_controller_without_patience_tells_none() -> None:
    (told,) = (event for event in Growth().epoch() if event.type == "decision_made")
    assert (told.plateau_counter, told.patience) == (None, None)


def test_a_decision_by_hand_returns_the_events_since_the_last_call() -> None:
    growth = Growth()
    assert types(growth.grower.apply(Germinate(*PLACE, "mlp"))) == ["seed_germinated", "seed_state_changed"]
    growth.step()
    assert moves(growth.grower.apply(Advance(*PLACE))) == [("germinated", "training"), ("training", "blending")]
    assert growth.grower.apply(Wait()) == []


def test_a_germination_tells_what_grew_and_how_large_it_is() -> None:
    growth = Growth()
    growth.epoch()
    event = growth.grower.apply(Germinate(*PLACE, "low_rank", reason="try"))[0]
    assert (event.epoch, event.layer, event.seed, event.blueprint_id) == (1, "blocks.0", 0, "low_rank")
    assert event.params == 8 * 2 + 2 * 8 == sum(parameter.numel() for parameter in growth.seed.parameters())


def test_the_events_of_a_whole_life_are_complete_and_in_order() -> None:
    heard: list[kaslite.Event] = []
    growth = Growth(
        decisions=(Germinate(*PLACE, "mlp", reason="grow"), Advance(*PLACE, reason="blend"), Wait("see")),
        emit=heard.append,
    )
    returned = [growth.epoch() for _ in range(3)]
    while growth.seed.state is not SeedState.FOSSILIZED:
        record = growth.seed.record
        ready = record.held_epochs >= (3 if growth.seed.state is SeedState.PROBATIONARY else 1)
        step = Fossilize if growth.seed.state is SeedState.PROBATIONARY else Advance
        growth.controller.decisions = [step(*PLACE, reason="it holds") if ready else Wait("not yet")]
        returned.append(growth.epoch())
    growth.controller.decisions = [Cull(*PLACE, reason="enough")]
    returned += [growth.epoch(), growth.epoch()]
    told = [[event for event in events if getattr(event, "decision", None) != "wait"] for events in returned]
    assert [types(events) for events in told if events] == [
        ["decision_made", "seed_germinated", "seed_state_changed"],
        ["seed_state_changed", "decision_made", "seed_state_changed", "blend_strategy_chosen"],
        ["blend_completed", "seed_state_changed"],
        ["decision_made", "seed_state_changed"],
        ["decision_made", "seed_state_changed", "seed_fossilized"],
        ["decision_made", "seed_state_changed", "seed_culled"],
        ["seed_state_changed"],
    ]
    chain = moves([event for events in returned for event in events])
    assert [to for _, to in chain] == [*PATH, "culled", "embargoed"]
    assert [before for before, _ in chain] == ["dormant", *PATH, "culled"]
    assert heard == [event for events in returned for event in events]


def test_every_event_bears_the_epoch_in_which_it_happened() -> None:
    growth = Growth(decisions=(Wait("see"), Germinate(*PLACE, "mlp")))
    epochs = [[event.epoch for event in growth.epoch()] for _ in range(3)]
    assert epochs == [[1], [2, 2, 2], [3, 3]]


def test_fossilizing_tells_what_is_known_of_the_seed() -> None:
    growth = Growth().reach(SeedState.PROBATIONARY)
    growth.prepare()
    fossilized = growth.grower.apply(Fossilize(*PLACE))[-1]
    assert fossilized.params_added == sum(parameter.numel() for parameter in growth.seed.parameters())
    assert fossilized.removal_cost == growth.seed.record.removal_cost.mean > 0
    gained = growth.evaluate().accuracy - growth.seed.record.baseline_accuracy
    assert fossilized.improvement == pytest.approx(100 * gained)
    assert fossilized.twin_gain is None


def test_a_refused_decision_of_the_controller_is_told_with_the_reason_and_training_goes_on() -> None:
    growth = Growth(decisions=(Fossilize(*PLACE, reason="now"), Germinate(*PLACE, "mlp")))
    (event,) = growth.epoch()
    assert (event.type, event.decision, event.reason) == ("decision_made", "fossilize", "now")
    assert event.refusal == "a dormant seed cannot be fossilized; it has to be probationary."
    made, *_ = growth.epoch()
    assert made.refusal is None
    assert growth.seed.state is SeedState.GERMINATED


def test_a_misspelled_decision_of_the_controller_is_an_error() -> None:
    growth = Growth(decisions=(Germinate("blocks.9", 0, "mlp"),))
    with pytest.raises(UsageError, match=r"blocks.9"):
        growth.epoch()


def test_without_evaluate_evidence_is_unmeasured_and_a_seed_gets_no_further() -> None:
    growth = Growth(measured=False).reach(SeedState.SHADOWING)
    growth.controller.decisions = [Advance(*PLACE)]
    assert "unmeasured" in growth.epoch(val_loss=0.1)[-1].refusal
    assert growth.seed.state is SeedState.SHADOWING


def test_a_seed_with_which_the_validation_loss_rose_is_not_fossilized() -> None:
    growth = Growth().reach(SeedState.PROBATIONARY)
    growth.prepare()
    worse = growth.seed.record.baseline_loss + 0.01
    growth.epoch(val_loss=worse)
    with pytest.raises(RefusedError, match=r"validation loss .* is above the .* at germination"):
        growth.grower.apply(Fossilize(*PLACE))
    assert growth.seed.state is SeedState.PROBATIONARY


def test_a_seed_that_germinates_before_the_first_epoch_is_compared_with_what_is_measured_then() -> None:
    growth = Growth()
    loss = growth.evaluate().loss
    growth.grower.apply(Germinate(*PLACE, "mlp"))
    assert growth.seed.record.baseline_loss == pytest.approx(loss)
    growth.reach(SeedState.FOSSILIZED)


def test_a_place_is_closed_for_five_epochs_after_a_cull() -> None:
    growth = Growth().reach(SeedState.TRAINING)
    growth.epoch()
    growth.cull()
    states = [growth.seed.state]
    while growth.seed.state is not SeedState.DORMANT:
        growth.epoch()
        states.append(growth.seed.state)
    assert Durations().embargo_epochs == 5
    assert states == [SeedState.EMBARGOED] * 5 + [SeedState.RESETTING, SeedState.DORMANT]


def test_a_place_grows_again_after_its_embargo() -> None:
    growth = Growth().reach(SeedState.FOSSILIZED)
    first = [parameter.clone() for parameter in growth.seed.parameters()]
    growth.cull()
    with pytest.raises(RefusedError, match="is culled; only a dormant seed germinates"):
        growth.grower.apply(Germinate(*PLACE, "mlp"))
    while growth.seed.state is not SeedState.DORMANT:
        growth.epoch()
    growth.reach(SeedState.BLENDING)
    assert growth.seed.ramp == 0
    assert growth.seed.record.held_epochs == 0
    assert not all(map(torch.equal, growth.seed.parameters(), first))


def test_two_seeds_of_one_layer_live_independent_lives() -> None:
    growth = Growth(seeds_per_layer=2).reach(SeedState.SHADOWING)
    growth.place = ("blocks.0", 1)
    growth.reach(SeedState.TRAINING)
    growth.grower.apply(Cull(*PLACE))
    while growth.model.seed_at(*PLACE).state is SeedState.CULLED:
        growth.step()
    assert [seed.state for seed in growth.model.layers["blocks.0"].seeds] == [SeedState.EMBARGOED, SeedState.TRAINING]
    assert hooks(growth.model) == 1


def test_growing_draws_nothing_from_the_global_stream() -> None:
    growth = Growth()
    before = torch.get_rng_state()
    growth.reach(SeedState.FOSSILIZED)
    growth.cull()
    growth.epoch()
    assert torch.equal(torch.get_rng_state(), before)


def test_equal_runs_grow_equal_models() -> None:
    outputs = [growth.model(growth.inputs) for growth in (Growth().reach(SeedState.FOSSILIZED) for _ in range(2))]
    assert torch.equal(*outputs)


def test_a_model_whose_shapes_are_known_from_training_can_grow() -> None:
    model = SeededModel(build(), "blocks.*")
    model(samples()[0])
    grower = Grower(model, torch.optim.SGD(model.parameters()), controller=Plateau(), blueprints=["mlp"])
    assert moves(grower.apply(Germinate(*PLACE, "mlp"))) == [("dormant", "germinated")]
