import io

import pytest

from kaslite.dashboard.plain import PlainView
from kaslite.events import DecisionMade, PhaseStarted, SeedCulled
from tests.dashboard.test_fold import AT, epoch


def lines(*events, **options):
    stream = io.StringIO()
    view = PlainView(stream, **options)
    for event in events:
        view.write(event)
    view.close()
    return stream.getvalue().splitlines()


@pytest.mark.parametrize(("every", "printed"), [(1, [1, 2, 3, 4]), (2, [2, 4]), (10, [])])
def test_every_nth_epoch_is_printed(every, printed):
    output = lines(*map(epoch, [1, 2, 3, 4]), every=every)
    assert [line.split(":")[0] for line in output] == [f"epoch {number}" for number in printed]


def test_what_happens_to_seeds_is_always_printed():
    assert lines(SeedCulled(epoch=1, **AT, reason="harm", improvement=None)) == ["blocks.0:0 culled: harm"]


@pytest.mark.parametrize(("waits", "printed"), [(False, []), (True, ["wait: falling"])])
def test_why_nothing_was_decided_is_printed_on_request(waits, printed):
    assert lines(DecisionMade(epoch=1, decision="wait", reason="falling"), waits=waits) == printed


def test_there_is_no_colour():
    assert not any("\x1b" in line for line in lines(epoch(10), every=1))


def test_a_new_phase_and_the_end_of_the_training_stand_out():
    stop = DecisionMade(epoch=40, decision="stop", reason="it is solved")
    assert lines(PhaseStarted(epoch=20, phase="phase_2", epochs=100), stop) == [
        "=== phase_2: Adaptation, 100 epochs ===",
        "=== training stops: it is solved ===",
    ]
