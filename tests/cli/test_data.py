import json

import pytest

from kaslite.cli.main import call


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_points_go_into_a_file_that_a_run_learns(tmp_path, capsys):
    assert call(["data", "data/moons.csv", "--problem_type", "moons", "--n-samples", "60", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {"file": "data/moons.csv", "target": "label", "samples": 60, "input_dim": 2}
    assert call(["run", "--data", said["file"], "--target", said["target"], "--dry_run", "--json"]) == 0
    config = json.loads(capsys.readouterr().out)
    assert (config["problem_type"], config["input_dim"]) == ("table", 2)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["moons.csv"]


def test_they_follow_the_rng_seed_and_nothing_else(tmp_path):
    for name, seed in (("a.csv", "3"), ("b.csv", "3"), ("c.csv", "4")):
        assert call(["data", name, "--rng_seed", seed]) == 0
    a, b, c = (tmp_path.joinpath(name).read_bytes() for name in ("a.csv", "b.csv", "c.csv"))
    assert a == b != c


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--problem_type", "wine"], "wine is not generated"),
        (["--problem_type", "moons", "--rotations", "2"], "moons does not read it"),
        (["--noise", "-1"], "noise is '-1'"),
        (["--problem_type", "clusters", "--n_samples", "1"], "give more samples or fewer centers"),
        (["--train_frac", "0.5"], "train_frac"),
    ],
)
def test_what_cannot_be_generated_is_a_sentence_and_no_file(tmp_path, capsys, flags, complaint):
    assert call(["data", "it.csv", *flags]) == 2
    assert complaint in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
