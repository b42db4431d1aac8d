import pytest
import torch

from kaslite.randomness import generator
from kaslite.seeds.probe import Probe
from kaslite.signals.feature import drift, health, scale_drift

BEFORE, AFTER = (torch.randn(10, 4, generator=generator(0, name)) for name in ("before", "after"))


def reading_of(*sizes):
    probe = Probe()
    for before, after in zip(BEFORE.split(sizes), AFTER.split(sizes), strict=True):
        probe.see(before, after)
    return probe.read()


def test_a_reading_holds_what_one_pass_showed():
    reading = reading_of(10)
    assert (reading.health, reading.drift, reading.scale_drift) == pytest.approx(
        [statistic.item() for statistic in (health(AFTER), drift(BEFORE, AFTER), scale_drift(BEFORE, AFTER))]
    )


def test_passes_count_by_their_samples():
    assert reading_of(7, 3).drift == pytest.approx(reading_of(10).drift, rel=1e-5)
    assert reading_of(7, 0, 3).scale_drift == pytest.approx(reading_of(10).scale_drift, rel=1e-5)


def test_without_samples_nothing_was_read():
    assert Probe().read() is None
    assert reading_of(0, 10) == reading_of(10)
