from __future__ import annotations

import pytest

from kaslite import Cull, Germinate, SeedState
from kaslite.errors import RefusedError, UsageError
from kaslite.training.durations import Durations
from tests.growing import Growth


def states(growth: Growth, epochs: int) -> list[SeedState]:
    seen = []
    for _ in range(epochs):
        growth.epoch()
        seen.append(growth.seed.state)
    return seen


@pytest.mark.parametrize(("embargo_epochs", "reset_epochs"), [(5, 1), (2, 3), (1, 1)])
def test_the_place_of_a_culled_seed_stays_closed_and_is_then_made_ready(embargo_epochs: int, reset_epochs: int) -> None:
    durations = Durations(embargo_epochs=embargo_epochs, reset_epochs=reset_epochs)
    growth = Growth(durations=durations).reach(SeedState.TRAINING)
    growth.epoch()
    growth.cull()
    expected = [SeedState.EMBARGOED] * (embargo_epochs - 1) + [SeedState.RESETTING] * reset_epochs + [SeedState.DORMANT]
    assert states(growth, len(expected)) == expected


def test_a_place_that_needs_no_time_is_ready_two_epochs_after() -> None:
    growth = Growth(durations=Durations(embargo_epochs=0, reset_epochs=0)).reach(SeedState.TRAINING)
    growth.epoch()
    growth.cull()
    assert states(growth, 2) == [SeedState.RESETTING, SeedState.DORMANT]


@pytest.mark.parametrize("probation_epochs", [1, 5])
def test_the_evidence_has_to_hold_for_so_many_epochs(probation_epochs: int) -> None:
    growth = Growth(durations=Durations(probation_epochs=probation_epochs)).reach(SeedState.PROBATIONARY)
    growth.seed.record.held_epochs = probation_epochs - 1
    with pytest.raises(RefusedError, match=f"; {probation_epochs} are needed"):
        growth.move_on()
    growth.seed.record.held_epochs = probation_epochs
    growth.move_on()
    assert growth.seed.state is SeedState.FOSSILIZED


def test_a_closed_place_refuses_to_grow() -> None:
    growth = Growth().reach(SeedState.TRAINING)
    growth.grower.apply(Cull(*growth.place))
    with pytest.raises(RefusedError, match="is embargoed"):
        growth.grower.apply(Germinate(*growth.place, "mlp"))


@pytest.mark.parametrize("name", ["probation_epochs", "embargo_epochs", "reset_epochs"])
@pytest.mark.parametrize("value", [-1, 0.5, "3", None])
def test_what_is_no_number_of_epochs_is_refused(name, value) -> None:
    with pytest.raises(UsageError, match=f"{name} is {value!r}; a duration is a whole number of epochs"):
        Durations(**{name: value})
