"""Asked over real sockets."""

import logging
import socket
import time
import urllib.error
import urllib.request
from contextlib import closing, contextmanager
from dataclasses import replace
from threading import active_count

import pytest

from kaslite.errors import UsageError
from kaslite.telemetry import metrics_endpoint
from kaslite.telemetry.metrics_endpoint import PORT, MetricsEndpoint
from kaslite.telemetry.sinks.prometheus import PrometheusSink
from tests.course import course, epoch, started

pytest.importorskip("prometheus_client")

MANY = tuple((f"blocks.{number}", 0) for number in range(50_000))  # an answer that no buffer of a socket holds


@contextmanager
def serving(events, port=0):
    sink = PrometheusSink()
    sink.recall(events)
    with closing(MetricsEndpoint(sink, port)) as endpoint:
        yield sink, endpoint


def ask(url):
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  our own
        return answer.read().decode()


def address(endpoint):
    host, port = endpoint.url.removeprefix("http://").removesuffix("/metrics").split(":")
    return host, int(port)


def occupied(port=0):
    """Return a socket that listens there, unless somebody else does."""
    taken = socket.socket()
    try:
        taken.bind(("127.0.0.1", port))
        taken.listen()
    except OSError:
        assert port, "a free one can be had"
    return taken


def test_it_answers_with_what_is_known_now():
    with serving(course()[:3]) as (sink, endpoint):
        assert 'kaslite_epochs_total{experiment_id="spirals_s0",phase="phase_1"} 1.0' in ask(endpoint.url)
        sink.write(epoch(2))
        assert 'kaslite_epochs_total{experiment_id="spirals_s0",phase="phase_1"} 2.0' in ask(endpoint.url)


def test_it_answers_for_kaslite_alone():
    with serving(course()) as (_, endpoint):
        lines = [line for line in ask(endpoint.url).splitlines() if not line.startswith("#")]
    assert all(line.startswith("kaslite_") for line in lines)


def test_single_metrics_can_be_asked_for():
    with serving(course()) as (_, endpoint):
        lines = ask(f"{endpoint.url}?name[]=kaslite_seed_alpha").splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        'kaslite_seed_alpha{experiment_id="spirals_s0",layer="blocks.1",seed="0"} 0.5'
    ]


def test_a_port_that_was_asked_for_and_is_busy_is_an_error_that_tells_the_way_out():
    with occupied() as taken, pytest.raises(UsageError, match="Address already in use; give another --metrics_port"):
        MetricsEndpoint(PrometheusSink(), taken.getsockname()[1])


def test_where_nothing_is_asked_for_a_busy_port_is_said_once_and_a_free_one_is_taken(caplog):
    with occupied(PORT), caplog.at_level(logging.WARNING), serving(course(), port=None) as (_, endpoint):
        assert address(endpoint)[1] != PORT
        assert "kaslite_run_running" in ask(endpoint.url)
    (record,) = caplog.records
    assert "127.0.0.1:8000: Address already in use; taking a free port" in record.message


def test_only_this_machine_can_reach_it():
    with serving(course()) as (_, endpoint):
        assert endpoint.url.startswith("http://127.0.0.1:")


def test_closed_it_gives_port_and_threads_back_at_once():
    before = active_count()
    with serving(course()) as (_, endpoint):
        ask(endpoint.url)
        begun_s = time.monotonic()
    assert time.monotonic() - begun_s < 2
    assert active_count() <= before
    with pytest.raises(urllib.error.URLError):
        ask(endpoint.url)
    with serving(course(), address(endpoint)[1]) as (_, again):
        assert "kaslite_run_running" in ask(again.url)


def test_readers_that_never_read_or_never_ask_delay_nobody(monkeypatch, capfd):
    monkeypatch.setattr(metrics_endpoint, "_PATIENCE_S", 0.5)
    with serving([started()]) as (sink, endpoint):
        sink.write(started_with(MANY))
        silent = socket.create_connection(address(endpoint))
        deaf = socket.create_connection(address(endpoint))
        deaf.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert deaf.recv(1) == b"H", "its answer is on its way"
        begun_s = time.monotonic()
        for number in range(1, 200):
            sink.write(epoch(number))
        assert time.monotonic() - begun_s < 2  # it is about 5 ms, and a whole answer takes a second
        assert "kaslite_last_epoch_timestamp_seconds{" in ask(f"{endpoint.url}?name[]=kaslite_last_epoch_timestamp_seconds")
        silent.settimeout(30)
        assert silent.recv(1) == b"", "it is hung up on"
        silent.close()
        deaf.close()
    assert capfd.readouterr().err == ""


def test_a_reader_that_goes_away_in_the_middle_is_not_spoken_of(capfd):
    with serving([started_with(MANY)]) as (_, endpoint):
        for _ in range(2):
            with socket.create_connection(address(endpoint)) as gone:
                gone.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
                assert gone.recv(1) == b"H"
        assert "kaslite_run_running{" in ask(f"{endpoint.url}?name[]=kaslite_run_running")
    assert capfd.readouterr().err == ""


def started_with(places):
    return replace(started(), seeds=places)
