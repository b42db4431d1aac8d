from __future__ import annotations

import math

import pytest

from kaslite.signals.evidence import Evidence
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
    ("measure", "sentence"),
    [
        ("removal", "removing it costs -0.1000 to +0.3000"),
        ("twin", "its gain against the twin is -0.1000 to +0.3000"),
    ],
)
def test_evidence_says_what_was_measured(measure, sentence) -> None:
    assert str(Evidence(measure, Interval(mean=0.1, lower=-0.1, upper=0.3))) == sentence
