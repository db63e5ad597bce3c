"""Bodies of requests: never larger than they may be, packed or not."""

import zlib

from fastapi import HTTPException, Request

MAX_BODY_BYTES = 8_000_000

_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


async def read_body(request: Request) -> bytes:
    """The body, unpacked.

    Raises:
        HTTPException: 413 where it is larger than MAX_BODY_BYTES, 415 or 400 where it cannot be unpacked.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > MAX_BODY_BYTES:
        raise too_large()
    parts = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise too_large()
        parts.append(part)
    body = b"".join(parts)
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "identity":
        return body
    if encoding not in ("gzip", "deflate"):
        raise HTTPException(415, f'content-encoding must be gzip, deflate or identity, not "{encoding[:40]}"')
    return _unpacked(body)


def too_large() -> HTTPException:
    """The answer to a body that is over the limit."""
    return HTTPException(413, f"a body may have {MAX_BODY_BYTES:,} bytes, unpacked: send less at once")


def _unpacked(body: bytes) -> bytes:
    unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        unpacked = unpacker.decompress(body, MAX_BODY_BYTES)
    except zlib.error as error:
        raise HTTPException(400, f"the body cannot be unpacked: {error}") from None
    if unpacker.unconsumed_tail or (len(unpacked) == MAX_BODY_BYTES and not unpacker.eof):
        raise too_large()
    if not unpacker.eof:
        raise HTTPException(400, "the body cannot be unpacked: it ends too early")
    if unpacker.unused_data:
        raise HTTPException(400, "the body cannot be unpacked: something follows its end")
    return unpacked
