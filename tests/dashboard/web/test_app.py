import gc
import http.client
import json
import os
import shutil
import socket
import sys
import threading
import time
from subprocess import Popen

import pytest

from kaslite.dashboard.web.files import plotly_file
from kaslite.dashboard.web.following import FollowedRun
from kaslite.events import RunResumed, to_line
from kaslite.telemetry import JsonlLog, Numbered
from tests.event_logs import epoch, large_run, lines, reading, small_run, write
from tests.live_page import served

LONG_S = 30


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"


@pytest.fixture
def page(results):
    with served(results) as address:
        yield address


def log_of(results, run="a_run"):
    return results / run / "events.jsonl"


@pytest.mark.parametrize("path", ["/", "/run?run=a_run", "/compare?run=a&run=b", "/sweep?sweep=sweeps/1"])
def test_the_pages_are_there(page, path):
    status, headers, body = page.get(path)
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert body.startswith(b"<!doctype html>")


def test_a_browser_may_load_nothing_from_elsewhere_and_run_nothing_that_stands_in_a_page(page):
    for path in ("/", "/static/page.css", "/api/runs", "/nowhere"):
        _, headers, _ = page.get(path)
        policy = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == "'self'"
        assert "script-src" not in policy
        assert policy["frame-ancestors"] == "'none'"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in headers


def test_plotly_comes_from_its_package_and_is_kept_by_the_browser(page):
    status, headers, body = page.get("/static/plotly.min.js")
    assert (status, body) == (200, plotly_file().read_bytes())
    assert "max-age" in headers["Cache-Control"]
    assert headers["Content-Type"].startswith("text/javascript")


def test_a_static_file_that_the_browser_has_is_not_sent_again(page):
    _, headers, _ = page.get("/static/page.css")
    assert headers["Cache-Control"] == "no-cache"
    assert page.get("/static/page.css", **{"If-None-Match": headers["ETag"]})[0] == 304


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2f..%2fstory.py",
        "/static//etc/passwd",
        "/api/run?run=../elsewhere",
        "/api/run?run=%2e%2e%2felsewhere",
        "/api/run?run=/etc",
        "/api/run?run=out",
        "/api/run?run=a%00b",
        "/api/follow?run=nope",
        "/api/follow?run=../elsewhere",
    ],
)
def test_nothing_outside_is_to_be_had(page, results, path):
    write(log_of(results), small_run())
    write(log_of(results.parent, "elsewhere"), small_run("secret"))
    (results / "out").symlink_to(results.parent / "elsewhere")
    status, headers, body = page.get(path)
    assert (status, headers["Content-Type"]) == (404, "text/plain; charset=utf-8")
    assert body.startswith(b"there is no ")
    assert body.count(b".\n") == 0
    assert b"secret" not in body


@pytest.mark.parametrize(("path", "count"), [("/api/run", 0), ("/api/follow", 0), ("/api/run?run=a&run=b", 2)])
def test_a_request_that_does_not_say_which_run_is_a_sentence(page, path, count):
    status, _, body = page.get(path)
    assert (status, body.decode()) == (400, f"{count} runs are given; say which one: ?run=ID.")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_it_only_reads(page, method):
    for path in ("/", "/api/runs", "/static/page.css"):
        status, _, body = page.get(path, method)
        assert (status, body) == (405, b"this server only reads: use GET.")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.1", ""])
def test_another_name_than_that_of_the_loopback_is_refused(page, host):
    for path in ("/", "/api/runs", "/static/page.css"):
        assert page.get(path, Host=host)[0] == 400


def test_the_loopback_has_two_names(page):
    for host in ("localhost", "127.0.0.1"):
        assert page.get("/api/runs", Host=f"{host}:{page.port}")[0] == 200


def test_the_runs_are_told_as_json(page, results):
    assert page.json("/api/runs") == {"results": "results", "runs": [], "unreadable": []}
    write(log_of(results, "sweeps/1/run_1"), small_run("<script>alert(1)</script>"))
    write(log_of(results), small_run())
    assert {row["id"] for row in page.json("/api/runs")["runs"]} == {"a_run", "sweeps/1/run_1"}
    (row,) = page.json("/api/runs?group=sweeps/1")["runs"]
    assert (row["name"], row["config"]["hidden_dim"]) == ("<script>alert(1)</script>", 64)
    assert page.json("/api/runs?group=../..")["runs"] == []


def test_a_run_is_told_whole(page, results):
    write(log_of(results), small_run(epochs=4))
    story = page.json("/api/run?run=a_run")
    assert (story["run"]["name"], story["curves"]["epoch"]) == ("a run", [1, 2, 3, 4])


def test_a_folder_that_was_copied_from_another_machine_is_told_like_any(page, results):
    write(log_of(results), small_run(metrics={"best_accuracy": 0.5}))
    shutil.copytree(results, results / "copied" / "from_there")
    here, there = (page.json(f"/api/run?run={run}") for run in ("a_run", "copied/from_there/a_run"))
    assert here == there
    assert here["totals"] == {"best_accuracy": 0.5}


