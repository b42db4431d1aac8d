from __future__ import annotations

import csv

from kaslite.sweeps.summary import Comparison, as_csv, as_table, best_of
from tests.sweeping import outcome

RUNS = [
    outcome(1, val_accuracy=0.5, val_loss=0.7, final_params=1200, lr=0.1, at="x"),
    outcome(2, "failed", lr=0.2, at="x"),
    outcome(3, val_accuracy=0.9, val_loss=0.3, final_params=2400, lr=0.3, at="x", blueprints=["mlp"]),
]


def test_there_is_a_row_for_each_run_with_all_settings_and_results() -> None:
    rows = list(csv.DictReader(as_csv(Comparison(RUNS).rows()).splitlines()))
    assert [(row["run"], row["status"], row["lr"]) for row in rows] == [
        ("run_001_00000000", "completed", "0.1"),
        ("run_002_00000000", "failed", "0.2"),
        ("run_003_00000000", "completed", "0.3"),
    ]
    assert [(row["objective"], row["objective_value"]) for row in rows if row["status"] == "completed"] == [
        ("val_accuracy", "0.5"),
        ("val_accuracy", "0.9"),
    ]
    assert (rows[1]["error"], rows[2]["blueprints"], rows[1]["rng_seed"]) == ("why", '["mlp"]', "0")


def test_the_table_shows_the_best_first_and_only_what_differs() -> None:
    head, first, second, _, verdict = as_table(Comparison(RUNS)).splitlines()
    assert head.split() == ["run", "lr", "val_accuracy", "test_accuracy", "final_params"]
    assert first.split() == ["run_003_00000000", "0.3", "0.9000", "-", "2,400"]
    assert second.startswith("run_001")
    assert verdict == "3 runs: 2 completed, 1 failed; 2 shown, best val_accuracy first"


def test_with_two_objectives_those_that_no_other_beats_stand_first() -> None:
    worse = outcome(4, val_accuracy=0.8, final_params=3000, lr=0.4)
    table = as_table(Comparison([*RUNS, worse], ("val_accuracy", "final_params")))
    assert [line.split("_")[1] for line in table.splitlines()[1:4]] == ["003", "001", "004"]
    assert "the first 2 are beaten by none in val_accuracy and final_params together" in table


def test_a_sweep_without_any_result_has_a_summary_and_no_best_run() -> None:
    assert best_of(Comparison([])) is None
    assert as_csv(Comparison([]).rows()).strip() == ""
    assert "0 runs: none over" in as_table(Comparison([]))
