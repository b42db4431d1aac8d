from __future__ import annotations

import json
import math

import pytest

from kaslite.proof.finding import Finding, Verdict, overall
from kaslite.signals.interval import Interval


def found(lower: float, upper: float, *, bar: float = 0.0, decides: bool = True) -> Finding:
    return Finding("accuracy gained", Interval((lower + upper) / 2, lower, upper), bar, decides)


@pytest.mark.parametrize(
    ("lower", "upper", "bar", "verdict"),
    [
        (0.1, 0.5, 0.0, "shown"),
        (-0.1, 0.5, 0.0, "not shown"),
        (0.0, 0.0, 0.0, "not shown"),  # a tie
        (-0.5, -0.1, 0.0, "shown against"),
        (0.1, 0.5, 0.2, "not shown"),
        (-math.inf, math.inf, 0.0, "not shown"),
        (math.nan, math.nan, 0.0, "not shown"),
    ],
)
def test_only_an_interval_wholly_beyond_the_bar_is_a_verdict(lower: float, upper: float, bar: float, verdict: Verdict) -> None:
    assert found(lower, upper, bar=bar).verdict == verdict


def test_a_claim_needs_all_that_it_rests_on() -> None:
    yes, open_, no = found(1.0, 2.0), found(-1.0, 2.0), found(-2.0, -1.0)
    assert overall([yes, yes]) == "shown"
    assert overall([yes, open_]) == "not shown"
    assert overall([yes, open_, no]) == "shown against"


def test_what_a_claim_does_not_rest_on_changes_no_verdict() -> None:
    assert overall([found(1.0, 2.0), found(-2.0, -1.0, decides=False)]) == "shown"


def test_what_was_not_run_has_no_verdict() -> None:
    assert overall([]) == "not yet run"


def test_as_json_unknown_bounds_are_null() -> None:
    assert json.loads(json.dumps(found(-math.inf, math.inf).as_json(), allow_nan=False))["interval"] == [None, None]
