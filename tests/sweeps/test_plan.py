from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

import kaslite
from kaslite.sweeps.plan import base_settings, count_runs, plan_grid
from kaslite.sweeps.sweep_file import read_sweep_files
from tests.sweeping import written

if TYPE_CHECKING:
    from pathlib import Path

    from kaslite.sweeps.plan import PlannedRun


def planned(folder: Path, text: str, config_file: Path | None = None, **flags: Any) -> list[PlannedRun]:
    (file,) = read_sweep_files(written(folder, text))
    runs = plan_grid(file, base_settings(flags, config_file), first=1, width=3)
    assert count_runs([file]) == len(runs)
    return runs


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("num_layers: [4, 8]\nlr: [0.001, 0.003]\n", 4),
        ("num_layers: [4, 8, 16]\nseeds_per_layer: [1, 2]\nlr: [0.001, 0.003]\n", 12),
        ('lr: "0.001,0.003"\n', 2),
        ("hidden_dim: [64, 128]\nshadow_lr: 1e-4,5e-4,1e-3\nn_samples: 2000\n", 6),
        ("lr: 0.01\n", 1),
    ],
)
def test_the_documented_counts(tmp_path: Path, text: str, runs: int) -> None:
    assert len(planned(tmp_path, text)) == runs


def test_every_combination_stands_there_once_and_the_last_setting_changes_fastest(tmp_path: Path) -> None:
    runs = planned(tmp_path, "num_layers: [4, 8]\nlr: 0.001,0.003\n")
    pairs = [(run.settings["num_layers"], run.settings["lr"]) for run in runs]
    assert pairs == [(4, 0.001), (4, 0.003), (8, 0.001), (8, 0.003)]


@pytest.mark.parametrize("text", ["lr: 1e-4\n", "lr: [1e-4]\n", 'lr: "1e-4"\n', "lr: 1e-4, 1e-4\n"])
def test_1e_4_is_a_number(tmp_path: Path, text: str) -> None:
    assert {run.settings["lr"] for run in planned(tmp_path, text)} == {0.0001}


def test_values_take_the_type_of_their_setting(tmp_path: Path) -> None:
    (run,) = planned(tmp_path, 'hidden_dim: "8"\nchunked: "false"\nblueprints: mlp\n')
    assert (run.settings["hidden_dim"], run.settings["chunked"], run.settings["blueprints"]) == (8, False, ["mlp"])


def test_the_sweep_file_wins_over_flags_and_they_over_the_config_file(tmp_path: Path) -> None:
    config = written(tmp_path, "lr: 0.5\nbatch_size: 8\nnum_layers: 7\n", "config.yaml")
    runs = planned(tmp_path, "lr: [0.003, 0.01]\n", config, lr=0.001, batch_size=16)
    found = [(run.settings["lr"], run.settings["batch_size"], run.settings["num_layers"]) for run in runs]
    assert found == [(0.003, 16, 7), (0.01, 16, 7)]


def test_within_the_section_of_blending_it_wins_setting_by_setting(tmp_path: Path) -> None:
    flags = {"blend_steps": 9, "blending": {"tick": "epoch", "strategy": "GRAD_NORM_GATED"}}
    first, second = planned(tmp_path, "blending:\n  strategy: FIXED_RAMP\n  fixed_steps: [5, 6]\n", **flags)
    assert (first.settings["blend_steps"], second.settings["blend_steps"]) == (5, 6)
    assert first.settings["blending"]["strategy"] == "FIXED_RAMP"
    assert first.settings["blending"]["tick"] == "epoch"
    assert first.parameters == {"blending.strategy": "FIXED_RAMP", "blending.fixed_steps": 5}


def test_the_name_of_a_run_has_its_number_and_eight_digits_of_its_config(tmp_path: Path) -> None:
    runs = planned(tmp_path, "lr: 0.1, 0.2, 0.10\n")
    assert all(re.fullmatch(rf"run_00{number}_[0-9a-f]{{8}}", run.name) for number, run in enumerate(runs, start=1))
    assert runs[0].name[8:] == runs[2].name[8:] != runs[1].name[8:]
    assert len({run.name for run in runs}) == 3  # the same config twice has two folders


def test_a_value_that_does_not_do_is_told_with_the_file_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(kaslite.UsageError, match=r"sweep\.yaml is wrong: lr is 'fast': input should be a valid number"):
        planned(tmp_path, "lr: 0.1, fast\n")
    with pytest.raises(kaslite.UsageError, match=r"noise is 0.2, but clusters does not read it"):
        planned(tmp_path, "problem_type: moons, clusters\nnoise: 0.2\n")
