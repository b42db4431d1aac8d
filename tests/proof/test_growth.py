from __future__ import annotations

from kaslite.controllers import Planned
from kaslite.events import Event, SeedCulled, SeedGerminated, SeedStateChanged
from kaslite.proof.growth import germinations, kept


def germinated(epoch: int, layer: str) -> Event:
    return SeedGerminated(epoch=epoch, layer=layer, seed=0, blueprint_id="mlp", params=10)


def moved(epoch: int, layer: str, to_state: str) -> Event:
    return SeedStateChanged(
        epoch=epoch, layer=layer, seed=0, blueprint_id="mlp", from_state="", to_state=to_state, reason="it was time"
    )


def culled(epoch: int, layer: str) -> Event:
    return SeedCulled(epoch=epoch, layer=layer, seed=0, blueprint_id="mlp", reason="of no use", improvement=None)


LOG = [
    germinated(3, "a"),
    moved(4, "a", "training"),
    culled(9, "a"),
    germinated(12, "b"),
    moved(13, "b", "training"),
    moved(18, "b", "blending"),
    moved(20, "b", "shadowing"),
    germinated(21, "a"),
    moved(22, "a", "training"),
]


def test_germinations_are_all_that_was_tried() -> None:
    assert [str(germination) for germination in germinations(LOG)] == ["3 a:0 mlp", "12 b:0 mlp", "21 a:0 mlp"]


def test_kept_is_what_is_part_of_the_network_at_the_end() -> None:
    assert kept(LOG) == [Planned(12, "b", 0, "mlp")]


def test_a_seed_that_grows_again_where_another_was_culled_is_kept_with_its_own_epoch() -> None:
    assert Planned(21, "a", 0, "mlp") in kept([*LOG, moved(27, "a", "blending")])
