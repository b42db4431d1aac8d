"""Real Prometheus, Alertmanager and runs for tests: on free ports, stopped afterwards."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

MONITORING = Path(__file__).parents[1] / "monitoring"
ALERTMANAGER = "prometheus-alertmanager" if shutil.which("prometheus-alertmanager") else "alertmanager"


def needs(*programs):
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} is not installed")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(found, patience_s=30.0):
    """Ask until the answer is true, and return it."""
    deadline = time.monotonic() + patience_s
    while not (answer := found()):
        assert time.monotonic() < deadline, f"not within {patience_s:g} s"
        time.sleep(0.05)
    return answer


def answers(url):
    """Return whether the server is there and well."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  our own
            return answer.status == 200
    except OSError:
        return False


@contextmanager
def running(*command, log, ready=None, **options):
    """Start a program, wait until it is ready, and stop it."""
    with log.open("wb") as out:
        process = subprocess.Popen([str(part) for part in command], stdout=out, stderr=out, **options)
    try:
        if ready is not None:
            until(lambda: ready() or process.poll() is not None)
            assert process.poll() is None, log.read_text()
        yield process
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def prometheus(folder, config):
    """Yield the address of a Prometheus with this configuration (YAML)."""
    port = free_port()
    (folder / "prometheus.yml").write_text(config)
    with running(
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
        log=folder / "prometheus.log",
        ready=lambda: answers(f"http://127.0.0.1:{port}/-/ready"),
    ):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def lingering_run(folder, port, *flags):
    """Start `kaslite run`, which serves its metrics at the port until it is stopped."""
    command = (sys.executable, "-m", "kaslite", "run", "--metrics_port", port, "--linger", 300, *flags)
    env = {name: value for name, value in os.environ.items() if name != "KASLITE_NO_METRICS"}  # see conftest.py
    with running(*command, log=folder / "run.log", cwd=folder, env=env) as process:
        yield process


def asked(url, what, **parameters):
    """Return what Prometheus or Alertmanager answers."""
    query = urllib.parse.urlencode(parameters, doseq=True)
    with urllib.request.urlopen(f"{url}/api/{what}?{query}", timeout=10) as answer:  # noqa: S310  our own
        return json.load(answer)


def samples(url, expression):
    """Return labels and present value of each series of an expression."""
    series = asked(url, "v1/query", query=expression)["data"]["result"]
    return [(one["metric"], float(one["value"][1])) for one in series]
