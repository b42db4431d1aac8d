"""Controllers by name, and what a run that follows a schedule does."""

from __future__ import annotations

import re

import pytest
import torch

from kaslite import Fossilize, RefusedError, SeedState, Wait
from kaslite.controllers import Plateau, Schedule
from kaslite.errors import UsageError
from kaslite.experiment.assembly import assemble
from kaslite.experiment.config import RunConfig, resolve
from kaslite.experiment.controllers import CONTROLLERS, ControllerKind

SMALL = {"n_samples": 80, "hidden_dim": 8, "num_layers": 2, "warm_up_epochs": 1, "adaptation_epochs": 4, "batch_size": 8}
STEPS_PER_EPOCH = 7
AT_ONCE = {"progress_thresh": 0.0, "blend_steps": 1}
FROM_SCRATCH = ("0 blocks.2:0 mlp", "0 blocks.3:0 gated")


class Heard:
    def __init__(self):
        self.events = []

    def write(self, event):
        self.events.append(event)

    def close(self):
        pass


def scheduled(*schedule, **settings):
    given = {"controller": "schedule", "schedule": schedule, "evidence": "none"} | SMALL | settings
    return assemble(resolve(given))


def carried_out(*schedule, **settings):
    experiment = scheduled(*schedule, **settings)
    experiment.sink = Heard()
    experiment.train(lambda: None)
    return experiment, experiment.sink.events


def moves(events, to_state):
    return [(e.epoch, e.layer) for e in events if e.type == "seed_state_changed" and e.to_state == to_state]


@pytest.mark.parametrize(("name", "kind"), [("plateau", Plateau), ("schedule", Schedule)])
def test_a_controller_is_built_by_its_name(name, kind):
    assert isinstance(assemble(resolve({"controller": name} | SMALL)).grower.controller, kind)


def test_every_controller_says_what_it_does():
    assert all(kind.summary for kind in CONTROLLERS.values())
    assert all(name in RunConfig.model_fields["controller"].description for name in CONTROLLERS)


class Patient:
    def __init__(self, config):
        self.reason = f"not before {config.patience}"

    def decide(self, _observation):
        return Wait(self.reason)


def test_another_controller_can_be_added_and_is_built_from_the_settings(monkeypatch):
    monkeypatch.setattr("kaslite.controllers.Patient", Patient, raising=False)
    monkeypatch.setitem(CONTROLLERS, "patient", ControllerKind("kaslite.controllers:Patient", "waits"))
    assert assemble(resolve({"controller": "patient", "patience": 9} | SMALL)).grower.controller.reason == "not before 9"


def test_each_germination_comes_at_the_end_of_its_epoch_in_the_warm_up_too():
    _, events = carried_out("0 blocks.0:0 mlp", "1 blocks.1:0 mlp", "3 blocks.2:0 low_rank", spare_layers=1)
    assert moves(events, "germinated") == [(0, "blocks.0"), (1, "blocks.1"), (3, "blocks.2")]


def test_several_that_are_due_at_once_all_germinate():
    _, events = carried_out("2 blocks.1:0 low_rank", "2 blocks.0:0 mlp")
    assert moves(events, "germinated") == [(2, "blocks.1"), (2, "blocks.0")]


def test_a_planned_blueprint_need_not_be_among_those_that_may_grow():
    experiment = scheduled("1 blocks.0:0 gated", blueprints=("mlp",))
    assert [blueprint.name for blueprint in experiment.grower.blueprints] == ["mlp", "gated"]


def test_a_seed_blends_after_its_epochs_in_the_shadow_and_stays_in_unproven():
    experiment, events = carried_out(
        "1 blocks.0:0 mlp", adaptation_epochs=9, shadow_epochs=2, progress_thresh=1.0, blend_steps=4, trial_epochs=1
    )
    # In training from epoch 2 on, two epochs later epoch 4 ends; four steps of epoch 5 are the blend.
    assert moves(events, "blending") == [(4, "blocks.0")]
    assert moves(events, "shadowing") == [(5, "blocks.0")]
    seed = experiment.model.seed_at("blocks.0", 0)
    assert (seed.state, seed.ramp) == (SeedState.SHADOWING, 1.0)
    assert seed.record.evidence is seed.record.removal_cost is None


def test_an_empty_schedule_is_the_static_host():
    experiment, events = carried_out()
    assert {event.type for event in events} == {"phase_started", "epoch_completed", "decision_made"}
    assert experiment.test()["final_params"] == experiment.host_params


