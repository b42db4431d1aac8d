from dataclasses import fields, replace

import pytest

from kaslite.telemetry.analytics import RunTotals
from kaslite.telemetry.analytics.changed import changed


def test_it_is_replace():
    totals = RunTotals(run_name="a run", epochs=3)
    assert changed(totals, epochs=4, phase="phase_2") == replace(totals, epochs=4, phase="phase_2")
    assert totals == RunTotals(run_name="a run", epochs=3)
    assert list(vars(changed(totals, epochs=4))) == [field.name for field in fields(totals)]


def test_an_unknown_name_is_refused():
    with pytest.raises(TypeError, match="a RunTotals has no epoch"):
        changed(RunTotals(), epoch=4)
