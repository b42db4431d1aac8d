from __future__ import annotations

import pytest

from kaslite.proof.arm import Claim, Scale, Table
from kaslite.proof.claims.second_task import judge, trials
from kaslite.proof.finding import overall
from tests.proving import prove_tiny


def table(points: float = 0.0, change: float = 0.0, params: int = 107) -> Table:
    """Return rows in which growing is so many points better, changes old outputs so much, and ends with so many parameters."""
    rows = []
    for seed in range(10):
        row = {"trial": "digits", "rng_seed": seed, "host_params": 100, "measured_first_task_accuracy": 0.4}
        grown = {"test_accuracy": 0.9 + points / 100 + seed * 1e-5, "final_params": params, "measured_output_change": change}
        rows += [{**row, "arm": "fine_tuned", "test_accuracy": 0.9}, {**row, "arm": "grown", **grown}]
    return Table(rows)


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        (table(points=-0.2), "shown"),
        (table(points=-1.0), "shown against"),
        (table(change=1e-7), "shown against"),  # not bit for bit
        (table(params=112), "shown against"),  # too many new ones
    ],
)
def test_the_second_task_has_to_be_learned_with_little_and_the_first_kept_whole(rows: Table, verdict: str) -> None:
    assert overall(judge(rows)) == verdict


@pytest.mark.slow
def test_fine_tuning_forgets_and_a_frozen_host_without_its_seeds_computes_what_it_did(tmp_path) -> None:
    claim = Claim("C5", "", "", trials, judge)
    rows = {row["arm"]: row for row in prove_tiny(claim, tmp_path, scale=Scale("one", range(1), effort=0.3)).rows}
    assert rows["grown"]["measured_output_change"] == 0
    assert rows["grown"]["germinated"] > 0
    assert rows["grown"]["final_params"] > rows["grown"]["host_params"]
    assert rows["grown"]["measured_first_task_accuracy"] == rows["first"]["test_accuracy"]
    assert rows["fine_tuned"]["measured_first_task_accuracy"] < rows["first"]["test_accuracy"] - 0.2
