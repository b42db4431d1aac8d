import dataclasses

import pytest

from kaslite.seeds.record import SAMPLE_TICKS, Blend, SeedRecord


def blend(**facts):
    return Blend("DRIFT_CONTROLLED", initial_loss=1.0, initial_drift=0.2, **facts)


def test_a_signal_that_the_strategy_reads_is_measured_at_every_tenth_tick():
    measured = blend(samples=["drift"])
    ticks = [tick for tick in range(40) if dataclasses.replace(measured, ticks=tick).is_sampled("drift")]
    assert ticks == [0, 10, 20, 30]
    assert SAMPLE_TICKS == 10


@pytest.mark.parametrize("tick", [0, 10])
def test_a_signal_that_it_does_not_read_is_not(tick):
    assert not blend(samples=["drift"], ticks=tick).is_sampled("grad_norm")


def test_a_blend_remembers_its_last_five_drifts():
    measured = blend()
    for drift in (0.1, 0.2, 0.3, None, 0.4, 0.5, 0.6):
        measured.note_drift(drift)
    assert measured.drifts == [0.2, 0.3, 0.4, 0.5, 0.6]


def test_two_blends_share_nothing():
    one, other = blend(), blend()
    one.note_drift(0.5)
    one.samples.append("drift")
    assert (other.drifts, other.samples) == ([], [])


def test_a_newborn_has_no_blend_and_nothing_was_measured_of_it():
    record = dataclasses.asdict(SeedRecord())
    assert {name for name, value in record.items() if value is not None} == {"entered_epoch", "held_epochs"}
