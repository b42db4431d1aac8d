"""The files of the stack, as the tools that read them judge them."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from kaslite.telemetry.analytics.seed_states import STATE_NUMBERS
from kaslite.telemetry.metrics import METRICS
from tests.servers import MONITORING, needs

ROOT = MONITORING.parent
RULES = {rule["alert"]: rule for rule in yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"][0]["rules"]}
PAGE = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
LABELS = {metric.name: {"experiment_id", *metric.labels} for metric in METRICS}


def run(*command):
    done = subprocess.run(command, cwd=MONITORING, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@needs("promtool")
@pytest.mark.parametrize("arguments", ["check config prometheus.yml", "check rules alerts.yml", "test rules alerts_test.yml"])
def test_promtool_finds_nothing_wrong(arguments):
    run("promtool", *arguments.split())


@needs("amtool")
def test_amtool_finds_nothing_wrong():
    run("amtool", "check-config", "alertmanager.yml")


def test_the_compose_file_has_the_form_that_it_should_have():
    pytest.importorskip("check_jsonschema")
    run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(ROOT / "docker-compose.yml"))


def test_of_every_rule_it_is_tested_when_it_fires_and_when_it_does_not():
    tests = yaml.safe_load((MONITORING / "alerts_test.yml").read_text())["tests"]
    cases = [(case["alertname"], bool(case["exp_alerts"])) for test in tests for case in test["alert_rule_test"]]
    assert set(cases) == {(name, fires) for name in RULES for fires in (True, False)}


def test_the_page_tells_of_every_rule():
    rows = re.findall(r"^\| `(Kaslite\w+)` \| (\w+) \|", PAGE, re.MULTILINE)
    assert rows == [(name, rule["labels"]["severity"]) for name, rule in RULES.items()]


@pytest.mark.parametrize("name", RULES)
def test_a_rule_asks_for_what_there_is_and_says_whom_it_is_about(name):
    rule = RULES[name]
    metrics = re.findall(r"kaslite_\w+", rule["expr"])
    assert metrics
    known = LABELS[metrics[0]]
    assert all(metric in LABELS for metric in metrics)
    assert rule["labels"]["severity"] in {"critical", "warning"}
    said = rule["annotations"]["summary"] + rule["annotations"]["description"]
    named = set(re.findall(r"\$labels\.(\w+)", said))
    assert "experiment_id" in named
    assert named <= known
    assert {"layer", "seed"} & known <= named


def test_the_states_that_rules_read_as_numbers_are_those_that_they_mean():
    read = {name: set(re.findall(r"seed_state == (\d+)", rule["expr"])) for name, rule in RULES.items()}
    assert {name: numbers for name, numbers in read.items() if numbers} == {
        "KasliteSeedDriftCritical": {str(STATE_NUMBERS["fossilized"])},
        "KasliteSeedDriftHigh": {str(STATE_NUMBERS["fossilized"])},
        "KaslitePlateauNear": {str(STATE_NUMBERS["dormant"])},
    }


def test_what_is_muted_are_rules():
    config = yaml.safe_load((MONITORING / "alertmanager.yml").read_text())
    matchers = [matcher for rule in config["inhibit_rules"] for matcher in rule["source_matchers"] + rule["target_matchers"]]
    assert {matcher.removeprefix("alertname = ") for matcher in matchers} <= RULES.keys()


def test_images_are_pinned_and_every_service_of_the_stack_is_watched_and_comes_back():
    assert set(SERVICES) == {"prometheus", "grafana", "alertmanager", "app"}
    for name, service in SERVICES.items():
        if name != "app":
            assert re.fullmatch(r"[\w/]+:v?\d+\.\d+\.\d+", service["image"])
            assert service["restart"] == "unless-stopped"
            assert service["healthcheck"]["test"][0] == "CMD"
            assert "profiles" not in service
    assert SERVICES["app"]["profiles"] == ["app"]
    assert re.search(r"^FROM python:\d+\.\d+\.\d+-slim", (ROOT / "Dockerfile").read_text(), re.MULTILINE)


def test_nothing_of_the_stack_listens_beyond_this_machine():
    for service in SERVICES.values():
        assert service["network_mode"] == "host"  # so there are no published ports: what they listen on is what there is
        assert "ports" not in service
    commands = SERVICES["prometheus"]["command"] + SERVICES["alertmanager"]["command"]
    assert [c for c in commands if "listen-address" in c] == [
        "--web.listen-address=127.0.0.1:9090",
        "--web.listen-address=127.0.0.1:9093",
        "--cluster.listen-address=",
    ]
    assert SERVICES["grafana"]["environment"]["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"


def test_everything_that_is_mounted_is_in_the_repository():
    sources = [volume.split(":")[0] for service in SERVICES.values() for volume in service["volumes"]]
    for source in (source for source in sources if source.startswith("./")):
        assert (ROOT / source).exists()


def test_no_secret_gets_into_git_or_into_the_image():
    ignored = (MONITORING / "secrets" / ".gitignore").read_text().splitlines()
    assert ignored[-2:] == ["*", "!.gitignore"]
    assert "monitoring/secrets/*" in (ROOT / ".dockerignore").read_text().splitlines()


def test_grafana_finds_prometheus_and_the_dashboard_asks_for_it():
    provisioning = MONITORING / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert source["url"] == "http://127.0.0.1:9090"
    dashboard = (MONITORING / "grafana" / "dashboards" / "kaslite.json").read_text()
    assert set(re.findall(r'"uid": "([\w-]+)"', dashboard)) == {source["uid"], "kaslite"}
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "kaslite.yml").read_text())["providers"]
    assert f"./monitoring/grafana/dashboards:{provider['options']['path']}:ro" in SERVICES["grafana"]["volumes"]


def test_the_image_is_not_root_and_takes_torch_first():
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    installs = [line for line in lines if line.startswith("RUN pip install")]
    assert installs[0].endswith(" torch")
    assert all("--constraint constraints.txt" in line for line in installs)
    assert "STOPSIGNAL SIGINT" in lines
    assert lines.index("USER kaslite") < next(i for i, line in enumerate(lines) if line.startswith("ENTRYPOINT"))


def test_a_wheel_holds_what_kaslite_monitor_starts_with():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    names = ("prometheus.yml", "alerts.yml", "alertmanager.yml")
    assert included == {f"monitoring/{name}": f"kaslite/monitoring/{name}" for name in names}
    assert all((ROOT / Path(source)).is_file() for source in included)
