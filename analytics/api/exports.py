"""GET /api/export: the downloads of the Overview page, for a key with scope "read"."""

import threading
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain
from typing import Annotated, Any
from uuid import UUID

import anyio
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import Message, Receive, Scope, Send

from analytics.access.keys import Key
from analytics.api import models
from analytics.api.auth import Guard
from analytics.api.parameters import described, parameters
from analytics.api.service import Service
from analytics.api.work import Work
from analytics.errors import AnalyticsError, ConfigurationError
from analytics.exports.files import CONTENT_TYPES, content_disposition, file_name

EXPORTS_OF_A_KEY = 2
EXPORTS_AT_ONCE = 8
"""Of all keys: each may hold one of the 15 connections to the database for as long as its client reads."""
STATEMENTS_AT_ONCE = 2
"""Typesetting one takes a processor for a second; others wait without a thread."""
PATIENCE_SECONDS = 60
"""How long a client may take nothing of an answer."""

_RETRY_SECONDS = 10

_FILE = {"schema": {"type": "string", "format": "binary"}}


def make_export_router(service: Service, guard: Guard, work: Work) -> APIRouter:
    """The route, over one service."""
    router = APIRouter()
    slots = ExportSlots()
    processors = anyio.CapacityLimiter(STATEMENTS_AT_ONCE)
    reader = Annotated[Key, Depends(guard.key("read"))]

    @router.get(
        "/api/export",
        summary="Calls, costs or a statement of the key's client, as a file",
        response_class=Response,
        responses=models.REFUSALS
        | {
            200: {
                "description": "The file; it is whole only if the answer ends as HTTP says it must",
                "content": dict.fromkeys(CONTENT_TYPES.values(), _FILE),
            },
            501: {"model": models.Error, "description": "The server lacks the packages for this format"},
            505: {"model": models.Error, "description": "csv needs HTTP/1.1"},
        },
        openapi_extra={"parameters": described(models.ExportQuery)},
    )
    async def export(request: Request, key: reader) -> Response:
        """The data of this moment. Phones are masked: no key has an administrator's rights.

        A key may run two exports at once; a third is refused with 429.
        """
        asked, filters = parameters(request, models.ExportQuery)
        period = asked.period()
        now = datetime.now(UTC)
        async with work.place(key.id):
            client, days = await work.ask_database(
                key.id, lambda: service.client_and_days(key.client_id, period, now)
            )
        media_type = CONTENT_TYPES[asked.format]
        headers = {
            "Content-Disposition": content_disposition(file_name(asked.format, client.name, days, filters)),
            "Cache-Control": "private, no-store",
        }

        if asked.format == "csv":
            if request.scope["http_version"] == "1.0":
                # HTTP/1.0 ends an answer with the connection: a part would look like the whole file.
                raise HTTPException(505, "csv needs HTTP/1.1 (nginx: proxy_http_version 1.1), not HTTP/1.0")

            def pieces() -> Generator[bytes]:
                with slots.taken(key.id):
                    yield from service.calls(client.id, days, filters)

            stream = pieces()
            # The header needs no database, so two pieces: an error of the first batch still has a status.
            begin = await run_in_threadpool(lambda: next(stream) + next(stream, b""))
            return _Streamed(begin, stream, media_type=media_type, headers=headers)

        def file() -> bytes:
            if asked.format == "focus":
                return service.focus(client, days, filters)
            return service.statement(client.id, days, now, filters)

        with slots.taken(key.id):
            try:
                content = await anyio.to_thread.run_sync(work.timed(key.id, file), limiter=processors)
            except ConfigurationError as error:
                raise HTTPException(501, str(error)) from None
        return Response(content, media_type=media_type, headers=headers)

    return router


class ExportSlots:
    """Limits how many exports run at once, per key and in all."""

    def __init__(self) -> None:
        self._running: Counter[UUID] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def taken(self, key_id: UUID) -> Iterator[None]:
        """One slot for the key.

        Raises:
            HTTPException: 429, none is free.
        """
        with self._lock:
            if self._running[key_id] >= EXPORTS_OF_A_KEY:
                raise _too_many(f"this key has {EXPORTS_OF_A_KEY} exports running")
            if self._running.total() >= EXPORTS_AT_ONCE:
                raise _too_many(f"{EXPORTS_AT_ONCE} exports are running")
            self._running[key_id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._running[key_id] -= 1
                self._running += Counter()  # forgets keys that have none


def _too_many(what: str) -> HTTPException:
    return HTTPException(
        429, f"{what}: try again when one has ended", headers={"Retry-After": str(_RETRY_SECONDS)}
    )


class CutShort(Exception):
    """An answer that has begun and failed: the server cuts the connection, so that it never looks whole."""


class _Streamed(StreamingResponse):
    """Streams pieces one at a time, and closes their generator however it ends."""

    def __init__(self, begin: bytes, rest: Generator[bytes], **options: Any) -> None:
        super().__init__(chain([begin], rest), **options)
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            # Also when the client has disconnected, which cancels all that waits.
            with anyio.CancelScope(shield=True):
                await run_in_threadpool(self._rest.close)

    async def stream_response(self, send: Send) -> None:
        async def send_or_give_up(message: Message) -> None:
            with anyio.fail_after(PATIENCE_SECONDS):
                await send(message)

        try:
            await super().stream_response(send_or_give_up)
        except TimeoutError:
            raise CutShort(f"an export was cut: its client took nothing for {PATIENCE_SECONDS} s") from None
        except AnalyticsError as error:
            raise CutShort(f"an export was cut: {error}") from error
