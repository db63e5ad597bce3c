"""What every way of starting the server has in common: what visitors cannot do, and how many get in."""

import logging
import os
import secrets
import socket
import stat
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from http.cookies import CookieError, SimpleCookie
from typing import Any

import click
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from analytics.database import end_embedded_postgresql

MOST_VISITORS = 1_000
"""Open pages. Each takes Streamlit a websocket and an event loop: four file descriptors."""
SHARE_FOR_NEWCOMERS = 0.8
"""Of the process's descriptors: past that nobody new comes in."""
SHARE_FOR_ALL = 0.95
"""Past that no page is opened at all, and what is left is for the database and for files."""
ENOUGH_DESCRIPTORS = 65_536

MESSAGES_AT_ONCE = 60
MESSAGES_A_SECOND = 3
"""From one page: each makes the server run it. Who sends more is cut off; a browser then connects again."""

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

log = logging.getLogger(__name__)


class Walls:
    """Around the dashboard: nothing can be sent to it but what a page asks, and only so many come in.

    `writable` are beginnings of paths that are not the dashboard's and look after themselves.
    """

    def __init__(self, app: ASGIApp, *, writable: tuple[str, ...] = ()) -> None:
        self._app = app
        self._writable = writable
        self._inside: Counter[str] = Counter()
        self._was_full = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._page(scope, receive, send)
        elif scope["type"] == "http" and not scope["path"].startswith(self._writable):
            await self._dashboard(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _dashboard(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _UPLOADS in scope["path"]:
            # Streamlit keeps what is sent there in memory, for anybody who has a page open.
            await _refusal(403, "this dashboard takes no files")(scope, receive, send)
        elif scope["method"] not in _READING:
            await _refusal(405, "a dashboard is only read: ask with GET")(scope, receive, send)
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
        """Whether there is no room for a page of this visitor; for one who is inside there is longer."""
        is_known = bool(visitor) and visitor in self._inside
        share, most = (SHARE_FOR_ALL, 1.25) if is_known else (SHARE_FOR_NEWCOMERS, 1)
        limit = descriptor_limit()
        is_full = self._inside.total() >= most * MOST_VISITORS or (
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


@asynccontextmanager
async def prepared(_: Any = None) -> AsyncIterator[Mapping[str, Any] | None]:
    """Around a server's life: what it needs of the operating system is there."""
    raise_descriptor_limit()
    _answer_at_once()
    yield None
    # Uvicorn ends the process by the signal that told it to, and Python's own end never comes.
    await run_in_threadpool(end_embedded_postgresql)


def open_browser(url: str) -> None:
    """Shows the address to whoever sits here. Does not wait for the browser, nor fail without one."""
    threading.Thread(target=click.launch, args=[url], name="browser", daemon=True).start()


def raise_descriptor_limit() -> None:
    """As many file descriptors as this process may have, up to ENOUGH_DESCRIPTORS."""
    with suppress(ImportError):  # Windows has no such limit
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = ENOUGH_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, ENOUGH_DESCRIPTORS)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            # macOS has another limit above this one, and says so only here.
            with suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def descriptor_limit() -> int | None:
    """How many file descriptors this process may have open; None where there is no limit."""
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
    """Sets TCP_NODELAY on the sockets that this process listens to, of which all connections inherit it.

    Streamlit makes them in a way that asyncio does not recognise as TCP, and an answer in two pieces then
    waits 40 ms for the other side to acknowledge the first.
    """
    with suppress(OSError):
        for descriptor in map(int, os.listdir("/dev/fd")):  # noqa: PTH208
            with suppress(OSError):  # closed meanwhile, or a socket of another kind
                # fromfd() copies first, and where it is no socket leaves the copy open.
                if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                    continue
                with socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM) as each:
                    if each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _opens_a_page(scope: Scope) -> bool:
    """Whether a browser asks for a page, and not for what a page is made of."""
    return scope["method"] == "GET" and "text/html" in Headers(scope=scope).get("accept", "")


def _visitor(scope: Scope) -> str:
    """What this browser was given with its first page; nothing where it was given none."""
    try:
        cookie = SimpleCookie(Headers(scope=scope).get("cookie", "")).get(_COOKIE)
    except CookieError:
        return ""
    return cookie.value[:64] if cookie else ""


def _bounded(receive: Receive, send: Send) -> Receive:
    """Receives as much as a page may send, and then that the connection has ended."""
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
    # What is still to come of a body is not waited for.
    return PlainTextResponse(f"{reason}\n", status, {"Connection": "close"})


def _full() -> Response:
    return HTMLResponse(_IS_FULL, 503, {"Retry-After": str(_RETRY_SECONDS), "Cache-Control": "no-store"})
