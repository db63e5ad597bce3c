"""The id of a span's call, where its response has none. Two spans of one call are found in the database by
calls/twins.py."""

import hashlib
from uuid import UUID

from analytics.tracking.spans.finished import FinishedSpan

LANGFUSE = "langfuse-sdk"
"""The scope of Langfuse's SDKs. Its exports have the ids of their spans, as those of observations."""


def span_call_id(span: FinishedSpan) -> UUID | str | None:
    """The same each time a span is exported, so that it is stored once; in order of time, as others."""
    if not span.trace_id.strip("0") or not span.span_id.strip("0"):
        return None
    if span.scope == LANGFUSE:
        return f"langfuse {span.span_id}"
    digest = hashlib.sha256(f"{span.trace_id}-{span.span_id}".lower().encode()).digest()
    milliseconds = (span.ended_ns or 0) // 1_000_000 & (1 << 48) - 1
    # Version 7 (RFC 9562), the digest in the place of its random bits.
    bits = int.from_bytes(digest[:10])
    bits = bits & ~(0xF << 76) & ~(0b11 << 62) | 0x7 << 76 | 0b10 << 62
    return UUID(int=milliseconds << 80 | bits)
