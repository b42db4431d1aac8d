from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import kaslite
from kaslite.sweeps.ranges import search_of
from kaslite.sweeps.sweep_file import read_sweep_files
from tests.sweeping import written

if TYPE_CHECKING:
    from pathlib import Path

    from kaslite.sweeps.ranges import Search


def searched(folder: Path, search: str, beside: str = "") -> Search:
    (file,) = read_sweep_files(written(folder, f"{beside}\nsearch: {search}\n"))
    return search_of(file, {})


def test_a_search_has_defaults_for_all_but_its_ranges(tmp_path: Path) -> None:
    search = searched(
        tmp_path, "{ranges: {lr: {low: 1e-4, high: 1e-1, log: true}, blueprints: {choices: [mlp, [mlp, low_rank]]}}}"
    )
    assert (search.n_trials, search.objectives, search.sampler, search.prunes) == (20, ("val_accuracy",), "tpe", True)
    assert search.ranges["lr"].low == 0.0001


def test_a_regression_is_searched_by_its_loss(tmp_path: Path) -> None:
    ranges = "{ranges: {lr: {low: 0.001, high: 0.1}}}"
    assert searched(tmp_path, ranges, "problem_type: diabetes").objectives == ("val_loss",)
    (tmp_path / "own.csv").write_text("x,y\n" + "".join(f"{row},{row / 7}\n" for row in range(40)))
    assert searched(tmp_path, ranges, f"data: {tmp_path / 'own.csv'}\ntarget: y").objectives == ("val_loss",)


def test_with_several_objectives_no_run_is_given_up(tmp_path: Path) -> None:
    assert not searched(tmp_path, "{objectives: [val_accuracy, final_params], ranges: {hidden_dim: {low: 4, high: 8}}}").prunes


@pytest.mark.parametrize(
    ("search", "beside", "complaint"),
    [
        ("{}", "", "search.ranges is"),
        ("{ranges: {}}", "", "search.ranges is"),
        ("{ranges: {lrr: {low: 1, high: 2}}}", "", "unknown setting 'lrr': did you mean 'lr'"),
        ("{ranges: {lr: {low: 1}}}", "", "give low and high, or choices"),
        ("{ranges: {lr: {low: 1, high: 2, choices: [1]}}}", "", "give low and high, or choices"),
        ("{ranges: {lr: {low: 2, high: 1}}}", "", "low has to be at most high"),
        ("{ranges: {lr: {low: 0, high: 1, log: true}}}", "", "above 0 where log is true"),
        ("{ranges: {lr: {low: 1, high: 2, log: true, step: 1}}}", "", "give log or step"),
        ("{ranges: {lr: {low: 1, high: 2, lgo: true}}}", "", "search.ranges.lr.lgo is True: extra inputs"),
        ("{ranges: {lr: {low: -1, high: 2}}}", "", "lr is -1: input should be greater than 0"),
        ("{ranges: {lr: {low: 1, high: 2, step: 3}}}", "", "step has to be at most high - low"),
        (
            "{ranges: {hidden_dim: {low: 4, high: 8, step: 0.5}}}",
            "",
            "hidden_dim is a whole number, and step of its range is 0.5",
        ),
        ("{ranges: {freeze_host: {low: 0, high: 1}}}", "", "freeze_host is no number"),
        ("{objectives: [val_loss, val_loss], ranges: {lr: {low: 1, high: 2}}}", "", "objectives holds val_loss twice"),
        (
            "{objectives: [val_accuracy], ranges: {lr: {low: 1, high: 2}}}",
            "problem_type: diabetes",
            "a regression has no accuracy",
        ),
        ("{ranges: {lr: {choices: [1, [2]]}}}", "", "lr has the value"),
        ("{ranges: {lr: {low: 1, high: 2}}}", "lr: 1", "stands beside the search and in its ranges"),
        ("{ranges: {lr: {low: 1, high: 2}}}", "hidden_dim: [4, 8]", "hidden_dim has several values beside a search"),
        ("{objectives: [test_accuracy], ranges: {lr: {low: 1, high: 2}}}", "", "read once"),
        ("{objectives: [final_params], pruner: hyperband, ranges: {lr: {low: 1, high: 2}}}", "", "pruner hyperband needs one"),
        ("{n_trials: 0, ranges: {lr: {low: 1, high: 2}}}", "", "search.n_trials is 0"),
    ],
)
def test_what_is_wrong_is_told_before_anything_runs(tmp_path: Path, search: str, beside: str, complaint: str) -> None:
    with pytest.raises(kaslite.UsageError) as caught:
        searched(tmp_path, search, beside)
    assert complaint in str(caught.value)
    assert "sweep.yaml is wrong" in str(caught.value)
