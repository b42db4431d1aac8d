from __future__ import annotations

from kaslite.proof.arm import Scale, Table

ROWS = [
    {"trial": trial, "arm": arm, "rng_seed": seed, "loss": loss}
    for trial, arm, seed, loss in [
        ("digits", "grown", 1, 0.2), ("digits", "grown", 0, 0.5), ("digits", "static", 0, 0.25), ("digits", "static", 2, 9.0),
        ("spirals", "grown", 0, 0.1),
    ]
]  # fmt: skip


def test_a_scale_never_leaves_less_than_an_epoch() -> None:
    assert [Scale("tiny", range(1), effort=0.01).epochs(full) for full in (1, 20, 200)] == [1, 1, 2]


def test_a_table_knows_its_trials_in_order() -> None:
    assert Table(ROWS).trials == ["digits", "spirals"]


def test_differences_pair_what_ran_with_the_same_rng_seed_and_nothing_else() -> None:
    assert Table(ROWS).differences("digits", "grown", "static", "loss") == [0.25]
    assert Table(ROWS).column("digits", "grown", "loss") == {0: 0.5, 1: 0.2}
