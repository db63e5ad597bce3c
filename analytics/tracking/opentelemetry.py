"""Automatic tracking: calls are logged from the spans of whatever instruments them.

    provider.add_span_processor(UsageSpanProcessor())

A call is logged when its span ends, without batching or a thread: log_usage() only appends to the spool. What
a sampler drops is never seen here: sample where spans are exported, not where they are recorded. Needs
opentelemetry-sdk, which plain logging does not.
"""

import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from analytics import tracking
from analytics.tracking import passed_over, process
from analytics.tracking.context import NO_CONTEXT, UsageContext, current_context, within
from analytics.tracking.spans import (
    CLIENT_ATTRIBUTE,
    CONVERSATION_ATTRIBUTE,
    FIRST_TOKEN_EVENTS,
    PHONE_ATTRIBUTE,
    TAG_PREFIX,
    FinishedSpan,
    PassedOver,
    read_span,
)

try:
    from opentelemetry.context import Context as TraceContext
    from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
    from opentelemetry.trace import StatusCode, format_span_id, format_trace_id
except ImportError as error:
    raise ImportError(
        f'{error}: automatic tracking needs OpenTelemetry, pip install "usage-analytics[opentelemetry]"'
    ) from None

__all__ = ["UsageSpanExporter", "UsageSpanProcessor"]

# Spans that never end would fill the memory.
_MAX_OPEN_SPANS = 10_000
# Set when a span starts, and pushed out of it by the messages of a long conversation.
_EARLY_ATTRIBUTES = ("llm.provider", "llm.system", "session.id")

log = logging.getLogger("analytics.tracking")


class UsageSpanExporter(SpanExporter):
    """Logs the calls among finished spans; all other spans are passed over.

    For a batch processor of your own. An exporter runs in another thread, where no usage_context() reaches
    it: use UsageSpanProcessor, or set the attributes usage.client_id, usage.conversation_id and usage.phone.
    """

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """FAILURE where a call could not be logged; tracking.stats() counts what was refused, by kind."""
        results = [self.log_call(span) for span in spans]
        return SpanExportResult.SUCCESS if all(results) else SpanExportResult.FAILURE

    def log_call(self, span: ReadableSpan, early: Mapping[str, Any] | None = None) -> bool:
        """Logs the span if it is a call. `early` are attributes that the span had when it started."""
        try:
            finished = _finished(span, early)
            call = read_span(finished)
            if call is None:
                return True
            if isinstance(call, PassedOver):
                passed_over.count(_client_of(finished), call)
                return True
            # A stream that nobody read to its end ends its span wherever the garbage is collected, within
            # somebody else's usage_context() perhaps: so without any.
            return tracking.log_span_call(call) is not None
        except Exception:
            # Instrumentation must not break what it looks at.
            log.exception("the call in span %s was not logged", span.name)
            return False

    def shutdown(self) -> None:
        """Waits a moment for what was logged to be stored; the tracker goes on, for it has other users."""
        tracking.flush(process.EXIT_SECONDS)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return tracking.flush(timeout_millis / 1000)


class UsageSpanProcessor(SpanProcessor):
    """Logs each call when its span ends, for whom usage_context() said when it began.

    Attributes usage.* of the span win over the context, and the context over the conversation that a span
    names for all (gen_ai.conversation.id, session.id). With `mark_spans` the context is also written to the
    spans, for a collector that brings them to this installation. That is off by default, because whoever else
    gets the spans would get the phone numbers, too.
    """

    def __init__(self, *, mark_spans: bool = False) -> None:
        self._exporter = UsageSpanExporter()
        self._mark_spans = mark_spans
        # Beside the spans, not in them: they keep 128 attributes, and the newest.
        self._early: dict[tuple[int, int], Mapping[str, Any]] = {}

    def on_start(self, span: Span, parent_context: TraceContext | None = None) -> None:
        attributes = _plain(span.attributes)
        early: dict[str, Any] = {name: attributes[name] for name in _EARLY_ATTRIBUTES if name in attributes}
        context = current_context()
        if context is not NO_CONTEXT:
            told: dict[str, Any] = _attributes_of(context)
            told.update((f"{TAG_PREFIX}{key}", tag) for key, tag in (context.tags or {}).items())
            for name, value in told.items():
                if value is not None:
                    early[name] = value
                    if self._mark_spans and name not in attributes:
                        span.set_attribute(name, value)
        key = _key(span)
        if not early or key is None:
            return
        self._early[key] = early
        # Without a lock, which a fork might leave locked: the worst that can happen is one entry too many.
        while len(self._early) > _MAX_OPEN_SPANS:
            with contextlib.suppress(RuntimeError, StopIteration):
                self._early.pop(next(iter(self._early)), None)

    def on_end(self, span: ReadableSpan) -> None:
        key = _key(span)
        self._exporter.log_call(span, self._early.pop(key, None) if key else None)

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _finished(span: ReadableSpan, early: Mapping[str, Any] | None) -> FinishedSpan:
    context = span.context
    attributes = _plain(span.attributes)
    if early:
        own = attributes
        attributes = {**early, **attributes}
        if CLIENT_ATTRIBUTE in own or CONVERSATION_ATTRIBUTE in own or PHONE_ATTRIBUTE in own:
            # Another client's conversation, and another conversation's phone, are not taken over.
            attributes |= _attributes_of(within(_context_of(early), _context_of(own)))
    first_token_ns = None
    for event in span.events:
        if event.name in FIRST_TOKEN_EVENTS:
            first_token_ns = event.timestamp
            break
    return FinishedSpan(
        attributes=attributes,
        resource=span.resource.attributes,
        name=span.name,
        trace_id=format_trace_id(context.trace_id) if context else "",
        span_id=format_span_id(context.span_id) if context else "",
        parent_id=format_span_id(span.parent.span_id) if span.parent else "",
        scope=span.instrumentation_scope.name if span.instrumentation_scope else "",
        started_ns=span.start_time,
        ended_ns=span.end_time,
        first_token_ns=first_token_ns,
        is_error=span.status.status_code is StatusCode.ERROR,
    )


def _plain(attributes: Any) -> dict[str, Any]:
    """A dict of the attributes. Copied by their own method, as each look-up in them takes the SDK a while."""
    copied = attributes.copy() if hasattr(attributes, "copy") else attributes
    return copied if type(copied) is dict else dict(copied or {})


def _client_of(span: FinishedSpan) -> str | None:
    client_id = span.attributes.get(CLIENT_ATTRIBUTE)
    return None if client_id is None else str(client_id)


def _attributes_of(context: UsageContext) -> dict[str, str | None]:
    who = {
        CLIENT_ATTRIBUTE: context.client_id,
        CONVERSATION_ATTRIBUTE: context.conversation_id,
        PHONE_ATTRIBUTE: context.phone,
    }
    return {name: None if value is None else str(value) for name, value in who.items()}


def _context_of(attributes: Mapping[str, Any]) -> UsageContext:
    return UsageContext(
        client_id=attributes.get(CLIENT_ATTRIBUTE),
        conversation_id=attributes.get(CONVERSATION_ATTRIBUTE),
        phone=attributes.get(PHONE_ATTRIBUTE),
    )


def _key(span: ReadableSpan) -> tuple[int, int] | None:
    return (span.context.trace_id, span.context.span_id) if span.context else None
