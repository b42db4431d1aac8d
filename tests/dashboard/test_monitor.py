import os
import re
import signal
import socket
import sys
import threading
import time
from contextlib import suppress

import pytest

from kaslite.dashboard import monitor as module
from kaslite.dashboard.monitor import Ports, monitor, monitoring_folder
from kaslite.errors import KasliteError, StillGoingError, StorageError, UsageError
from kaslite.telemetry.file_lock import lock
from tests.servers import ALERTMANAGER, MONITORING, free_port, needs


def free():
    return Ports(free_port(), free_port(), free_port())


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Return the only folder on the PATH, with programs that say what they were started with, and end."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("prometheus", "alertmanager"):
        (folder / name).write_text('#!/bin/sh\necho "$0 $@"\n')
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.mark.parametrize(
    ("ports", "complaint"),
    [
        (Ports(prometheus=0), "prometheus_port is 0; it has to be from 1 to 65535."),
        (Ports(metrics=65536), "metrics_port is 65536; it has to be from 1 to 65535."),
        (Ports(9090, 9090), "a port is given twice: prometheus_port 9090, alertmanager_port 9090, metrics_port 8000."),
    ],
)
def test_ports_that_cannot_be_are_refused(ports, complaint):
    with pytest.raises(UsageError, match=re.escape(complaint)):
        ports.check()


def test_a_port_in_use_is_told_with_the_flag_that_gives_another():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} cannot be used: .*; give --alertmanager_port another"):
            Ports(free_port(), port, free_port()).check()


def test_the_port_of_the_run_may_be_in_use_for_that_is_what_it_is_for():
    with socket.create_server(("127.0.0.1", 0)) as server:
        Ports(free_port(), free_port(), server.getsockname()[1]).check()


def test_the_configuration_is_that_of_the_repository():
    assert monitoring_folder() == MONITORING


def test_an_installed_package_has_it_inside(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "kaslite"
    monkeypatch.setattr(module, "__file__", str(package / "dashboard" / "monitor.py"))
    with pytest.raises(StorageError, match="install kaslite again"):
        monitoring_folder()
    (package / "monitoring").mkdir(parents=True)
    (package / "monitoring" / "prometheus.yml").touch()
    assert monitoring_folder() == package / "monitoring"


@pytest.mark.parametrize("name", ["prometheus", "alertmanager"])
def test_a_missing_program_is_told_with_how_to_install_it(programs, tmp_path, name):
    (programs / name).unlink()
    with pytest.raises(KasliteError, match=f"{name.title()} is not installed .*apt-get install prometheus prometheus-alertman"):
        monitor(tmp_path / "data", free())
    assert not (tmp_path / "data").exists()


def test_debians_name_of_alertmanager_will_do(programs, tmp_path):
    (programs / "alertmanager").rename(programs / "prometheus-alertmanager")
    with pytest.raises(KasliteError, match="has ended by itself"):
        monitor(tmp_path / "data", free())


@pytest.mark.usefixtures("programs")
def test_they_are_told_their_ports_and_the_run_its_own(tmp_path):
    ports, data = free(), tmp_path / "data"
    with pytest.raises(KasliteError):
        monitor(data, ports)
    config = (data / "prometheus.yml").read_text()
    assert set(re.findall(r'"127\.0\.0\.1:(\d+)"', config)) == {str(ports.metrics), str(ports.alertmanager)}
    assert (data / "alerts.yml").read_text() == (MONITORING / "alerts.yml").read_text()


def test_one_that_ends_is_told_with_what_it_said_last(programs, tmp_path):
    for name in ("prometheus", "alertmanager"):
        (programs / name).write_text("#!/bin/sh\necho first\necho 'it is\033[31m broken'\n")
    with pytest.raises(KasliteError, match=r"has ended by itself: it is\[31m broken\. Its log is .*\.log"):
        monitor(tmp_path / "data", free())


@pytest.mark.usefixtures("programs")
def test_a_configuration_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match="is no file; give --alertmanager_config"):
        monitor(tmp_path / "data", free(), tmp_path / "missing.yml")


@pytest.mark.usefixtures("programs")
def test_a_folder_that_cannot_be_written_to_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"cannot write to .*file/data"):
        monitor(tmp_path / "file" / "data", free())


@pytest.mark.usefixtures("programs")
def test_a_folder_that_another_monitor_has_is_refused(tmp_path):
    (tmp_path / "data").mkdir()
    with (tmp_path / "data" / ".lock").open("w") as file:
        lock(file, "")
        with pytest.raises(StillGoingError, match=r"another kaslite monitor keeps its data in .*; stop it, or give another"):
            monitor(tmp_path / "data", free())
    assert [entry.name for entry in (tmp_path / "data").iterdir()] == [".lock"]


STUBBORN = """#!{python}
import re, signal, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Ready(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

signal.signal(signal.SIGTERM, signal.SIG_IGN)
port = re.search(r"web.listen-address=127.0.0.1:(\\d+)", " ".join(sys.argv))[1]
HTTPServer(("127.0.0.1", int(port)), Ready).serve_forever()
"""


def test_a_second_ctrl_c_does_not_wait_for_programs_that_do_not_end(programs, tmp_path):
    for name in ("prometheus", "alertmanager"):
        (programs / name).write_text(STUBBORN.format(python=sys.executable))
    ports = free()

    def press_until_both_are_gone():
        with suppress(OSError):
            while True:
                socket.create_connection(("127.0.0.1", ports.alertmanager)).close()  # which is stopped last
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.5)

    monitor(tmp_path / "data", ports, ready=lambda _: threading.Thread(target=press_until_both_are_gone, daemon=True).start())
    ports.check()  # both are free again


def test_what_ends_it_like_ctrl_c_is_given_back_and_nohup_is_heeded():
    ends = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP]
    before = [signal.getsignal(end) for end in ends]
    with module._any_end_is_ctrl_c():
        assert [signal.getsignal(end) for end in ends] == [signal.default_int_handler] * 4
    assert [signal.getsignal(end) for end in ends] == before
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with module._any_end_is_ctrl_c():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before[-1])


@pytest.mark.slow
@needs("prometheus", ALERTMANAGER)
def test_a_configuration_that_alertmanager_cannot_read_stops_prometheus_too(tmp_path):
    (tmp_path / "bad.yml").write_text("route: {receiver: nobody}")
    ports = free()
    with pytest.raises(KasliteError, match=r"Alertmanager has ended by itself: .*nobody"):
        monitor(tmp_path / "data", ports, tmp_path / "bad.yml")
    ports.check()  # both are free again
