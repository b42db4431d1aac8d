"""Every query of the dashboard, and every alert, asked of a real Prometheus that has scraped a real run."""

import importlib.util
import json
import math
import re
import time

import pytest
import yaml

from kaslite.telemetry.metrics import METRICS
from tests.servers import MONITORING, asked, free_port, lingering_run, needs, prometheus, samples, until

pytest.importorskip("grafana_foundation_sdk")
pytest.importorskip("prometheus_client")

SCRIPT = MONITORING.parent / "scripts" / "draw_grafana.py"
DASHBOARD = json.loads((MONITORING / "grafana" / "dashboards" / "kaslite.json").read_text())
PANELS = {panel["title"]: panel for panel in DASHBOARD["panels"] if panel["type"] != "row"}
TARGETS = [(title, target) for title, panel in PANELS.items() for target in panel["targets"]]
DOCUMENTED = [
    "Validation Accuracy Trends",
    "Training/Validation Loss",
    "Seed Status Table",
    "Seed Alpha Blending",
    "Interface Drift Monitoring",
    "Germination Events",
    "Performance Stats",
]
LABELS = {metric.name: {"experiment_id", *metric.labels} for metric in METRICS}
# A short run at whose end a seed is in the network, and all of it has been measured; so it stays while the run lingers.
RUN = """
problem_type: spirals
warm_up_epochs: 4
adaptation_epochs: 50
patience: 3
delta: 0.05
progress_thresh: 1
shadow_epochs: 8
blend_steps: 10
evidence: twin
"""
SCRAPING = """
global: {{scrape_interval: 250ms, scrape_timeout: 250ms}}
scrape_configs: [{{job_name: kaslite, static_configs: [{{targets: ["127.0.0.1:{port}"]}}]}}]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("grafana"), free_port()
    (folder / "run.yaml").write_text(RUN)
    with prometheus(folder, SCRAPING.format(port=port)) as url:
        until(lambda: asked(url, "v1/targets")["data"]["activeTargets"])  # so that it sees the run from its beginning
        with lingering_run(folder, port, "--config", "run.yaml"):
            until(lambda: [value for _, value in samples(url, "kaslite_run_running")] == [0.0], 60)
            yield url


def substituted(expression):
    return expression.replace("$experiment_id", ".+").replace("$__rate_interval", "20s")


def test_drawing_it_anew_changes_nothing():
    spec = importlib.util.spec_from_file_location("draw_grafana", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.drawn() == script.DASHBOARD.read_text(encoding="utf-8")


def test_it_has_the_documented_panels():
    assert set(DOCUMENTED) <= PANELS.keys()


def test_the_page_tells_of_every_panel():
    page = (MONITORING.parent / "docs" / "monitoring.md").read_text(encoding="utf-8")
    assert {title for title in PANELS if title not in page} == set()


def test_drift_has_its_two_thresholds():
    steps = PANELS["Interface Drift Monitoring"]["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert [step["value"] for step in steps] == [None, 0.15, 0.25]


@pytest.mark.parametrize("target", [pytest.param(target, id=f"{title}-{target['refId']}") for title, target in TARGETS])
def test_a_query_names_what_there_is(target):
    names = [re.sub("_bucket$", "", name) for name in re.findall(r"kaslite_\w+", target["expr"])]
    assert names
    assert all(name in LABELS for name in names)
    labels = {label for group in re.findall(r"\b(?:by|on) \(([\w, ]+)\)", target["expr"]) for label in group.split(", ")}
    labels |= set(re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", "")))
    assert labels <= LABELS[names[0]] | {"le"}
    assert 'experiment_id=~"$experiment_id"' in target["expr"]


@pytest.mark.slow
@needs("prometheus")
def test_every_query_returns_a_number_of_the_run(server):
    end = time.time()
    empty = []
    for title, target in TARGETS:
        expression = substituted(target["expr"])
        found = asked(server, "v1/query_range", query=expression, start=end - 60, end=end, step="0.25")["data"]["result"]
        if not any(math.isfinite(float(value)) for series in found for _, value in series["values"]):
            empty.append((title, expression))
        if target.get("instant") and not samples(server, expression):
            empty.append((title, expression))
    assert empty == []


@pytest.mark.slow
@needs("prometheus")
def test_every_metric_is_in_some_query_or_alert_and_every_alert_can_be_asked(server):
    rules = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"][0]["rules"]
    for rule in rules:
        asked(server, "v1/query", query=rule["expr"])  # raises if it is refused
    text = " ".join([*(target["expr"] for _, target in TARGETS), *(rule["expr"] for rule in rules)])
    assert {name for name in LABELS if name not in text} == set()


@pytest.mark.slow
@needs("prometheus")
def test_the_variable_lists_the_run(server):
    (variable,) = DASHBOARD["templating"]["list"]
    metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"]).groups()
    assert variable["name"] == label
    (run,) = asked(server, f"v1/label/{label}/values", **{"match[]": metric})["data"]
    assert run.startswith("spirals_")
