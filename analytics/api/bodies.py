"""Bodies of requests: limited in size, compressed or not, one by one and all together."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect

MAX_BODY_BYTES = 8_000_000
MAX_BYTES_AT_ONCE = 200_000_000
"""Of all bodies in memory."""
PATIENCE_SECONDS = 60
"""How long a body may take to arrive."""

_RETRY_SECONDS = 10
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
_ENCODINGS = ("identity", "gzip", "deflate")


@dataclass(frozen=True, kw_only=True)
class Body:
    """A body as it was sent."""

    received: bytes
    encoding: str

    def unpacked(self) -> bytes:
        """The body, decompressed. Blocks.

        Raises:
            HTTPException: 413 if it is larger than MAX_BODY_BYTES, 400 if it cannot be decompressed.
        """
        return self.received if self.encoding == "identity" else _unpacked(self.received)


class Bodies:
    """The bodies in memory. For one event loop."""

    def __init__(self) -> None:
        self._held = 0

    @asynccontextmanager
    async def received(self, request: Request) -> AsyncIterator[Body]:
        """The body of the request, in memory until the context ends.

        Raises:
            HTTPException: 413 if it is larger than MAX_BODY_BYTES, 415 for another compression, 408 if it
                does not arrive in time, 503 if too many others are in memory.
        """
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in _ENCODINGS:
            raise HTTPException(
                415, f'content-encoding must be gzip, deflate or identity, not "{encoding[:40]}"'
            )
        length = request.headers.get("content-length", "")
        if length.isdecimal() and (len(length) > 20 or int(length) > MAX_BODY_BYTES):
            raise _too_large()
        parts: list[bytes] = []
        try:
            await self._receive(request, parts)
            yield Body(received=b"".join(parts), encoding=encoding)
        finally:
            self._held -= sum(map(len, parts))

    async def _receive(self, request: Request, parts: list[bytes]) -> None:
        size = 0
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                async for part in request.stream():
                    size += len(part)
                    if size > MAX_BODY_BYTES:
                        raise _too_large()
                    if self._held + len(part) > MAX_BYTES_AT_ONCE:
                        raise _too_many_at_once()
                    self._held += len(part)
                    parts.append(part)
        except TimeoutError:
            raise HTTPException(
                408, f"the body did not arrive within {PATIENCE_SECONDS} seconds", {"Connection": "close"}
            ) from None
        except ClientDisconnect:
            # Nobody reads the answer; log and metrics must not count it as the server's error.
            raise HTTPException(400, "the body ended too early") from None


def content_type(request: Request, *allowed: str) -> str:
    """The request's content type, without its parameters.

    Raises:
        HTTPException: 415 for one that is not allowed.
    """
    found = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if found not in allowed:
        raise HTTPException(415, f'content-type must be {" or ".join(allowed)}, not "{found[:80]}"')
    return found


def _too_large() -> HTTPException:
    limit = f"{MAX_BODY_BYTES:,} bytes, decompressed"
    return HTTPException(413, f"a body may have at most {limit}: send less at once")


def _too_many_at_once() -> HTTPException:
    return HTTPException(
        503,
        f"the server holds too many bodies: try again in {_RETRY_SECONDS} seconds",
        {"Retry-After": str(_RETRY_SECONDS)},
    )


def _unpacked(body: bytes) -> bytes:
    unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        unpacked = unpacker.decompress(body, MAX_BODY_BYTES)
    except zlib.error as error:
        raise HTTPException(400, f"the body cannot be decompressed: {error}") from None
    if unpacker.unconsumed_tail or (len(unpacked) == MAX_BODY_BYTES and not unpacker.eof):
        raise _too_large()
    if not unpacker.eof:
        raise HTTPException(400, "the body cannot be decompressed: it ends too early")
    if unpacker.unused_data:
        raise HTTPException(400, "the body cannot be decompressed: data follows its end")
    return unpacked
