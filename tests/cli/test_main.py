import json
import os
import signal
import subprocess
import sys
import time

import pytest

import kaslite
from kaslite.cli.main import app, call

SMALL = ["--n_samples", "60", "--warm_up_epochs", "1", "--adaptation_epochs", "2"]


def kaslite_process(*arguments, **options):
    command = [sys.executable, "-m", "kaslite", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "results"


def test_version(capsys):
    assert call(["--version"]) == 0
    assert capsys.readouterr().out.strip() == kaslite.__version__


def test_help_names_every_command(capsys):
    assert call(["--help"]) == 0
    assert {"run", "replay"} <= set(capsys.readouterr().out.split())


def test_help_is_quick_and_loads_no_torch():
    code = (
        "import sys, time; sys.argv = ['kaslite', '--help']\n"
        "from kaslite.cli.main import call\n"
        "call(sys.argv[1:])\n"
        "print(time.process_time(), 'torch' in sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True).stderr.split() for _ in range(3)]
    assert {torch_loaded for _, torch_loaded in runs} == {"False"}
    assert min(float(cpu_s) for cpu_s, _ in runs) < 0.5


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["run", "--hiden_dim", "3"], "Did you mean --hidden_dim?"),
        (["run", "--problem_type", "digit"], "did you mean 'digits'?"),
        (["run", "--host", "cnm"], "unknown host 'cnm': did you mean 'cnn'?"),
        (["run", "--host", "cnn", "--problem_type", "spirals"], "spirals takes mlp, and cnn learns digits."),
        (["run", "--problem_type", "digits", "--noise", "0.1"], "noise is 0.1, but digits does not read it; leave it out."),
        (["run", "--hidden_dim", "-3"], "hidden_dim is '-3': input should be greater than or equal to 1."),
        (["run", "--at", "layers.*"], "at='layers.*' matches no submodule of the host"),
        (["run", "--at", "blocks.*.7"], "matches no submodule of the host"),
        (["run", "--blueprints", "mpl"], "unknown blueprint 'mpl': did you mean 'mlp'?"),
        (["run", "--config", "nope.yaml", "--lr", "x"], "lr is 'x'"),
        (["run", "--data", "nope.txt"], "give a CSV file with a header row"),
        (["replay", "nope"], "there is no run 'nope'"),
        (["rnu"], 'Did you mean "run"?'),
    ],
)
def test_a_wrong_command_line_is_one_sentence_and_exit_code_2(results, capsys, arguments, complaint):
    assert call(arguments) == 2
    out, err = capsys.readouterr()
    assert complaint in err
    assert err.startswith("kaslite: ")
    assert err.count("\n") == 1
    assert out == ""
    assert not results.exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["run", "--n_samples", "2"], "the validation split is empty"),
        (["run", "--n_samples", "1"], "the train split is empty"),
        (["run", "--n_samples", "3", "--train_frac", "0.4"], "has 1 class"),
        (["run", "--host", "transformer", "--n_samples", "999999"], "make n_samples or context smaller"),
        (["run", "--config", "nope.yaml"], "cannot read the config file nope.yaml"),
        (["run", "--data", "nope.csv", "--target", "y"], "cannot read the data file nope.csv: No such file or directory."),
    ],
)
def test_a_run_that_cannot_start_is_one_sentence_and_exit_code_1(results, capsys, arguments, complaint):
    assert call(arguments) == 1
    out, err = capsys.readouterr()
    assert complaint in err
    assert err.count("\n") == 1
    assert out == ""
    assert not results.exists()


def test_a_results_folder_that_cannot_be_written_leaves_nothing_behind(results, capsys):
    results.write_text("a file is in the way")
    assert call(["run", *SMALL, "--results_dir", str(results / "deeper")]) == 1
    assert "--results_dir" in capsys.readouterr().err
    assert results.read_text() == "a file is in the way"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_results_folder_is_refused(results, capsys):
    results.mkdir(mode=0o500)
    assert call(["run", *SMALL]) == 1
    assert "--results_dir" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "resume", "replay", "analytics", "prove"])
def test_dashes_and_underscores_are_both_understood_in_every_flag(command):
    arguments = app[command].assemble_argument_collection()
    names = {name[2:] for argument in arguments for name in argument.names if name.startswith("--")}
    assert "json" in names
    for name in names:
        with_dashes, _, _ = arguments.match("--" + name.replace("_", "-"))
        with_underscores, _, _ = arguments.match("--" + name.replace("-", "_"))
        assert with_dashes is with_underscores


@pytest.mark.parametrize("flag", ["--problem_type", "--problem-type"])
def test_a_flag_means_the_same_with_dashes_and_with_underscores(results, capsys, flag):
    assert call(["run", flag, "digits", "--dry-run"]) == 0
    assert "problem_type: digits" in capsys.readouterr().out
    assert not results.exists()


def test_json_goes_to_stdout_and_everything_else_to_stderr(results):
    done = kaslite_process("run", *SMALL, "--json")
    metrics = json.loads(done.stdout)
    assert metrics["epochs"] == 3
    assert (results / metrics["run_dir"].split("/", 1)[1] / "metrics.json").exists()
    assert "phase_2: Adaptation" in done.stderr


def test_quiet_says_nothing_but_the_result(results):
    done = kaslite_process("run", *SMALL, "-q")
    assert done.stderr == ""
    assert "test accuracy" in done.stdout
    assert results.exists()


def test_verbose_says_every_epoch_and_why_nothing_was_decided(results):
    done = kaslite_process("run", *SMALL, "-v")
    assert [f"epoch {number}:" in done.stderr for number in (1, 2, 3)] == [True] * 3
    assert "wait: 1 of 15 epochs seen" in done.stderr
    assert results.exists()


def test_a_reader_that_goes_away_is_no_traceback(results):
    code = f"{sys.executable} -m kaslite run {' '.join(SMALL)} -q | true"
    done = subprocess.run(["/bin/sh", "-c", code], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert results.exists()


def test_stdout_on_a_full_disk_is_a_sentence(results):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        command = [sys.executable, "-m", "kaslite", "run", "--dry_run"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "kaslite: cannot write the output: No space left on device.\n"
    assert not results.exists()


def test_what_does_not_fit_into_memory_is_a_sentence(results, capsys):
    assert call(["run", "--hidden_dim", "100000000"]) == 1
    assert "does not fit into this machine's memory" in capsys.readouterr().err
    assert not results.exists()


def test_ctrl_c_ends_with_130_and_a_readable_run(results):
    command = [sys.executable, "-m", "kaslite", "run", "--adaptation_epochs", "100000"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not any(
        "epoch_completed" in log.read_text() for log in results.glob("*/events.jsonl")
    ):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    (run_dir,) = results.iterdir()
    assert f"kaslite replay results/{run_dir.name}" in err
    (log,) = run_dir.glob("results_*.log")
    assert {path.name for path in run_dir.iterdir()} == {"config.yaml", "events.jsonl", log.name}
    replayed = kaslite_process("replay", str(run_dir), "--json")
    assert json.loads(replayed.stdout)["status"] == "interrupted"
