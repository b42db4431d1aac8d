from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import kaslite
from kaslite.sweeps.sweep_file import read_sweep_files
from tests.sweeping import written

if TYPE_CHECKING:
    from pathlib import Path


def test_arrays_text_with_commas_and_single_values_mix_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = "num_layers: [4, 8]\nlr: 0.001, 0.003\nshadow_lr: 1e-4,5e-4\ndevice: cpu\nn_samples: 2000\n"
    (file,) = read_sweep_files(written(tmp_path, text))
    assert list(file.grid.items()) == [
        ("num_layers", (4, 8)),
        ("lr", ("0.001", "0.003")),
        ("shadow_lr", ("1e-4", "5e-4")),
        ("device", ("cpu",)),
        ("n_samples", (2000,)),
    ]


@pytest.mark.parametrize("text", ["blending.strategy: [A, B]\n", "blending:\n  strategy: A, B\n"])
def test_the_section_of_blending_is_written_nested_or_with_dots(tmp_path: Path, text: str) -> None:
    (file,) = read_sweep_files(written(tmp_path, text))
    assert file.grid == {"blending.strategy": ("A", "B")}


def test_of_a_setting_that_is_a_list_each_element_is_a_whole_value(tmp_path: Path) -> None:
    (file,) = read_sweep_files(written(tmp_path, "blueprints: [mlp, [mlp, low_rank]]\nclasses: [[0, 1], null]\n"))
    assert file.grid == {"blueprints": (["mlp"], ["mlp", "low_rank"]), "classes": ([0, 1], None)}


def test_none_is_a_value_where_a_setting_knows_it_and_null_is_the_default(tmp_path: Path) -> None:
    (file,) = read_sweep_files(written(tmp_path, "evidence: [removal, none]\nepoch_steps: 3, null\n"))
    assert file.grid == {"evidence": ("removal", "none"), "epoch_steps": ("3", None)}


def test_of_a_folder_every_yaml_file_is_read_by_name_and_nothing_else(tmp_path: Path) -> None:
    for name in ("b.yml", "a.yaml", "notes.txt"):
        written(tmp_path, "lr: [0.1]\n", name)
    (tmp_path / "runs").mkdir()
    written(tmp_path / "runs", "lr: [0.1]\n", "c.yaml")
    assert [file.path.name for file in read_sweep_files(tmp_path)] == ["a.yaml", "b.yml"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty; it has to hold"),
        ("{}", "is empty; it has to hold"),
        ("lr: []", "lr is an empty list"),
        ("lr: 0.1,,0.2", "nothing between two commas"),
        ("lrr: [0.1]", "unknown setting 'lrr': did you mean 'lr'"),
        ("blending.strateg: [A]", "did you mean 'blending.strategy'"),
        ("lr: {0.1: 0.2}", "lr has the value {0.1: 0.2}; a value is"),
        ("lr: [[0.1]]", "lr has the value"),
        ("blueprints: [[[mlp]]]", "blueprints has the value"),
        ("blending: {tick: step}\nblending.tick: epoch", "stands there twice"),
        ("search: 3", "search is 3; it has to be a section"),
        ("search:", "search is None; it has to be a section"),
        ("lr: 0.1\nhidden_dim: 4\nlr: [0.1, 0.2]", "lr stands there twice"),
        ("lr: [0.1", "is not YAML"),
        ("- lr", "holds a list"),
        ("\0", "is not YAML"),
        ("[" * 5000, "is nested too deeply"),
    ],
)
def test_what_is_wrong_is_one_sentence_with_the_name_of_the_file(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(kaslite.UsageError) as caught:
        read_sweep_files(written(tmp_path, text))
    assert complaint in str(caught.value)
    assert "sweep.yaml" in str(caught.value)


def test_a_folder_without_sweep_files_and_a_file_that_is_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(kaslite.UsageError, match="holds no sweep files"):
        read_sweep_files(tmp_path)
    with pytest.raises(kaslite.KasliteError, match=r"cannot read the sweep file .*No such file"):
        read_sweep_files(tmp_path / "gone.yaml")
