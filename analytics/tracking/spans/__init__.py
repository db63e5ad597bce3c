"""A finished span of a model call as what log_usage() takes. Plain values, no OpenTelemetry needed.

finished     a span, and why one is passed over
attributes   what instrumentors call what we want to know
kinds        which spans are calls, and which are sums of calls
usage        the usage that a span tells
answers      what the answer itself tells, where it is kept as JSON
tags         the tags that fit
identity     ids
reading      all of it: read_span()
"""

from analytics.tracking.spans.finished import (
    CLIENT_ATTRIBUTE,
    CONVERSATION_ATTRIBUTE,
    FIRST_TOKEN_EVENTS,
    PHONE_ATTRIBUTE,
    TAG_PREFIX,
    FinishedSpan,
    PassedOver,
)
from analytics.tracking.spans.reading import read_span

__all__ = [
    "CLIENT_ATTRIBUTE",
    "CONVERSATION_ATTRIBUTE",
    "FIRST_TOKEN_EVENTS",
    "PHONE_ATTRIBUTE",
    "TAG_PREFIX",
    "FinishedSpan",
    "PassedOver",
    "read_span",
]
