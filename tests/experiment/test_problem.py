import re

import numpy as np
import pytest

from kaslite.errors import DataError, UsageError
from kaslite.experiment.config import resolve
from kaslite.experiment.problem import ProblemSettings
from kaslite.tasks import PROBLEMS

ROWS = 40


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "it.csv"
    file.write_text("a,b,c,y\n" + "".join(f"{row},{row % 7},{row % 3},{row % 2}\n" for row in range(ROWS)))
    return file


def test_every_setting_that_a_problem_reads_is_one():
    assert set().union(*(problem.reads for problem in PROBLEMS.values())) <= ProblemSettings.model_fields.keys()


def test_clusters_have_their_documented_defaults():
    config = resolve({"problem_type": "clusters"})
    assert (config.n_samples, config.n_centers, config.cluster_std, config.input_dim) == (500, 2, 1.0, 2)


@pytest.mark.parametrize("name", ["spirals", "moons", "spheres", "complex_moons"])
def test_points_with_noise_have_their_documented_defaults(name):
    config = resolve({"problem_type": name})
    assert (config.n_samples, config.noise, config.input_dim) == (500, 0.1, 2)


def test_data_of_ones_own_is_a_problem_of_its_own(file):
    config = resolve({"data": file, "target": "y"})
    assert (config.problem_type, config.host, config.input_dim) == ("table", "mlp", 3)
    assert resolve(config.model_dump(mode="json")) == config


def test_the_checksum_of_the_data_is_part_of_the_config_and_the_same_config_never_means_other_data(file):
    config = resolve({"data": file, "target": "y"})
    file.write_text(file.read_text().replace("39,4,0,1", "39,4,0,0"))
    with pytest.raises(DataError, match="is not what it was"):
        resolve(config.model_dump())
    assert resolve({"data": file, "target": "y"}).data_sha256 != config.data_sha256


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (
            {"problem_type": "moons"},
            "but moons does not read it; leave it out. It reads n_samples, noise, input_dim, train_frac.",
        ),
        ({"input_dim": 2}, "input_dim is 2, but table has 3 inputs; leave it out."),
        ({"n_samples": 9}, "n_samples is 9, but table does not read it"),
        ({"host": "cnn"}, "host 'cnn' reads image inputs, which table has not"),
        ({"target": "z"}, "unknown column 'z'"),
        ({"task_type": "ranking"}, "task_type is 'ranking': input should be 'classification' or 'regression'"),
    ],
)
def test_what_does_not_suit_the_data_is_refused(file, given, complaint):
    with pytest.raises(UsageError, match=re.escape(complaint)):
        resolve({"data": file, "target": "y", **given})


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"problem_type": "table"}, "problem table learns a file of your own; give it: --data"),
        ({"target": "y"}, "target is y, but spirals does not read it"),
        ({"problem_type": "moons", "input_dim": 1}, "input_dim is 1, but moons has 2 inputs at least; give more."),
        ({"problem_type": "moons", "n_centers": 3}, "n_centers is 3, but moons does not read it"),
        ({"problem_type": "clusters", "n_centers": 1}, "n_centers is 1: input should be greater than or equal to 2"),
        ({"problem_type": "clusters", "cluster_std": -1}, "cluster_std is -1"),
        ({"problem_type": "clusters", "noise": 0.3}, "It reads cluster_std, n_centers, n_samples, input_dim, train_frac."),
        ({"problem_type": "wine", "input_dim": 2}, "input_dim is 2, but wine has 13 inputs; leave it out."),
    ],
)
def test_what_the_problem_does_not_read_or_cannot_be_is_refused(given, complaint):
    with pytest.raises(UsageError, match=re.escape(complaint)):
        resolve(given)


def test_a_table_of_one_column_beside_the_target_has_one_input(tmp_path):
    np.savez(tmp_path / "it.npz", X=np.zeros((4, 1)), y=np.zeros(4))
    config = resolve({"data": tmp_path / "it.npz"})
    assert config.input_dim == 1
    assert resolve(config.model_dump()) == config
