"""Planted controllers that are worth nothing: the judge has to say so."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from kaslite import Advance, Cull, Germinate, SeedState, Wait
from kaslite.experiment.controllers import CONTROLLERS, ControllerKind
from kaslite.proof.arm import Claim, Scale
from kaslite.proof.claims.against_scratch import AGAINST_SCRATCH
from kaslite.proof.finding import overall
from tests.proving import prove_tiny

if TYPE_CHECKING:
    from pathlib import Path

    from kaslite.controllers import Decision, Observation, SeedObservation
    from kaslite.experiment.config import RunConfig
    from kaslite.proof.arm import Table, Trial

FIVE = Scale("five", rng_seeds=range(5), effort=0.2)


class NeverGrows:
    """Waits."""

    def __init__(self, _: RunConfig) -> None:
        pass

    def decide(self, _: Observation) -> Decision:
        """Wait."""
        return Wait("as ever")


class AlwaysGerminates:
    """Grows wherever there is room, at once, and never judges."""

    def __init__(self, _: RunConfig) -> None:
        pass

    def decide(self, observation: Observation) -> Decision | list[Decision]:
        """Germinate all, advance all."""
        answer: list[Decision] = [
            Germinate(seed.layer, seed.seed, "mlp") if seed.state is SeedState.DORMANT else Advance(seed.layer, seed.seed)
            for seed in observation.seeds
            if seed.state in (SeedState.DORMANT, SeedState.TRAINING)
        ]
        return answer or Wait("there is no room")


class CullsTheBest(AlwaysGerminates):
    """Grows everywhere, and throws out whichever seed would be missed most."""

    def decide(self, observation: Observation) -> Decision | list[Decision]:
        """Cull the one with the highest removal cost, or else grow."""

        def cost(seed: SeedObservation) -> float:
            return -1.0 if seed.removal_cost is None else seed.removal_cost.mean

        best = max(observation.seeds, key=cost)
        return Cull(best.layer, best.seed) if cost(best) > 0 else super().decide(observation)


def with_controller(name: str) -> Claim:
    """Return the claim against the same thing from scratch, on spirals, with another controller and only what it rests on."""

    def trials(scale: Scale) -> tuple[Trial, ...]:
        assert AGAINST_SCRATCH.trials is not None
        (trial,) = (trial for trial in AGAINST_SCRATCH.trials(scale) if trial.name == "spirals")
        grown, *controls = (arm for arm in trial.arms if arm.name in ("grown", "scratch", "scratch_flops"))
        return (dataclasses.replace(trial, arms=(dataclasses.replace(grown, settings={"controller": name}), *controls)),)

    return dataclasses.replace(AGAINST_SCRATCH, name="planted", trials=trials)


def judge(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Table]:
    """Return the verdict on a planted controller."""
    monkeypatch.setitem(CONTROLLERS, name, ControllerKind(f"{__name__}:{name}", "planted"))
    table = prove_tiny(with_controller(name), folder, scale=FIVE)
    assert AGAINST_SCRATCH.judge is not None
    return overall(AGAINST_SCRATCH.judge(table)), table


@pytest.mark.slow
@pytest.mark.parametrize(
    ("controller", "grows_culls"),
    [(NeverGrows, (False, False)), (AlwaysGerminates, (True, False)), (CullsTheBest, (True, True))],
)
def test_a_controller_that_is_worth_nothing_is_not_shown_to_be(
    controller: type, grows_culls: tuple[bool, bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict, table = judge(controller.__name__, tmp_path, monkeypatch)
    assert verdict in ("not shown", "shown against")
    rows = [row for row in table.rows if row["arm"] == "grown"]
    assert [(row["germinated"] > 0, row["culled"] > 0) for row in rows] == [grows_culls] * len(rows)
