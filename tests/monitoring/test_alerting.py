"""From a seed that drifts to a message and back: endpoint, Prometheus, Alertmanager and receiver, all real."""

import dataclasses
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from kaslite.telemetry.metrics_endpoint import MetricsEndpoint
from kaslite.telemetry.sinks.prometheus import PrometheusSink
from tests.course import epoch, started
from tests.servers import ALERTMANAGER, MONITORING, answers, asked, free_port, needs, prometheus, running, until

pytest.importorskip("prometheus_client")

SEED = {"experiment_id": "spirals <!here>", "layer": "blocks.1", "seed": "0"}


@contextmanager
def receiver():
    """Yield the address of a server, and a list of what is posted to it: paths and contents."""
    posted = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            posted.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", posted
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def alertmanager(folder, messages):
    """Start one with the real configuration, but without patience, and with a webhook beside Slack."""
    config, port = yaml.safe_load((MONITORING / "alertmanager.yml").read_text()), free_port()
    config["route"] |= {"group_wait": "500ms", "group_interval": "500ms"}
    config["receivers"][0]["webhook_configs"] = [{"url": f"{messages}/webhook", "send_resolved": True}]
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
    (folder / "secrets").mkdir()
    (folder / "secrets" / "slack_webhook").write_text(f"{messages}/slack\n")
    with running(
        ALERTMANAGER,
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        cwd=folder,
        log=folder / "alertmanager.log",
        ready=lambda: answers(f"http://127.0.0.1:{port}/-/ready"),
    ):
        yield port


@contextmanager
def monitored(folder, scraped, alertmanager_port):
    """Start Prometheus with the real configuration and the real alerts, looking four times a second."""
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    config["global"] = dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), "250ms")
    config["rule_files"] = [str(MONITORING / "alerts.yml")]
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [scraped]
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{alertmanager_port}"]
    with prometheus(folder, yaml.safe_dump(config)) as url:
        yield url


def drifting(number, drift):
    it = epoch(number, alpha=0.5)
    return dataclasses.replace(it, seeds=(dataclasses.replace(it.seeds[0], drift=drift),))


def told(posted, path, status):
    return [content for where, content in posted if where == path and content.get("status", status) == status]


@pytest.mark.slow
@needs("prometheus", ALERTMANAGER)
def test_a_drifting_seed_is_told_of_and_told_of_again_when_it_is_over(tmp_path):
    sink = PrometheusSink()
    sink.write(started(name=SEED["experiment_id"]))
    endpoint = MetricsEndpoint(sink, 0)
    scraped = endpoint.url.removeprefix("http://").removesuffix("/metrics")
    try:
        with (
            receiver() as (messages, posted),
            alertmanager(tmp_path, messages) as port,
            monitored(tmp_path, scraped, port) as url,
        ):
            sink.write(drifting(1, 0.3))
            (alert,) = until(lambda: told(posted, "/webhook", "firing"))[0]["alerts"]
            assert alert["labels"].items() >= {"alertname": "KasliteSeedDriftCritical", "severity": "critical", **SEED}.items()
            assert alert["annotations"]["summary"] == "spirals <!here>: seed blocks.1:0 drifts by 30%"

            # In Slack it mentions nobody. The warning of the same seed is not said beside it.
            (slack,) = until(lambda: told(posted, "/slack", "firing"))[0]["attachments"]
            assert "seed blocks.1:0 drifts by 30%" in slack["text"]
            assert "<" not in slack["text"]
            assert slack["color"] == "danger"
            until(lambda: state_of("KasliteSeedDriftHigh", port) == "suppressed")

            sink.write(drifting(2, 0.02))
            (over,) = until(lambda: told(posted, "/webhook", "resolved"))[0]["alerts"]
            assert over["labels"] == alert["labels"]
            until(lambda: not asked(url, "v1/alerts")["data"]["alerts"])
    finally:
        endpoint.close()


def state_of(name, port):
    found = asked(f"http://127.0.0.1:{port}", "v2/alerts", filter=f"alertname={name}")
    return found[0]["status"]["state"] if found else None
