"""Limits of every server: what visitors may send, and how many get in."""

import logging
import os
import secrets
import socket
import stat
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from http.cookies import CookieError, SimpleCookie
from typing import Any

import click
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from analytics.database import end_embedded_postgresql

MAX_VISITORS = 1_000
"""Open pages. Each takes Streamlit a websocket and an event loop: four file descriptors."""
SHARE_FOR_NEWCOMERS = 0.8
"""Of the process's descriptors: past that, no new visitor gets in."""
SHARE_FOR_ALL = 0.95
"""Past that no page opens; the rest is for the database and for files."""
ENOUGH_DESCRIPTORS = 65_536

MESSAGES_AT_ONCE = 60
MESSAGES_A_SECOND = 3
"""From one page: the server runs it for each. A page that sends more is cut off; a browser reconnects."""

_RETRY_SECONDS = 20
_COOKIE = "usage_visitor"
_READING = ("GET", "HEAD", "OPTIONS")
_UPLOADS = "/_stcore/upload_file"
_IS_FULL = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<meta http-equiv="refresh" content="{_RETRY_SECONDS}">
<title>The dashboard is full</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 32rem; margin: 20vh auto 0; padding: 0 1.5rem; }}
h1 {{ font-size: 1.5rem; }}
</style>
</head>
<body>
<h1>The dashboard is full</h1>
<p>As many pages are open as this server can serve. This page tries again by itself every {_RETRY_SECONDS}
seconds, and opens the dashboard when one of the others was closed.</p>
<p>Pages that are open already go on. Whoever runs this server finds in its log how to make room.</p>
</body>
</html>
"""

API_IS_HERE = threading.Event()
"""Set where this process serves the API beside the dashboard."""

log = logging.getLogger(__name__)


class Walls:
    """Around the dashboard: only requests of its pages, of a limited number of visitors, get in.

    `writable` are prefixes of paths that are not the dashboard's and have limits of their own.
    """

    def __init__(self, app: ASGIApp, *, writable: tuple[str, ...] = ()) -> None:
        self._app = app
        self._writable = writable
        self._inside: Counter[str] = Counter()
        self._was_full = False
        self._is_asked = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan" and not self._is_asked:
            # Who connected while the server started is in now, and inherited nothing.
            self._is_asked = True
            _answer_at_once()
        if scope["type"] == "websocket":
            await self._page(scope, receive, send)
        elif scope["type"] == "http" and not scope["path"].startswith(self._writable):
            await self._dashboard(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _dashboard(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _UPLOADS in scope["path"]:
            # Streamlit keeps uploads in memory, and takes them from every open page.
            await _refusal(403, "this dashboard takes no files")(scope, receive, send)
        elif scope["method"] not in _READING:
            await _refusal(405, "the dashboard only answers GET")(scope, receive, send)
        elif not _opens_a_page(scope):
            await self._app(scope, receive, send)
        elif self._is_full(visitor := _visitor(scope)):
            await _full()(scope, receive, send)
        else:
            await self._app(scope, receive, send if visitor else _marking(send, scope))

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> None:
        visitor = _visitor(scope)
        if self._is_full(visitor):
            if "websocket.http.response" in scope.get("extensions", {}):
                await _full()(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1013})
            return
        self._inside[visitor] += 1
        try:
            await self._app(scope, _bounded(receive, send), send)
        finally:
            self._inside[visitor] -= 1
            if not self._inside[visitor]:
                del self._inside[visitor]

    def _is_full(self, visitor: str) -> bool:
        """Whether there is no room for a page of this visitor; one with an open page has more room."""
        is_known = bool(visitor) and visitor in self._inside
        share, most = (SHARE_FOR_ALL, 1.25) if is_known else (SHARE_FOR_NEWCOMERS, 1)
        limit = descriptor_limit()
        is_full = self._inside.total() >= most * MAX_VISITORS or (
            limit is not None and _open_descriptors() >= share * limit
        )
        if is_full and not self._was_full:
            log.warning(
                "full: %s pages are open, with %s of %s file descriptors in use; new visitors have to wait. "
                "LimitNOFILE= of systemd or ulimit -Hn raise the last, another server takes some of them",
                *(self._inside.total(), _open_descriptors(), limit),
            )
        self._was_full = is_full
        return is_full


class Ours:
    """Our own paths go to our routes, past all that Streamlit's answers go through."""

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._router = Router(routes, default=app, redirect_slashes=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._router if scope["type"] == "http" else self._app)(scope, receive, send)


