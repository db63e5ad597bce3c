"""A finished span of a model call as what log_usage() takes. Plain values, no OpenTelemetry needed.

finished     a span, and why one is passed over
attributes   what instrumentors call what we want to know
kinds        which spans are calls, and which are sums of calls
usage        the usage that a span tells
answers      what the answer itself tells, where it is kept as JSON
tags         the tags that fit
plans        the subscription that pays
identity     ids
reading      all of it: read_span()
"""

from analytics.tracking.spans.attributes import looks_like_genai
from analytics.tracking.spans.finished import (
    CLIENT_ATTRIBUTE,
    CONVERSATION_ATTRIBUTE,
    FIRST_TOKEN_EVENTS,
    PHONE_ATTRIBUTE,
    TAG_PREFIX,
    FinishedSpan,
    PassedOver,
)
from analytics.tracking.spans.plans import CLAUDE_CODE
from analytics.tracking.spans.reading import read_span

__all__ = [
    "CLAUDE_CODE",
    "CLIENT_ATTRIBUTE",
    "CONVERSATION_ATTRIBUTE",
    "FIRST_TOKEN_EVENTS",
    "PHONE_ATTRIBUTE",
    "TAG_PREFIX",
    "FinishedSpan",
    "PassedOver",
    "looks_like_genai",
    "read_span",
]