def test_without_shadow_and_ramp_a_seed_planned_for_epoch_0_is_fully_in_after_two_steps_of_the_first_epoch():
    experiment = scheduled(*FROM_SCRATCH, spare_layers=2, **AT_ONCE)
    alphas, after_step = [], experiment.grower.after_step

    def watched():
        counted = after_step()
        alphas.append([seed.alpha.item() for seed in experiment.model.seeds])
        return counted

    experiment.grower.after_step = watched
    experiment.train(lambda: None)
    assert alphas[0] == [0, 0, 0, 0]
    assert alphas[1:] == [[0, 0, 1, 1]] * (STEPS_PER_EPOCH * 5 - 1)


def test_seeds_planned_for_epoch_0_are_the_same_each_time():
    weights = [carried_out(*FROM_SCRATCH, spare_layers=2, **AT_ONCE)[0].model.state_dict() for _ in range(2)]
    assert all(map(torch.equal, weights[0].values(), weights[1].values()))


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        ({"controller": "plateu"}, "unknown controller 'plateu': did you mean 'plateau'? Known are: plateau, schedule."),
        ({"schedule": ("1 blocks.0:0 mlp",)}, "schedule is given, but controller plateau does not read it"),
        ({"schedule": ("now",)}, "'now' plans no germination"),
        ({"schedule": ("-1 blocks.0:0 mlp",)}, "planned for epoch -1"),
        ({"schedule": ("6 blocks.0:0 mlp",)}, "schedule '6 blocks.0:0 mlp' comes after the run, which has 5 epochs."),
        ({"schedule": ("1 blocks.0:0 mlp", "2 blocks.0:0 mlp")}, "blocks.0:0 is planned twice"),
        ({"schedule": ("1 blocks.9:0 mlp",)}, "schedule '1 blocks.9:0 mlp': there is no seed layer 'blocks.9'"),
        ({"schedule": ("1 blocks.0:1 mlp",)}, "layer 'blocks.0' has no seed 1"),
        ({"schedule": ("1 blocks.0:0 mpl",)}, "unknown blueprint 'mpl': did you mean 'mlp'?"),
        ({"schedule": ("1 blocks.0:0 block",)}, "'block' does not grow on the dense feature of 'blocks.0'"),
        (
            {"schedule": ("1 blocks.0:0 mlp",), "shadow_objective": "reconstruct", "blueprints": ("autoencoder",)},
            "'mlp' declares no child",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_the_run_in_one_sentence(flags, complaint):
    controller = {} if complaint.startswith("schedule is given") else {"controller": "schedule"}
    with pytest.raises(UsageError, match=re.escape(complaint)) as caught:
        assemble(resolve(SMALL | controller | flags))
    assert "\n" not in str(caught.value)


def test_the_last_epoch_is_not_after_the_run():
    _, events = carried_out("5 blocks.0:0 mlp")
    assert moves(events, "germinated") == [(5, "blocks.0")]


def test_where_nothing_is_weighed_nothing_is_fossilized_and_the_reason_is_said():
    experiment, _ = carried_out("0 blocks.0:0 mlp", **AT_ONCE)
    seed = experiment.model.seed_at("blocks.0", 0)
    seed.move(SeedState.PROBATIONARY, epoch=5, reason="by hand")
    with pytest.raises(RefusedError, match=r"its worth is unmeasured: .* evidence 'none'"):
        experiment.grower.apply(Fossilize("blocks.0", 0))


def test_resetting_moments_changes_a_run_that_grows_and_no_other():
    def weights(*schedule, **settings):
        model = carried_out(*schedule, **settings)[0].model.host
        return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])

    grows = "2 blocks.0:0 mlp"
    assert not torch.equal(weights(grows, **AT_ONCE), weights(grows, **AT_ONCE, reset_moments=True))
    assert torch.equal(weights(), weights(reset_moments=True))


SOLVED = {"n_samples": 80, "warm_up_epochs": 1, "adaptation_epochs": 9, "acc_threshold": 0.0, "patience": 4, "delta": 1.0}


@pytest.mark.parametrize(
    ("settings", "epochs"),
    [
        ({}, 5),
        ({"stop_when_solved": False}, 10),
        ({"lr_decay": 0.5}, 10),
        ({"lr_warm_up": 2, "rewarm_epochs": (4,)}, 10),
        ({"controller": "schedule"}, 10),
        ({"problem_type": "diabetes", "n_samples": None}, 10),
    ],
    ids=str,
)
def test_a_solved_run_ends_early_unless_all_its_epochs_are_asked_for(settings, epochs):
    experiment = assemble(resolve(SOLVED | settings))
    experiment.train(lambda: None)
    assert experiment.test()["epochs"] == epochs
