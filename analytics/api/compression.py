"""Answers over a kilobyte are compressed for who asks for it.

No answer holds a secret beside what its client has sent, so that sizes tell nothing (BREACH).
"""

import gzip

from starlette.datastructures import Headers
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

MIN_BYTES = 1_024
LEVEL = 5
"""Of zlib: for JSON and CSV a higher one takes more time than it spares bytes."""

# A statement's streams are compressed already.
_COMPRESSED = (*DEFAULT_EXCLUDED_CONTENT_TYPES, "application/pdf")


class Compression:
    """Around the API: compresses answers that are not compressed yet, streams piece by piece."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = GZipMiddleware(
            app, minimum_size=MIN_BYTES, compresslevel=LEVEL, exclude_content_types=_COMPRESSED
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            # Starlette looks for the word alone: it is in `gzip;q=0`, too, and not in `GZIP`.
            others = [(name, text) for name, text in scope["headers"] if name != b"accept-encoding"]
            asked = [(b"accept-encoding", b"gzip")] if accepts_gzip(Headers(scope=scope)) else []
            scope = {**scope, "headers": others + asked}
        await self._app(scope, receive, send)


def compressed(body: bytes) -> bytes | None:
    """The body as gzip, for one that is kept and sent again; None where it is small."""
    return gzip.compress(body, compresslevel=LEVEL, mtime=0) if len(body) >= MIN_BYTES else None


def accepts_gzip(headers: Headers) -> bool:
    """Whether a request asks for gzip: it names it, and not with the weight 0."""
    for asked in ",".join(headers.getlist("accept-encoding")).lower().split(","):
        coding, *parameters = (part.replace(" ", "") for part in asked.split(";"))
        if coding in ("gzip", "x-gzip"):
            weight = next((each[2:] for each in parameters if each.startswith("q=")), "1")
            return weight.strip("0.") != ""
    return False
