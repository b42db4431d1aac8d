"""What `kaslite run` and its like serve for Prometheus while they go, scraped over HTTP."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from kaslite.cli.main import call
from kaslite.cli.output import Output
from kaslite.cli.tracking import Tracking
from kaslite.errors import UsageError
from kaslite.events import to_line
from kaslite.experiment import run as experiments
from kaslite.experiment.config import resolve
from kaslite.experiment.run import resume, run
from kaslite.experiment.run_directory import RunDirectory
from kaslite.sweeps.following import FollowedRuns
from kaslite.telemetry.metrics import METRICS
from kaslite.telemetry.sinks.prometheus import ExportedRuns
from tests.course import started
from tests.sweeping import TINY, outcome, written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from kaslite.events import Event

parser = pytest.importorskip("prometheus_client.parser")

SETTINGS: Mapping[str, Any] = {
    "n_samples": 120,
    "warm_up_epochs": 2,
    "adaptation_epochs": 14,
    "patience": 3,
    "delta": 1.0,
    "blend_steps": 4,
}
QUICK = [f"--{name}={value}" for name, value in SETTINGS.items()]
TINY_FLAGS = [f"--{name}={value}" for name, value in TINY.items()]
FROM_METRICS_JSON = {
    "validation_loss": "val_loss",
    "validation_accuracy": "val_accuracy",
    "best_accuracy": "best_accuracy",
    "germinations_total": "germinated",
    "fossilizations_total": "fossilized",
    "culls_total": "culled",
    "model_parameters": "final_params",
    "train_flops_total": "train_flops",
    "experiment_duration_seconds": "wall_s",
}


class Scraping:
    """A view that scrapes at the end of each epoch; it may interrupt the run after one."""

    def __init__(self, url: str, stops_after: int | None = None) -> None:
        self.url, self.stops_after = url, stops_after
        self.told: list[dict[str, dict[str, float]]] = []

    def write(self, event: Event) -> None:
        if event.type == "epoch_completed":
            self.told.append(scrape(self.url))
            if event.epoch == self.stops_after:
                raise KeyboardInterrupt

    def close(self) -> None:
        pass


def scrape(url: str) -> dict[str, dict[str, float]]:
    """Return all samples there: by metric, and by the values of their labels without that of the run."""
    told: dict[str, dict[str, float]] = {}
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  our own
        text = answer.read().decode()
    for family in parser.text_string_to_metric_families(text):
        for sample in family.samples:
            labels = " ".join(value for name, value in sorted(sample.labels.items()) if name != "experiment_id")
            told.setdefault(sample.name.removeprefix("kaslite_"), {})[labels] = sample.value
    return told


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in a folder of its own, where metrics are served as they are without being asked for."""
    monkeypatch.delenv("KASLITE_NO_METRICS")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not [thread for thread in threading.enumerate() if thread.name == "kaslite: metrics"]


@pytest.fixture
def port() -> int:
    return free_port()


def carried_out(port: int, folder: Path, **settings: Any) -> tuple[Scraping, dict[str, dict[str, float]], Mapping[str, Any]]:
    """Return what was scraped in the course of a run, after its end, and its metrics.json."""
    with Tracking(metrics_port=port).of_run(lambda name: folder / name, Output(quiet=True)) as sinks:
        scraping = Scraping(f"http://127.0.0.1:{port}/metrics")
        done = run(resolve({**SETTINGS, **settings}), folder, [*sinks, scraping])
        return scraping, scrape(scraping.url), done.metrics


def lacking(told: Mapping[str, Any]) -> set[str]:
    """Return the metrics without a sample."""
    names = {metric.name.removeprefix("kaslite_") for metric in METRICS}
    return {name for name in names if name not in told and f"{name}_count" not in told}


def test_in_the_middle_of_a_run_every_documented_metric_has_a_sample(served: Path, port: int) -> None:
    scraping, _, _ = carried_out(port, served)
    *_, told = scraping.told
    assert told["run_running"] == {"": 1}
    assert lacking(told) == {"seed_twin_gain"}, "which needs a twin"


def test_with_a_twin_its_gain_has_one_too(served: Path, port: int) -> None:
    scraping, _, _ = carried_out(port, served, evidence="twin")
    assert any("seed_twin_gain" in told for told in scraping.told)


