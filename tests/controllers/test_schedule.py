from __future__ import annotations

import dataclasses

import pytest

from kaslite import UsageError
from kaslite.controllers import Advance, Germinate, Planned, Schedule, Wait
from kaslite.lifecycle import SeedState
from tests.observations import HARMFUL, observe, seed

PLAN = (Planned(0, "a", 0, "mlp"), Planned(3, "b", 0, "low_rank"), Planned(3, "a", 1, "mlp"))


def decide(*seeds, epoch=1, plan=PLAN, **settings):
    return Schedule(plan, **settings).decide(dataclasses.replace(observe(*seeds), epoch=epoch))


@pytest.mark.parametrize("text", ["30 blocks.1:0 block", "0 a:12 low_rank"])
def test_what_is_planned_is_written_as_it_is_read(text):
    assert str(Planned.parse(text)) == text


def test_blanks_around_the_words_do_not_matter():
    assert Planned.parse("  3   encoder.layers.0:1  mlp ") == Planned(3, "encoder.layers.0", 1, "mlp")


@pytest.mark.parametrize(
    "text", ["", "block", "3 a mlp", "3 a:0", "3 a:x mlp", "3.5 a:0 mlp", "3 a:0 mlp low_rank", "3 a:-1 mlp"]
)
def test_what_is_written_otherwise_is_refused_with_how_to_write_it(text):
    with pytest.raises(
        UsageError, match=r"plans no germination; write EPOCH LAYER:SEED BLUEPRINT, such as '30 blocks\.1:0 block'"
    ):
        Planned.parse(text)


def test_a_germination_before_the_beginning_is_refused():
    with pytest.raises(UsageError, match="planned for epoch -1; 0 is before the first"):
        Planned.parse("-1 a:0 mlp")


def test_a_place_that_is_planned_twice_is_refused():
    with pytest.raises(UsageError, match="a:0 is planned twice"):
        Schedule([Planned(1, "a", 0, "mlp"), Planned(2, "a", 0, "low_rank")])


def test_a_seed_cannot_be_moved_on_before_it_has_trained():
    with pytest.raises(UsageError, match="shadow_epochs is 0"):
        Schedule(PLAN, shadow_epochs=0)


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [
        (0, [Germinate("a", 0, "mlp", "as planned")]),
        (1, Wait("the next germination is planned for epoch 3")),
        (3, [Germinate("b", 0, "low_rank", "as planned"), Germinate("a", 1, "mlp", "as planned")]),
        (4, Wait("nothing more is planned")),
    ],
)
def test_all_that_is_due_germinates_in_its_epoch_and_nothing_else(epoch, expected):
    assert decide(seed(), seed(index=1), seed(layer="b"), epoch=epoch) == expected


def test_an_empty_plan_waits_for_ever():
    assert decide(seed(), epoch=0, plan=()) == Wait("nothing more is planned")


def test_a_seed_that_was_in_the_shadow_for_long_enough_moves_on_beside_what_germinates():
    training = seed(SeedState.TRAINING, epochs_in_state=2)
    assert decide(training, shadow_epochs=3) == Wait("the next germination is planned for epoch 3")
    advance = Advance("a", 0, reason="2 epochs in the shadow")
    assert decide(training, shadow_epochs=2) == [advance]
    assert decide(training, epoch=3, shadow_epochs=2)[0] == advance
    assert len(decide(training, epoch=3, shadow_epochs=2)) == 3


@pytest.mark.parametrize("state", [SeedState.BLENDING, SeedState.SHADOWING, SeedState.CULLED])
def test_what_is_not_in_training_is_left_alone_even_if_it_does_harm(state):
    assert isinstance(decide(seed(state, epochs_in_state=99, removal_cost=HARMFUL)), Wait)
