from __future__ import annotations

import pytest

import kaslite
from kaslite.sweeps.objective import check_objective, natural_objective, on_front


def test_runs_are_never_chosen_by_the_test_split() -> None:
    with pytest.raises(kaslite.UsageError, match="test_accuracy is read once"):
        check_objective("test_accuracy")


def test_an_unknown_objective_is_told_with_the_nearest() -> None:
    with pytest.raises(kaslite.UsageError, match="did you mean 'val_accuracy'"):
        check_objective("val_acuracy")


def test_where_there_is_no_accuracy_the_loss_decides() -> None:
    assert natural_objective([{"val_accuracy": 0.5}, {"val_accuracy": None}]) == "val_loss"
    assert natural_objective([{"val_accuracy": 0.5}]) == "val_accuracy"


def test_on_the_front_is_what_no_other_run_beats() -> None:
    results = [
        {"val_accuracy": accuracy, "final_params": params}
        for accuracy, params in [(0.9, 9), (0.8, 3), (0.8, 5), (0.9, 9), (None, 1)]
    ]
    assert on_front(["val_accuracy", "final_params"], results) == [True, True, False, True, True]