def test_seeds_appear_as_they_live_and_vanish_when_they_are_gone(served: Path, port: int) -> None:
    scraping, _, metrics = carried_out(port, served, adaptation_epochs=30, shadow_epochs=1, trial_epochs=2)
    assert metrics["culled"] > 0
    for told in scraping.told:
        assert set(told["seed_state"]) == {f"blocks.{number} 0" for number in range(3)}
        live = {place for place, state in told["seed_state"].items() if state > 0}
        assert set(told.get("seed_alpha", {})) == live
    alphas = [len(told.get("seed_alpha", {})) for told in scraping.told]
    assert any(later < earlier for earlier, later in pairwise(alphas))


def test_after_the_end_the_numbers_are_those_of_metrics_json(served: Path, port: int) -> None:
    _, told, metrics = carried_out(port, served)
    exported = {name: next(iter(told[name].values())) for name in FROM_METRICS_JSON}
    assert exported == {name: metrics[key] for name, key in FROM_METRICS_JSON.items()}
    assert sum(told["epochs_total"].values()) == sum(told["epoch_duration_seconds_count"].values()) == metrics["epochs"]
    assert told["run_running"] == {"": 0}


def test_a_regression_has_no_accuracy(served: Path, port: int) -> None:
    rows = "\n".join(f"{number},{number % 7},{number % 7 / 7}" for number in range(60))
    (served / "mine.csv").write_text(f"a,b,price\n{rows}\n")
    chosen = {"data": "mine.csv", "target": "price", "warm_up_epochs": 1, "adaptation_epochs": 1}
    with Tracking(metrics_port=port).of_run(lambda name: served / name, Output(quiet=True)) as sinks:
        run(resolve(chosen), served, sinks)
        told = scrape(f"http://127.0.0.1:{port}/metrics")
    assert {"validation_accuracy", "best_accuracy"} <= lacking(told)
    assert "validation_loss" in told


def test_a_resumed_run_counts_on(served: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiments, "CHECKPOINT_SHARE", 0.99)
    url = f"http://127.0.0.1:{port}/metrics"
    with Tracking(metrics_port=port).of_run(lambda name: served / name, Output(quiet=True)) as sinks:
        with pytest.raises(KeyboardInterrupt):
            run(resolve(SETTINGS), served, [*sinks, Scraping(url, stops_after=10)], name="it")
        assert scrape(url)["run_running"] == {"": 0}
    scraping = Scraping(url)
    with Tracking(metrics_port=port).of_run(lambda name: served / name, Output(quiet=True)) as sinks:
        metrics = resume(RunDirectory(served / "it"), [*sinks, scraping]).metrics
        told = scrape(url)
    assert scraping.told[0]["run_running"] == {"": 1}
    assert scraping.told[0]["phase_transitions_total"] == {"phase_1": 1, "phase_2": 1}
    assert told["epochs_total"] == {"phase_1": 2, "phase_2": 14}
    assert told["epoch_duration_seconds_count"] == told["epochs_total"]
    exported = {name: next(iter(told[name].values())) for name in FROM_METRICS_JSON}
    assert exported == {name: metrics[key] for name, key in FROM_METRICS_JSON.items()}


