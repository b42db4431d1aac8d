import pytest
import torch

from kaslite.randomness import generator
from kaslite.seeds.probe import Drift, Probe
from kaslite.signals.feature import drift, health, scale_drift

BEFORE, AFTER = (torch.randn(10, 4, generator=generator(0, name)) for name in ("before", "after"))


def reading_of(*sizes):
    probe = Probe()
    for before, after in zip(BEFORE.split(sizes), AFTER.split(sizes), strict=True):
        probe.see(after)
        probe.see_seed(1, before, after)
    return probe.read()


def test_a_reading_holds_what_one_pass_showed():
    reading = reading_of(10)
    assert reading.health == pytest.approx(health(AFTER).item())
    assert (reading.drifts[1].cosine, reading.drifts[1].scale) == pytest.approx(
        [drift(BEFORE, AFTER).item(), scale_drift(BEFORE, AFTER).item()]
    )


def test_passes_count_by_their_samples():
    assert reading_of(7, 3).drifts[1].cosine == pytest.approx(reading_of(10).drifts[1].cosine, rel=1e-5)
    assert reading_of(7, 0, 3).drifts[1].scale == pytest.approx(reading_of(10).drifts[1].scale, rel=1e-5)


def test_a_candidate_is_averaged_over_the_samples_that_it_was_looked_at_on():
    probe = Probe()
    probe.see(AFTER)
    probe.see_candidate(0, BEFORE[:3], AFTER[:3])
    assert probe.has_seen(0)
    assert probe.read().drifts[0].cosine == pytest.approx(drift(BEFORE[:3], AFTER[:3]).item(), rel=1e-5)


def test_each_seed_has_a_drift_of_its_own():
    probe = Probe()
    probe.see(AFTER)
    probe.see_seed(0, BEFORE, BEFORE.clone())
    probe.see_seed(1, BEFORE, AFTER)
    drifts = probe.read().drifts
    assert drifts[0] == Drift(0.0, 0.0)
    assert drifts[1].cosine > 0.1


def test_without_samples_nothing_was_read():
    assert Probe().read() is None
    assert reading_of(0, 10) == reading_of(10)
