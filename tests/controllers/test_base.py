import dataclasses
from typing import get_args

import pytest

from kaslite.controllers import Advance, Cull, Decision, Fossilize, Germinate, Stop, Wait

DECISIONS = [
    Wait(),
    Germinate("blocks.0", 0, "mlp"),
    Advance("blocks.0", 0),
    Fossilize("blocks.0", 0),
    Cull("blocks.0", 0),
    Stop(),
]
every_decision = pytest.mark.parametrize("decision", DECISIONS, ids=lambda decision: type(decision).__name__)


def test_these_are_all_decisions():
    assert {type(decision) for decision in DECISIONS} == set(get_args(Decision))


@every_decision
def test_a_decision_without_a_reason_was_made_by_hand(decision):
    assert decision.reason == "by hand"


@every_decision
def test_a_decision_cannot_be_changed(decision):
    with pytest.raises(dataclasses.FrozenInstanceError):
        decision.reason = "another"


@every_decision
def test_equal_decisions_are_equal(decision):
    assert decision == dataclasses.replace(decision)
    assert decision != dataclasses.replace(decision, reason="another")