@pytest.mark.usefixtures("served")
def test_a_run_says_where_its_metrics_are(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["run", *TINY_FLAGS, "--metrics_port", str(port), "--json"]) == 0
    out, err = capsys.readouterr()
    assert err.count(f"metrics        http://127.0.0.1:{port}/metrics\n") == 1
    assert json.loads(out)["epochs"] == 3
    assert call(["rerun", json.loads(out)["run_dir"], "--metrics_port", str(port), "-q", "--json"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("off", ["--no_metrics", "KASLITE_NO_METRICS"])
def test_nothing_is_served_where_it_is_turned_off(
    served: Path, off: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not off.startswith("--"):
        monkeypatch.setenv(off, "true")
    assert call(["run", *TINY_FLAGS, *([off] if off.startswith("--") else [])]) == 0
    assert "127.0.0.1" not in capsys.readouterr().err
    assert list((served / "results").iterdir())


@pytest.mark.parametrize("command", [["run", *TINY_FLAGS], ["sweep", "sweep.yaml", *TINY_FLAGS]])
def test_a_busy_port_that_was_asked_for_is_told_before_anything_is_made(
    served: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    written(served, "lr: [0.003, 0.01]\n")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert call([*command, "--metrics_port", str(taken.getsockname()[1])]) == 2
    assert "Address already in use; give another --metrics_port" in capsys.readouterr().err
    assert not list(served.rglob("results/**/*.*"))


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--metrics_port", "65536"], "Must be <= 65535."),
        (["--metrics_port", "-1"], "Must be >= 0."),
        (["--metrics_port", "http"], "unable to convert"),
        (["--linger", "-1"], "Must be >= 0."),
        (["--linger", "nan"], "Must be < 1000000000"),
        (["--linger", "1", "--no_metrics"], "leave one out"),
        (["--metrics_port", "0", "--no_metrics"], "leave one out"),
        (["-s", "sweep.yaml", "--linger", "1"], "--linger is for a single run"),
        (["-s", "sweep.yaml", "--workers", "0", "--metrics_port", "0"], "leave out --metrics_port"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    served: Path, flags: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    written(served, "lr: [0.003, 0.01]\n")
    assert call(["run", *TINY_FLAGS, *flags]) == 2
    assert complaint in capsys.readouterr().err
    assert not (served / "results").exists()


def test_without_the_client_metrics_are_left_out_unless_they_are_asked_for(
    served: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("kaslite.cli.tracking.find_spec", lambda _: None)
    assert call(["run", *TINY_FLAGS]) == 0
    assert "127.0.0.1" not in capsys.readouterr().err
    for flags in (["--metrics_port", "0"], ["--linger", "1"]):
        assert call(["run", *TINY_FLAGS, *flags]) == 2
        assert "pip install kaslite[tracking]" in capsys.readouterr().err
    assert len(list((served / "results").iterdir())) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, UsageError])
def test_a_run_that_does_not_end_well_does_not_linger(served: Path, error: type[BaseException]) -> None:
    begun_s = time.monotonic()
    with (
        pytest.raises(error),
        Tracking(metrics_port=0, linger=600).of_run(lambda name: served / name, Output(quiet=True)),
    ):
        raise error
    assert time.monotonic() - begun_s < 60


@pytest.mark.slow
def test_a_run_that_lingers_can_be_scraped_after_its_result_until_ctrl_c(served: Path, port: int) -> None:
    flags = ["--json", "--linger", "600", "--metrics_port", str(port)]
    with subprocess.Popen(
        [sys.executable, "-m", "kaslite", "run", *QUICK, *flags],
        cwd=served,
        env=os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        printed = ""
        for line in process.stdout:
            printed += line
            if line == "}\n":
                break
        told, metrics = scrape(f"http://127.0.0.1:{port}/metrics"), json.loads(printed)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, "which is no failure"
        assert process.stdout.read() == ""
    exported = {name: next(iter(told[name].values())) for name in FROM_METRICS_JSON}
    assert exported == {name: metrics[key] for name, key in FROM_METRICS_JSON.items()}
    assert (
        json.loads(next(served.glob("results/*/metrics.json")).read_text())["wall_s"] == exported["experiment_duration_seconds"]
    )


@pytest.mark.slow
def test_a_sweep_tells_of_the_runs_that_go(served: Path, port: int) -> None:
    written(served, "lr: [0.003]\n")
    command = [sys.executable, "-m", "kaslite", "sweep", "sweep.yaml", "--workers", "1", "--metrics_port", str(port)]
    endless = ["--adaptation_epochs", "100000", "--stop_when_solved=false"]
    with subprocess.Popen([*command, *endless], cwd=served, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as sweep:
        told: dict[str, dict[str, float]] = {}
        deadline_s = time.monotonic() + 60
        while "validation_loss" not in told:
            assert sweep.poll() is None
            assert time.monotonic() < deadline_s
            time.sleep(0.1)
            with suppress(OSError):
                told = scrape(f"http://127.0.0.1:{port}/metrics")
        sweep.send_signal(signal.SIGINT)
        assert sweep.wait(60) == 130
    assert told["run_running"] == {"": 1}
    assert len(told["seed_state"]) == 3


def test_of_a_sweep_a_run_is_there_while_it_goes(tmp_path: Path) -> None:
    (one, two), runs = (outcome(number) for number in (1, 2)), ExportedRuns()
    following = FollowedRuns(tmp_path, runs.begin)
    for run_of_it in (one, two):
        (tmp_path / run_of_it.planned.name).mkdir()
        begun = replace(started(name=run_of_it.planned.name), sequence=1)
        (tmp_path / run_of_it.planned.name / "events.jsonl").write_text(to_line(begun) + "\n")
        following.write(run_of_it.planned)
    following.flush()
    (running,) = [family for family in runs.collect() if family.name == "kaslite_run_running"]
    assert [sample.labels["experiment_id"] for sample in running.samples] == [one.planned.name, two.planned.name]
    following.write(one)
    (running,) = [family for family in runs.collect() if family.name == "kaslite_run_running"]
    assert [sample.labels["experiment_id"] for sample in running.samples] == [two.planned.name]
