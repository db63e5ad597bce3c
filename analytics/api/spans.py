"""Spans of any language's instrumentation, by OTLP."""

from collections.abc import Iterator, Mapping

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from analytics.api import otlp
from analytics.api.models import MAX_RECORDS
from analytics.tracking.spans import FIRST_TOKEN_EVENTS, FinishedSpan, PassedOver

_PATH = ("resource_spans", "scope_spans", "spans")
_SIGNAL = otlp.Signal("trace", "spans", "spans", _PATH, (Span.DESCRIPTOR,), MAX_RECORDS)
_MAX_NAMED = 10  # operations in a message


def read_spans(body: bytes, content_type: str) -> Iterator[FinishedSpan]:
    """The finished spans in an export request with one of otlp.CONTENT_TYPES.

    Raises:
        HTTPException: 400 if it is malformed, 413 if it has too many spans.
    """
    for resource, scope, span in otlp.items_in(body, content_type, ExportTraceServiceRequest(), _SIGNAL):
        yield FinishedSpan(
            attributes=otlp.attributes(span.attributes),
            resource=resource,
            name=span.name[: otlp.MAX_NAME_CHARACTERS],
            trace_id=otlp.checked_id("traceId", span.trace_id),
            span_id=otlp.checked_id("spanId", span.span_id),
            parent_id=otlp.checked_id("parentSpanId", span.parent_span_id),
            scope=scope,
            started_ns=span.start_time_unix_nano or None,
            ended_ns=span.end_time_unix_nano or None,
            first_token_ns=_first_token_ns(span),
            is_error=span.status.code == Status.STATUS_CODE_ERROR,
        )


def export_answer(
    content_type: str, rejected: int, reason: str | None, passed_over: Mapping[PassedOver, int]
) -> bytes:
    """The answer to an export of spans, in the request's format."""
    answer = ExportTraceServiceResponse()
    if message := message_about("spans", reason, passed_over):
        answer.partial_success.rejected_spans = rejected
        answer.partial_success.error_message = message
    return otlp.answered(content_type, answer)


def message_about(items: str, reason: str | None, passed_over: Mapping[PassedOver, int]) -> str:
    """Why some were rejected. Those that were passed over are a warning, as OTLP has it: a message, and none
    rejected."""
    messages = [reason] if reason else []
    if passed_over:
        named = [f"{span.operation} ({number}: {span.reason})" for span, number in passed_over.items()]
        more = f", and {len(named) - _MAX_NAMED} more" if len(named) > _MAX_NAMED else ""
        messages.append(
            f"{sum(passed_over.values())} {items} look like calls of models and were passed over: "
            f"{', '.join(named[:_MAX_NAMED])}{more}"
        )
    return "; ".join(messages)


def _first_token_ns(span: Span) -> int | None:
    for event in span.events:
        if event.name in FIRST_TOKEN_EVENTS:
            return event.time_unix_nano or None
    return None
