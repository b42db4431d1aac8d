import csv
from types import SimpleNamespace

import numpy as np
import pytest

from kaslite.errors import StorageError, UsageError
from kaslite.experiment.config import resolve
from kaslite.tasks import PROBLEMS
from kaslite.tasks.points_file import LABEL, write_points
from kaslite.tasks.table_file import read_table

POINTS, LABELS = np.array([[0.1, -2e-17], [1 / 3, 1e9]]), np.array([1, 0])


@pytest.mark.parametrize("problem", [name for name, problem in PROBLEMS.items() if problem.draws])
def test_the_points_of_every_generated_problem_are_read_back_to_the_last_bit(tmp_path, problem):
    settings = resolve({"problem_type": problem, "input_dim": 3, "n_samples": 40})
    points, labels = PROBLEMS[problem].draw(settings, rng_seed=5)
    write_points(tmp_path / "points.csv", points, labels)
    table = read_table(tmp_path / "points.csv", LABEL, None)
    assert np.array_equal(table.inputs, points)
    assert np.array_equal(table.targets, labels)
    assert table.inputs.shape == (40, 3)


def test_the_columns_have_names(tmp_path):
    write_points(tmp_path / "deep" / "points.csv", POINTS, LABELS)
    with (tmp_path / "deep" / "points.csv").open() as file:
        assert next(csv.reader(file)) == ["x0", "x1", "label"]


def test_the_same_points_give_the_same_bytes(tmp_path):
    for name in ("a.csv", "b.csv"):
        write_points(tmp_path / name, POINTS, LABELS)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_a_file_that_is_there_is_left_alone(tmp_path):
    (tmp_path / "mine.csv").write_text("it is mine")
    with pytest.raises(UsageError, match=r"mine\.csv is there already; delete it"):
        write_points(tmp_path / "mine.csv", POINTS, LABELS)
    assert (tmp_path / "mine.csv").read_text() == "it is mine"


def test_another_kind_of_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"ends on \.csv"):
        write_points(tmp_path / "points.npz", POINTS, LABELS)


def test_a_file_that_cannot_be_written_is_named_and_nothing_is_left(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot write the data file .*points\.csv: (Not a directory|File exists)"):
        write_points(tmp_path / "file" / "points.csv", POINTS, LABELS)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_problem_that_is_not_generated_has_no_points():
    with pytest.raises(
        UsageError, match="digits is not generated, so there are no points to write; take one of spirals, moons"
    ):
        PROBLEMS["digits"].draw(SimpleNamespace(problem_type="digits"), rng_seed=0)
