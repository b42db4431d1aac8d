"""The live page's server: static pages, what event logs say as JSON, and a stream for each page that follows a run.

It reads the results folder and nothing else, writes nothing, and is for this machine alone: it answers only to the names of
the loopback, so that no other web site can make a browser ask it. Not for: what is told of a run; `story` has that.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, final
from weakref import WeakValueDictionary

from anyio import sleep
from anyio.to_thread import run_sync
from pydantic_core import to_json
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from kaslite.dashboard.web.files import PAGE, PLOTLY, STATIC, plotly_file
from kaslite.dashboard.web.following import FollowedRun
from kaslite.dashboard.web.listing import Listing
from kaslite.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAUSE_S = 0.25
"""Between two looks at a log, while a page follows it."""
PING_S = 15.0
"""After which a page that is told nothing is told so."""

_PAGES = ("/", "/run", "/compare", "/sweep")  # one file, whose script looks at the address
_NAMES = ["127.0.0.1", "localhost"]
_HEADERS = {
    # Plotly styles what it draws in place, and makes its pictures to download from blobs.
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_SENTENCES = {404: "there is no such page.", 405: "this server only reads: use GET."}


def live_page(results: Path, closing: Callable[[], bool] = lambda: False) -> Starlette:
    """Return the server of a results folder.

    Args:
        results: the folder; it need not exist yet.
        closing: whether streams should come to their end.
    """
    return Starlette(
        routes=[
            *(Route(path, _page, methods=["GET"]) for path in _PAGES),
            Route(f"/static/{PLOTLY}", _plotly, methods=["GET"]),
            Mount("/static", StaticFiles(directory=STATIC)),
            *_Api(results, closing).routes,
        ],
        middleware=[Middleware(_Headers), Middleware(TrustedHostMiddleware, allowed_hosts=_NAMES, www_redirect=False)],
        exception_handlers={HTTPException: _complain, UsageError: _complain},
    )


@final
class _Api:
    """What is told of the runs of a folder."""

    def __init__(self, results: Path, closing: Callable[[], bool]) -> None:
        self._listing, self._closing = Listing(results), closing
        self._followed: WeakValueDictionary[Path, FollowedRun] = WeakValueDictionary()  # as long as a page follows
        ways = {"/api/runs": self.runs, "/api/run": self.run, "/api/follow": self.follow}
        self.routes = [Route(path, way, methods=["GET"]) for path, way in ways.items()]

    async def runs(self, request: Request) -> Response:
        return _json(to_json(await run_sync(self._listing.rows, request.query_params.get("group")), inf_nan_mode="null"))

    async def run(self, request: Request) -> Response:
        followed = await self._find(request)
        news = await run_sync(followed.news)
        return _json(b"{}" if news is None else news[1])

    async def follow(self, request: Request) -> Response:
        stream = self._stream(await self._find(request))
        return StreamingResponse(stream, media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    async def _find(self, request: Request) -> FollowedRun:
        runs = request.query_params.getlist("run")
        if len(runs) != 1:
            raise HTTPException(400, f"{len(runs)} runs are given; say which one: ?run=ID.")
        log = await run_sync(self._listing.log_of, runs[0])
        return self._followed.setdefault(log, FollowedRun(log))

    async def _stream(self, followed: FollowedRun) -> AsyncIterator[bytes]:
        """Yield what is new; who reads slowly gets it less often, since the next is made when this one is on its way."""
        told, last_s = None, time.monotonic()
        try:
            while not self._closing():
                news = await run_sync(followed.news, told)
                if news is not None:
                    yield b"event: %b\ndata: %b\n\n" % (news[0].encode(), news[1])
                    told, last_s = news[2], time.monotonic()
                elif time.monotonic() - last_s > PING_S:
                    yield b": nothing new\n\n"
                    last_s = time.monotonic()
                await sleep(PAUSE_S)
        finally:
            del followed  # the page has gone, and the exception that says so would keep the run


@final
class _Headers:
    """Tells the browser, with every answer, to run and load nothing but what comes from here."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers.setdefault("Cache-Control", "no-cache")
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _page(_: Request) -> Response:
    return FileResponse(STATIC / PAGE)


def _plotly(_: Request) -> Response:
    return FileResponse(plotly_file(), headers={"Cache-Control": "max-age=86400"})


def _json(content: bytes) -> Response:
    return Response(content, media_type="application/json", headers={"Cache-Control": "no-store"})


def _complain(_: Request, error: Exception) -> Response:
    """Answer with a sentence."""
    if not isinstance(error, HTTPException):
        return PlainTextResponse(str(error), 404)
    return PlainTextResponse(_SENTENCES.get(error.status_code, error.detail), error.status_code)