@asynccontextmanager
async def prepared(_: Any = None) -> AsyncIterator[Mapping[str, Any] | None]:
    """Around a server's life: prepares the process, and ends the embedded database with it."""
    raise_descriptor_limit()
    _answer_at_once()
    yield None
    # Uvicorn ends the process by the signal that it received: no exit handler of Python runs.
    await run_in_threadpool(end_embedded_postgresql)


def open_browser(url: str) -> None:
    """Opens the address in the browser of this machine. Does not wait for it, nor fail without one."""
    threading.Thread(target=click.launch, args=[url], name="browser", daemon=True).start()


def raise_descriptor_limit() -> None:
    """Raises the limit of file descriptors as far as allowed, up to ENOUGH_DESCRIPTORS."""
    with suppress(ImportError):  # Windows has no such limit
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = ENOUGH_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, ENOUGH_DESCRIPTORS)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            # macOS has another limit, which only shows here.
            with suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def descriptor_limit() -> int | None:
    """How many file descriptors this process may have open; None: no limit."""
    try:
        import resource
    except ImportError:
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def _open_descriptors() -> int:
    try:
        return len(os.listdir("/dev/fd"))  # noqa: PTH208
    except OSError:
        return 0


def _answer_at_once() -> None:
    """Sets TCP_NODELAY on all sockets of this process; what connects from now on inherits it.

    Streamlit makes them in a way that asyncio does not recognise as TCP, and an answer in two pieces then
    waits 40 ms for the other side to acknowledge the first.
    """
    with suppress(OSError):
        for descriptor in map(int, os.listdir("/dev/fd")):  # noqa: PTH208
            with suppress(OSError):  # closed meanwhile, or a socket of another kind
                # fromfd() copies first, and where it is no socket leaves the copy open.
                if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                    with socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM) as each:
                        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _opens_a_page(scope: Scope) -> bool:
    """Whether a browser asks for a page, not for a part of one."""
    return scope["method"] == "GET" and "text/html" in Headers(scope=scope).get("accept", "")


def _visitor(scope: Scope) -> str:
    """The cookie that this browser got with its first page, or an empty text."""
    try:
        cookie = SimpleCookie(Headers(scope=scope).get("cookie", "")).get(_COOKIE)
    except CookieError:
        return ""
    return cookie.value[:64] if cookie else ""


def _bounded(receive: Receive, send: Send) -> Receive:
    """Receives as many messages as a page may send, then a disconnect."""
    ahead = MESSAGES_AT_ONCE / MESSAGES_A_SECOND
    due = 0.0

    async def bounded() -> Message:
        nonlocal due
        message = await receive()
        if message["type"] == "websocket.receive":
            now = time.monotonic()
            due = max(due, now - ahead) + 1 / MESSAGES_A_SECOND
            if due > now:
                await send({"type": "websocket.close", "code": 1008})
                return {"type": "websocket.disconnect", "code": 1008}
        return message

    return bounded


def _marking(send: Send, scope: Scope) -> Send:
    secure = "; Secure" if scope["scheme"] == "https" else ""

    async def marked(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 200:
            cookie = f"{_COOKIE}={secrets.token_urlsafe(16)}; Path=/; HttpOnly; SameSite=Lax{secure}"
            MutableHeaders(scope=message).append("Set-Cookie", cookie)
        await send(message)

    return marked


def _refusal(status: int, reason: str) -> Response:
    # Does not wait for the rest of a body.
    return PlainTextResponse(f"{reason}\n", status, {"Connection": "close"})


def _full() -> Response:
    return HTMLResponse(_IS_FULL, 503, {"Retry-After": str(_RETRY_SECONDS), "Cache-Control": "no-store"})
