"""Read back by Prometheus' own reader, and looked through by its own linter."""

import shutil
import subprocess
from dataclasses import replace

import pytest

from kaslite.events import RunResumed
from kaslite.telemetry.metrics import METRICS
from kaslite.telemetry.sinks.prometheus import ExportedRuns, PrometheusSink
from tests.course import NAME, course, epoch, measured, moved, started

pytest.importorskip("prometheus_client")

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

HOSTILE = [
    'a "quoted" name',
    "two\nlines",
    "a\\backslash\\n",
    "<script>alert(1)</script>",
    '"} 1\nkaslite_epochs_total{x="',
    "tab\tand\rreturn",
    "ß 漢 🌱",
]


def exposed(collector):
    registry = CollectorRegistry()
    registry.register(collector)
    return generate_latest(registry).decode()


def samples(text):
    """Return the numbers of an exposition by name and labels."""
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    told = {(sample.name, frozenset(sample.labels.items())): sample.value for sample in found}
    assert len(told) == len(found), "no series is there twice"
    return told


def value(collector, name, run=NAME, **labels):
    return samples(exposed(collector)).get((f"kaslite_{name}", frozenset({"experiment_id": run, **labels}.items())))


def written(events):
    sink = PrometheusSink()
    for event in events:
        sink.write(event)
    return sink


def test_it_follows_the_run():
    sink = written(course()[:3])
    assert value(sink, "training_loss", phase="phase_1") == 1.0
    assert value(sink, "run_running") == 1
    for event in course()[3:]:
        sink.write(event)
    assert value(sink, "training_loss", phase="phase_1") is None
    assert value(sink, "training_loss", phase="phase_2") == 0.25
    assert value(sink, "seed_alpha", layer="blocks.1", seed="0") == 0.5
    assert value(sink, "blends_open", strategy="FIXED_RAMP") == 1
    assert value(sink, "run_running") == 0


def test_before_the_run_begins_every_metric_is_described_and_none_has_a_sample():
    text = exposed(PrometheusSink())
    assert samples(text) == {}
    assert [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")] == [metric.name for metric in METRICS]


def test_a_seed_that_is_gone_vanishes_but_for_its_state():
    sink = written([*course()[:-1], moved(4, "blending", "culled"), moved(4, "culled", "embargoed")])
    assert value(sink, "seed_alpha", layer="blocks.1", seed="0") is None
    assert value(sink, "seed_state", layer="blocks.1", seed="0") == -2


def test_what_was_recalled_counts():
    sink = PrometheusSink()
    sink.recall(course()[:4])
    for event in [RunResumed(epoch=2, last_sequence=4, timestamp=1002.0), *course()[4:]]:
        sink.write(event)
    assert value(sink, "epochs_total", phase="phase_1") == 2
    assert samples(exposed(sink)) == samples(exposed(written(course())))


def test_however_long_nobody_asks_nothing_is_lost_and_little_is_kept():
    sink = written([started(), *(epoch(number, phase="phase_1") for number in range(1, 1001))])
    assert len(sink._new) < 100
    assert value(sink, "epochs_total", phase="phase_1") == 1000
    assert not sink._new


def test_it_stays_there_when_it_is_closed():
    sink = written(course())
    sink.flush()
    sink.close()
    assert value(sink, "epochs_total", phase="phase_2") == 2


def test_of_several_runs_those_that_go_are_told():
    runs = ExportedRuns()
    for name in ("one", "two"):
        sink = runs.begin(name)
        sink.write(replace(started(), run_name=name))
        sink.write(epoch(1))
    assert [value(runs, "epochs_total", run=name, phase="phase_1") for name in ("one", "two")] == [1, 1]
    sink.close()
    assert [value(runs, "epochs_total", run=name, phase="phase_1") for name in ("one", "two")] == [1, None]


def test_a_run_that_begins_anew_is_not_there_twice():
    runs = ExportedRuns()
    for _ in range(2):
        runs.begin(NAME).write(started())
    assert value(runs, "run_running") == 1


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_of_a_log_come_back_as_they_were_and_add_no_line(text):
    begun = replace(started(name=text), seeds=((text, 0),))
    told = exposed(written([begun, epoch(1)]))
    assert value(written([begun]), "seed_state", run=text, layer=text, seed="0") == 0
    assert len(told.splitlines()) >= len(samples(told))
    assert {dict(labels)["experiment_id"] for _, labels in samples(told)} == {text}


def test_a_text_that_utf_8_cannot_hold_does_not_spoil_the_scrape():
    assert value(written([started(name="a\ud800b")]), "run_running", run="a?b") == 1


def test_open_metrics_can_be_asked_for_too():
    registry = CollectorRegistry()
    registry.register(written(course()))
    text = openmetrics.generate_latest(registry).decode()
    names = {family.name for family in openmetrics_parser.text_string_to_metric_families(text)}
    assert {"kaslite_epochs", "kaslite_epoch_duration_seconds", "kaslite_seed_alpha"} <= names


def test_nothing_is_said_of_when_a_counter_was_made():
    assert "_created" not in exposed(written(course()))


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_names_and_help_pass_the_linter():
    linter = ["promtool", "check", "metrics"]
    told = exposed(written([*course()[:-2], *measured()]))
    done = subprocess.run(linter, input=told, capture_output=True, text=True, check=False)
    # Its name is documented, and stays.
    documented = ["kaslite_kasmina_plateau_counter metric name should not include type 'counter'"]
    assert [line for line in (done.stdout + done.stderr).splitlines() if line not in documented] == []
