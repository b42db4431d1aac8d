import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from kaslite.cli import ui
from kaslite.cli.main import call
from tests.event_logs import large_run, small_run, write, write_big


@contextmanager
def page(*arguments, cwd):
    command = [sys.executable, "-m", "kaslite", "ui", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=cwd, text=True, **pipes) as process:
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def runs_at(address):
    with urllib.request.urlopen(f"{address}/api/runs", timeout=30) as answer:  # noqa: S310  our own
        return [row["id"] for row in json.load(answer)["runs"]]


@contextmanager
def following(address):
    """Follow the run; nothing is read but the beginning of the answer."""
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(("127.0.0.1", int(address.rpartition(":")[2])))
        reader.sendall(b"GET /api/follow?run=a_run HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert reader.recv(4096).startswith(b"HTTP/1.1 200 OK")
        yield reader


def test_it_says_where_the_page_is_and_ctrl_c_ends_it(tmp_path):
    write(tmp_path / "somewhere" / "a_run" / "events.jsonl", small_run())
    with page("somewhere", "--port", 0, cwd=tmp_path) as (process, address):
        assert address.startswith("http://127.0.0.1:")
        assert runs_at(address) == ["a_run"]
        with following(address):
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "kaslite: the page is closed.\n")


def test_ctrl_c_ends_it_though_a_page_does_not_take_what_it_is_sent(tmp_path):
    write(tmp_path / "a_run" / "events.jsonl", large_run())
    with page(".", "--port", 0, cwd=tmp_path) as (process, address), following(address) as reader:
        assert b"event: whole" in reader.recv(4096)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "kaslite: the page is closed.\n")


def test_the_results_folder_may_come_after_the_page(tmp_path):
    with page("--port", 0, cwd=tmp_path) as (_, address):
        assert runs_at(address) == []
        write(tmp_path / "results" / "a_run" / "events.jsonl", small_run())
        assert runs_at(address) == ["a_run"]


def test_a_busy_port_is_another_one_if_none_was_asked_for(capsys, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(ui, "PORT", taken.getsockname()[1])
        with ui._listen(None) as listener:
            assert listener.getsockname()[1] != ui.PORT
        assert f"port {ui.PORT} is busy" in capsys.readouterr().err


def test_a_busy_port_that_was_asked_for_is_refused(tmp_path, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert call(["ui", str(tmp_path), "--port", str(port)]) == 2
    assert capsys.readouterr().err == (
        f"kaslite: cannot listen at port {port}: Address already in use; choose another --port, or leave it out.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["no/such/folder"], "there is no folder no/such/folder; give the one that holds the runs."),
        ([__file__], f"there is no folder {__file__}; give the one that holds the runs."),
        (
            ["--port", "70000"],
            "cannot listen at port 70000: it has to be from 0 to 65535; choose another --port, or leave it out.",
        ),
    ],
)
def test_what_cannot_be_served_is_a_sentence(capsys, arguments, complaint):
    assert call(["ui", *arguments]) == 2
    assert capsys.readouterr() == ("", f"kaslite: {complaint}\n")


def test_without_what_it_needs_it_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setattr(ui, "_NEEDS", ("no_such_package",))
    assert call(["ui"]) == 2
    assert "pip install 'kaslite[web]'" in capsys.readouterr().err


def test_only_this_machine_can_reach_it():
    with ui._listen(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is not there")
def test_a_long_run_is_told_quickly_and_in_little_memory(tmp_path):
    write_big(tmp_path / "a_run" / "events.jsonl", epochs=2_000)
    with page(".", "--port", 0, cwd=tmp_path) as (process, address):
        assert runs_at(address) == ["a_run"]
        begun_s = time.perf_counter()
        with urllib.request.urlopen(f"{address}/api/run?run=a_run", timeout=30) as answer:  # noqa: S310  our own
            assert len(json.load(answer)["readings"]) == 64
        assert time.perf_counter() - begun_s < 2
        status = Path(f"/proc/{process.pid}/status").read_text()
    assert int(status.split("VmHWM:")[1].split()[0]) < 150 * 1024