def test_a_page_follows_a_run_that_another_thread_writes(page, results):
    log_of(results).parent.mkdir(parents=True)
    log = Numbered(JsonlLog(log_of(results)))
    begin, *epochs = small_run(epochs=20)
    log.write(begin)
    with page.follow("a_run") as told:
        kind, story = next(told)
        assert (kind, story["run"]["name"], story["run"]["status"]) == ("whole", "a run", "running")
        writing = threading.Thread(target=lambda: [log.write(event) for event in epochs])
        writing.start()
        seen = []
        while len(seen) < 20:
            kind, more = next(told)
            assert kind == "more"
            seen += more["append"]["curves"]["epoch"]
        writing.join()
        assert seen == list(range(1, 21))
        assert more["totals"]["epochs"] == 20
        log.close()
        os.utime(log_of(results), (0, 0))
        assert next(told)[1]["run"]["status"] == "interrupted"


WRITER = """
import sys, time
from pathlib import Path
from kaslite.telemetry import JsonlLog, Numbered
from tests.event_logs import small_run
log = Numbered(JsonlLog(Path(sys.argv[1])))
for event in small_run(epochs=8):
    log.write(event)
    sys.stdin.readline()
"""


def test_a_page_follows_a_run_of_another_process_which_is_killed(page, results):
    log_of(results).parent.mkdir(parents=True)
    with Popen([sys.executable, "-c", WRITER, log_of(results)], stdin=-1, cwd=os.getcwd(), text=True) as process:  # noqa: PTH109
        deadline = time.monotonic() + LONG_S
        while not log_of(results).exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        with page.follow("a_run") as told:
            epochs = 0
            assert next(told)[0] == "whole"
            while epochs < 3:
                process.stdin.write("\n")
                process.stdin.flush()
                kind, more = next(told)
                assert kind == "more"
                epochs += len(more["append"]["curves"]["epoch"])
            process.kill()
            process.wait()
            os.utime(log_of(results), (0, 0))
            assert next(told)[1]["run"]["status"] == "interrupted"


def test_a_run_that_is_resumed_is_told_whole_again(page, results):
    log = write(log_of(results), small_run(epochs=4))
    with page.follow("a_run") as told:
        assert next(told)[1]["curves"]["epoch"] == [1, 2, 3, 4]
        with log.open("ab") as file:
            file.write(to_line(RunResumed(epoch=2, sequence=4, last_sequence=4)).encode() + b"\n")
        kind, story = next(told)
        assert (kind, story["curves"]["epoch"]) == ("whole", [1, 2])
        with log.open("ab") as file:
            file.writelines(lines([epoch(3)], start=5))
        kind, more = next(told)
        assert (kind, more["append"]["curves"]["epoch"]) == ("more", [3])


def test_a_damaged_line_is_told_and_the_server_lives(page, results):
    log = write(log_of(results), small_run(epochs=2))
    with page.follow("a_run") as told:
        next(told)
        with log.open("ab") as file:
            file.write(b"junk\n")
        assert "is not an event" in next(told)[1]["run"]["trouble"]
    assert page.json("/api/runs")["unreadable"][0]["id"] == "a_run"


def test_a_reader_that_never_reads_keeps_nobody_waiting(page, results):
    log = write(log_of(results), large_run(epochs=3))
    dead = []
    for _ in range(5):
        reader = socket.socket()
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(("127.0.0.1", page.port))
        reader.sendall(b"GET /api/follow?run=a_run HTTP/1.1\r\nHost: localhost\r\n\r\n")
        dead.append(reader)
    with page.follow("a_run") as told:
        assert next(told)[0] == "whole"
        for number in range(4, 8):
            begun = time.monotonic()
            with log.open("ab") as file:
                file.writelines(lines([epoch(number, [reading()])], start=2 + number))
            assert next(told)[1]["append"]["curves"]["epoch"] == [number]
            assert time.monotonic() - begun < 2
    for reader in dead:
        reader.close()


def test_a_reader_that_goes_away_is_noticed_and_its_run_forgotten(results):
    write(log_of(results), small_run())
    with served(results) as page:
        for _ in range(20):
            with page.follow("a_run") as told:
                next(told)
        assert page.get("/api/runs")[0] == 200
        deadline = time.monotonic() + LONG_S
        while followers(results) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert followers(results) == 0


def followers(results):
    """How often the run of that folder is kept in this process."""
    return sum(type(thing) is FollowedRun and thing._log == log_of(results) for thing in gc.get_objects())


def test_a_server_that_ends_ends_its_streams(results):
    write(log_of(results), small_run())
    with served(results) as page:
        connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=LONG_S)
        connection.request("GET", "/api/follow?run=a_run")
        answer = connection.getresponse()
        assert answer.readline() == b"event: whole\n"
        begun = time.monotonic()
    assert time.monotonic() - begun < 2
    assert json.loads(answer.read().split(b"data: ")[1])["run"]["name"] == "a run"
    connection.close()
