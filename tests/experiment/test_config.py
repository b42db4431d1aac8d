import re
import subprocess
import sys

import pytest

from kaslite.errors import StorageError, UsageError
from kaslite.experiment.config import RunConfig, resolve
from kaslite.tasks import HOSTS


@pytest.mark.parametrize(
    ("flag", "default"),
    [
        ("problem_type", "spirals"),
        ("input_dim", 2),
        ("device", "cpu"),
        ("batch_size", 32),
        ("train_frac", 0.7),
        ("blend_steps", 100),
        ("shadow_lr", 0.001),
        ("progress_thresh", 0.6),
        ("n_samples", 500),
        ("noise", 0.1),
        ("rotations", 4),
        ("n_centers", None),  # the default problem does not read them
        ("cluster_std", None),
        ("host", "mlp"),
        ("hidden_dim", 32),
        ("num_layers", 3),
        ("seeds_per_layer", 1),
        ("lr", 3e-3),
        ("warm_up_epochs", 20),
        ("adaptation_epochs", 100),
        ("acc_threshold", 0.95),
        ("drift_warn", 0.12),
        ("patience", 15),
        ("delta", 1e-4),
    ],
)
def test_nothing_given_means_the_documented_defaults(flag, default):
    assert getattr(resolve({}), flag) == default


def test_every_setting_says_what_it_is():
    assert all(field.description for field in RunConfig.model_fields.values())


def test_flag_wins_over_file_wins_over_problem_wins_over_default(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("problem_type: digits\nhidden_dim: 20\nlr: 1e-2\n")
    config = resolve({"lr": 0.5}, file)
    assert (config.lr, config.hidden_dim, config.input_dim) == (0.5, 20, 64)
    assert config.acc_threshold == 0.99
    assert config.batch_size == 32


@pytest.mark.parametrize(
    ("given", "problem", "host"),
    [
        ({}, "spirals", "mlp"),
        ({"problem_type": "digits"}, "digits", "mlp"),
        ({"problem_type": "topics"}, "topics", "transformer"),
        ({"host": "mlp"}, "spirals", "mlp"),
        ({"host": "cnn"}, "digits", "cnn"),
        ({"host": "transformer"}, "topics", "transformer"),
        ({"host": "cnn", "problem_type": "digits"}, "digits", "cnn"),
    ],
)
def test_where_only_one_of_host_and_problem_is_given_the_other_suits_it(given, problem, host):
    config = resolve(given)
    assert (config.problem_type, config.host) == (problem, host)


def test_what_suits_the_host_wins_over_what_suits_the_problem_and_a_file_over_both(tmp_path):
    assert resolve({"problem_type": "digits"}).hidden_dim == 24
    assert resolve({"host": "cnn"}).hidden_dim == 8
    file = tmp_path / "c.yaml"
    file.write_text("host: cnn\nhidden_dim: 5\n")
    assert resolve({}, file).hidden_dim == 5


def test_the_number_of_inputs_of_a_text_is_its_context():
    assert resolve({"problem_type": "topics", "context": 32}).input_dim == 32


def test_settings_that_the_problem_does_not_read_are_null():
    config = resolve(
        {"problem_type": "digits", "classes": (1, 2), "epoch_steps": 3, "host_from": "results/other", "blending": {}}
    )
    of_others = {"n_samples", "noise", "rotations", "n_centers", "cluster_std", "context"}
    of_tables = {"data", "target", "task_type", "data_sha256"}
    assert {name for name, value in config if value is None} == of_others | of_tables


@pytest.mark.parametrize("host", HOSTS)
def test_a_resolved_config_resolves_to_itself(host):
    config = resolve(
        {"host": host, "lr_warm_up": 2, "rewarm_epochs": [3, 4], "host_from": "results/other", "blending": {"tick": "epoch"}}
    )
    assert resolve(config.model_dump()) == config


def test_null_in_a_file_counts_as_not_given(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("n_samples: null\nhost:\n")
    assert resolve({}, file) == resolve({})


def test_a_number_like_1e_4_in_yaml_is_a_number(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("delta: 1e-4\n")
    assert resolve({}, file).delta == 1e-4


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        ({"hidden_dim": -3}, "hidden_dim is -3: input should be greater than or equal to 1"),
        ({"n_samples": 0}, "n_samples is 0"),
        ({"train_frac": 1.0}, "train_frac is 1.0"),
        ({"lr": float("nan")}, "lr is nan"),
        ({"lr": float("inf")}, "lr is inf"),
        ({"num_threads": 100_000}, "num_threads is 100000"),
        ({"problem_type": ["digits"]}, "unknown problem \"['digits']\""),
        ({"blueprints": ()}, "blueprints is"),
        ({"problem_type": "digit"}, "unknown problem 'digit': did you mean 'digits'"),
        ({"hiden_dim": 3}, "unknown setting 'hiden_dim': did you mean 'hidden_dim'"),
        ({"problem_type": "digits", "input_dim": 3}, "input_dim is 3, but digits has 64 inputs"),
        ({"problem_type": "topics", "input_dim": 3}, "input_dim is 3, but topics has 64 inputs"),
        ({"problem_type": "digits", "n_samples": 9}, "n_samples is 9, but digits does not read it; leave it out."),
        ({"problem_type": "topics", "noise": 0.1}, "It reads context, n_samples, train_frac."),
        ({"context": 9}, "context is 9, but spirals does not read it"),
        ({"host": "transfromer"}, "unknown host 'transfromer': did you mean 'transformer'"),
        ({"host": ["cnn"]}, "unknown host \"['cnn']\""),
        ({"host": "cnn", "problem_type": "spirals"}, "spirals takes mlp, and cnn learns digits"),
        ({"classes": (1, 2)}, "classes is (1, 2), but spirals does not read it"),
        ({"epoch_steps": 0}, "epoch_steps is 0"),
        ({"lr_decay": 1.5}, "lr_decay is 1.5"),
        ({"lr_warm_up": 3, "rewarm_epochs": (0,)}, "rewarm_epochs.0 is 0"),
        ({"rewarm_epochs": (4,)}, "rewarm_epochs is given, and lr_warm_up is 0"),
        ({"lr_warm_up": 3, "rewarm_epochs": (4, 120)}, "rewarm_epochs holds 120, and the run ends after 120 epochs"),
    ],
)
def test_a_wrong_setting_is_one_clear_sentence(flags, complaint):
    with pytest.raises(UsageError, match=re.escape(complaint)) as caught:
        resolve(flags)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [("[1, 2]", "holds a list"), ("a: b: c", "is not YAML"), ("just words", "holds a str")],
)
def test_a_config_file_that_is_not_one_is_refused(tmp_path, content, complaint):
    file = tmp_path / "c.yaml"
    file.write_text(content)
    with pytest.raises(UsageError, match=complaint):
        resolve({}, file)


def test_an_empty_config_file_is_an_empty_config(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("# nothing yet\n")
    assert resolve({}, file) == resolve({})


def test_a_config_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StorageError, match=r"nope\.yaml"):
        resolve({}, tmp_path / "nope.yaml")


def test_reading_a_config_loads_no_torch():
    code = "import sys; from kaslite.experiment.config import resolve; resolve({}); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
