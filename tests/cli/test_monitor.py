"""The command in a process of its own, with the real programs."""

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from kaslite.cli.main import call
from tests.servers import ALERTMANAGER, answers, asked, free_port, needs

both = needs("prometheus", ALERTMANAGER)


@contextmanager
def monitoring(folder, *flags):
    """Yield the process of `kaslite monitor` and what it says once both programs answer."""
    ports = {name: free_port() for name in ("prometheus_port", "alertmanager_port", "metrics_port")}
    given = [part for name, port in ports.items() for part in (f"--{name}", str(port))]
    command = [sys.executable, "-m", "kaslite", "monitor", "--json", *given, *flags]
    with subprocess.Popen(command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            said = "".join(iter(process.stdout.readline, "}\n")) + "}"
            yield process, json.loads(said), ports
        finally:
            process.terminate()


def is_free(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def child(process, name):
    """Return the number of the process that it has started under this name."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    (found,) = [int(pid) for pid in children if Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].endswith(name)]
    return found


@pytest.mark.slow
@both
def test_both_watch_the_run_until_ctrl_c(tmp_path):
    with monitoring(tmp_path) as (process, said, ports):
        assert answers(f"{said['alertmanager']}/-/healthy")
        groups = asked(said["prometheus"], "v1/rules")["data"]["groups"]
        assert len(groups[0]["rules"]) == 9
        config = asked(said["prometheus"], "v1/status/config")["data"]["yaml"]
        assert f"127.0.0.1:{ports['metrics_port']}" in config
        assert said["target"].endswith(f":{ports['metrics_port']}/metrics")
        assert Path(said["data_dir"]) == tmp_path / "results" / ".monitor"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert process.stderr.read() == ""
    assert is_free(ports["prometheus_port"])
    assert is_free(ports["alertmanager_port"])


@pytest.mark.slow
@both
def test_when_one_dies_the_other_is_stopped_and_that_is_a_failure(tmp_path):
    with monitoring(tmp_path, "--data_dir", "data") as (process, said, ports):
        assert Path(said["data_dir"]) == tmp_path / "data"
        os.kill(child(process, b"prometheus"), signal.SIGKILL)
        assert process.wait(30) == 1
        assert process.stderr.read().startswith("kaslite: Prometheus has ended by itself: ")
    assert is_free(ports["alertmanager_port"])


def test_a_missing_program_is_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert call(["monitor"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("kaslite: Prometheus is not installed")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("port", ["0", "x"])
def test_a_port_that_is_none_is_wrong_usage(port, tmp_path, monkeypatch, capsys):
    for name in ("prometheus", "alertmanager"):
        (tmp_path / name).touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert call(["monitor", "--prometheus_port", port]) == 2
    assert capsys.readouterr().err.count("\n") == 1
