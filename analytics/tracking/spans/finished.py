"""A span that has ended, as any exporter or OTLP has it."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

# Whose call a span is. Set by the application, or by UsageSpanProcessor from usage_context().
CLIENT_ATTRIBUTE = "usage.client_id"
CONVERSATION_ATTRIBUTE = "usage.conversation_id"
PHONE_ATTRIBUTE = "usage.phone"
SOURCE_ATTRIBUTE = "usage.source"
PLAN_ATTRIBUTE = "usage.plan"
TAG_PREFIX = "usage.tag."

FIRST_TOKEN_EVENTS = frozenset(
    {
        "First Token Stream Event",  # OpenInference
        "gen_ai.content.completion.chunk",  # Traceloop: one for each chunk
        "llm.content.completion.chunk",
        "ai.stream.firstChunk",  # Vercel's AI SDK
    }
)
"""Events of a span that say when its answer began."""


_MAX_NAME = 100
_PHONE = re.compile(r"\d{6,11}(?P<end>\d{4})")


class FinishedSpan(NamedTuple):
    """A span that has ended."""

    attributes: Mapping[str, Any]
    resource: Mapping[str, Any] = MappingProxyType({})
    """Attributes of what made the span; the span's own go before them."""
    name: str = ""
    trace_id: str = ""
    """32 hexadecimal digits; those of spans have 16."""
    span_id: str = ""
    parent_id: str = ""
    scope: str = ""
    """The instrumentation scope's name."""
    started_ns: int | None = None
    """Nanoseconds since 1970."""
    ended_ns: int | None = None
    first_token_ns: int | None = None
    """When the first of FIRST_TOKEN_EVENTS was."""
    is_error: bool = False


class PassedOver(NamedTuple):
    """A span that looks like one of a model, and is no call."""

    operation: str
    """As the span calls it; of a span that names none, the span's name."""
    reason: str
    is_expected: bool = False
    """Nothing is lost: the calls that it sums up are counted, or it is a second view of one."""

    @classmethod
    def named(cls, operation: str, reason: str, *, is_expected: bool = False) -> "PassedOver":
        """By a name that may hold anything, as whoever sees the client reads it."""
        return cls(_PHONE.sub(r"***\g<end>", operation[:_MAX_NAME]), reason, is_expected)
