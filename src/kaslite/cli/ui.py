"""``kaslite ui``: runs and sweeps in a browser of this machine, followed while they go."""

from __future__ import annotations

import logging
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from kaslite.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

RESULTS = Path("results")
PORT = 8787

_HOST = "127.0.0.1"
_NEEDS = ("starlette", "uvicorn", "plotly")
_GRACE_S = 2  # for pages that are in the middle of being told something when the server is to end


def ui(results: Path | None = None, /, *, port: int | None = None) -> None:
    """Show runs and sweeps in a browser, and follow those that are going; only this machine can see them. Ctrl-C ends it.

    Parameters
    ----------
    results
        Folder that holds the runs; `results` by default, which may come later. Also one that was copied from another machine.
    port
        Where the page is: 8787, or a free one if that is busy; 0 always takes a free one.
    """
    if not all(map(find_spec, _NEEDS)):
        raise UsageError("the live page needs starlette, uvicorn and plotly; install them with `pip install 'kaslite[web]'`.")
    if results is not None and not results.is_dir():
        raise UsageError(f"there is no folder {results}; give the one that holds the runs.")
    with _listen(port) as listener:
        print(f"http://{_HOST}:{listener.getsockname()[1]}", flush=True)
        _serve(results or RESULTS, listener)


def _listen(port: int | None) -> socket.socket:
    try:
        return _bound(PORT if port is None else port)
    except (OSError, OverflowError) as error:
        if port is not None:
            why = error.strerror if isinstance(error, OSError) else "it has to be from 0 to 65535"
            raise UsageError(f"cannot listen at port {port}: {why}; choose another --port, or leave it out.") from error
    print(f"kaslite: port {PORT} is busy, so the page is at a free one.", file=sys.stderr)
    return _bound(0)


def _bound(port: int) -> socket.socket:
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the port of a server that has just ended is free
        listener.bind((_HOST, port))
        listener.listen()
    except BaseException:
        listener.close()
        raise
    return listener


def _serve(results: Path, listener: socket.socket) -> None:
    import uvicorn

    from kaslite.dashboard.web.app import live_page

    is_closing: Callable[[], bool] = lambda: server.should_exit  # noqa: E731
    config = uvicorn.Config(
        live_page(results, is_closing),
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=_GRACE_S,
    )
    server = uvicorn.Server(config)
    # It complains of pages that it cuts off in the end.
    logging.getLogger("uvicorn.error").addFilter(lambda _: not is_closing())
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        print("kaslite: the page is closed.", file=sys.stderr)
