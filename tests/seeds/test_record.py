import dataclasses

import pytest

from kaslite.seeds.record import Blend, SeedRecord, sample_ticks


def blend(**facts):
    return Blend("DRIFT_CONTROLLED", initial_loss=1.0, initial_drift=0.2, **facts)


def test_a_signal_that_the_strategy_reads_is_measured_after_the_first_tick_and_at_every_tenth():
    measured = blend(samples=["drift"])
    ticks = [tick for tick in range(40) if dataclasses.replace(measured, ticks=tick).is_sampled("drift")]
    assert ticks == [1, 10, 20, 30]


@pytest.mark.parametrize(("planned", "between"), [(1, 1), (7, 1), (20, 2), (30, 3), (99, 9), (100, 10), (1000, 10)])
def test_and_in_a_short_blend_more_often_or_it_would_be_over_unseen(planned, between):
    assert sample_ticks(planned) == between
    measured = blend(samples=["drift"], sample_ticks=between)
    times = sum(dataclasses.replace(measured, ticks=tick).is_sampled("drift") for tick in range(planned))
    assert times >= min(planned - 1, 10)


@pytest.mark.parametrize("tick", [1, 10])
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
