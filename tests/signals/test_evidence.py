from __future__ import annotations

import math

import pytest

from kaslite.signals.evidence import TWIN_MARGIN, Evidence
from kaslite.signals.interval import Interval


@pytest.mark.parametrize(
    ("lower", "upper", "proves", "refutes"),
    [
        (0.1, 0.3, True, False),
        (0.0, 0.3, False, False),
        (-0.1, 0.3, False, False),
        (-0.3, 0.0, False, False),
        (-0.3, -0.1, False, True),
        (-math.inf, math.inf, False, False),
        (math.nan, math.nan, False, False),
    ],
)
@pytest.mark.parametrize("measure", ["removal", "twin"])
def test_evidence_is_sure_only_if_its_whole_interval_is_on_one_side(measure, lower, upper, proves, refutes) -> None:
    evidence = Evidence(measure, Interval(mean=(lower + upper) / 2, lower=lower, upper=upper))
    assert (evidence.proves, evidence.refutes) == (proves, refutes)


@pytest.mark.parametrize(
    ("lower", "upper", "proves", "refutes"),
    [(0.06, 0.2, True, False), (0.04, 0.2, False, False), (-0.2, -0.04, False, False), (-0.2, -0.06, False, True)],
)
def test_what_is_not_surely_more_than_the_margin_counts_as_nothing(lower, upper, proves, refutes) -> None:
    evidence = Evidence("twin", Interval(mean=(lower + upper) / 2, lower=lower, upper=upper), margin=0.05)
    assert (evidence.proves, evidence.refutes) == (proves, refutes)


@pytest.mark.parametrize(("loss", "gain"), [(0.8, 0.2), (1.5, -0.5), (-1.2, 0.2)])
def test_a_gain_is_measured_by_the_loss_of_the_twin(loss, gain) -> None:
    evidence = Evidence.of_twin(Interval(mean=gain, lower=gain, upper=gain), loss)
    assert evidence.measure == "twin"
    assert evidence.margin == pytest.approx(TWIN_MARGIN)


def test_of_a_loss_that_is_not_a_number_nothing_is_known() -> None:
    evidence = Evidence.of_twin(Interval(mean=math.nan, lower=-math.inf, upper=math.inf), 1.0)
    assert (evidence.proves, evidence.refutes) == (False, False)


def test_evidence_says_how_much_is_asked_for() -> None:
    evidence = Evidence("twin", Interval(mean=0.2, lower=0.1, upper=0.3), margin=0.05)
    assert str(evidence) == "its gain against the twin is +0.1000 to +0.3000, where 0.0500 are asked for"


@pytest.mark.parametrize(
    ("measure", "sentence"),
    [
        ("removal", "removing it costs -0.1000 to +0.3000"),
        ("twin", "its gain against the twin is -0.1000 to +0.3000"),
    ],
)
def test_evidence_says_what_was_measured(measure, sentence) -> None:
    assert str(Evidence(measure, Interval(mean=0.1, lower=-0.1, upper=0.3))) == sentence
