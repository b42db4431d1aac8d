"""`MetricsEndpoint`: an HTTP server on the loopback that answers scrapes of Prometheus, each in a thread of its own.

One that connects and never reads holds nothing but its own thread, and that for seconds. Not for: what is in an answer;
collectors, such as `kaslite.telemetry.sinks.prometheus`, have that.
"""

from __future__ import annotations

import logging
import sys
from http.server import ThreadingHTTPServer
from socketserver import TCPServer
from threading import Thread
from typing import TYPE_CHECKING, Any, final

from kaslite.errors import StorageError, UsageError

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

_log = logging.getLogger("kaslite")

HOST = "127.0.0.1"
PORT = 8000
"""Where metrics are, unless another port is asked for or this one is busy."""

_PATIENCE_S = 10.0  # with one who asks, and then does not send or read
_POLL_S = 0.1  # how often the server looks whether it is to end


@final
class MetricsEndpoint:
    """Serves the metrics of a collector at ``url``, until it is closed.

    Args:
        collector: makes the samples of each answer, in the thread of who asks.
        port: of the loopback; 0: any free one. ``None``: 8000, or with a warning a free one if that is busy.

    Raises:
        UsageError: if the port that was asked for cannot be had.
        StorageError: if no port can be had at all.
    """

    def __init__(self, collector: Collector, port: int | None = None) -> None:
        from prometheus_client import CollectorRegistry, MetricsHandler

        registry = CollectorRegistry(support_collectors_without_names=True)
        registry.register(collector)
        handler: Any = MetricsHandler.factory(registry)
        handler.timeout = _PATIENCE_S
        self._server = _free_server(handler) if port is None else _server_at(port, handler)
        self._thread = Thread(target=self._server.serve_forever, args=(_POLL_S,), name="kaslite: metrics", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where the metrics are."""
        return f"http://{HOST}:{self._server.server_port}/metrics"

    def close(self) -> None:
        """Stop answering, and give the port back."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    def server_bind(self) -> None:
        """Take the port; the library would ask the network for the name of this machine, too, which can take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.socket.getsockname()[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of one who went away in the middle of an answer."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def _server_at(port: int, handler: Any) -> _Server:
    try:
        return _Server((HOST, port), handler)
    except OSError as error:
        raise UsageError(
            f"metrics cannot be served at {HOST}:{port}: {error.strerror}; give another --metrics_port, 0 for any free one, "
            "or --no_metrics."
        ) from error


def _free_server(handler: Any) -> _Server:
    try:
        return _Server((HOST, PORT), handler)
    except OSError as error:
        _log.warning("metrics cannot be served at %s:%d: %s; taking a free port.", HOST, PORT, error.strerror)
    try:
        return _Server((HOST, 0), handler)
    except OSError as error:
        raise StorageError(f"metrics cannot be served on {HOST}: {error.strerror}; --no_metrics does without.") from error
