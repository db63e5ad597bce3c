"""OTLP over HTTP: spans of any language's instrumentation as calls."""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from fastapi import HTTPException
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from analytics import bounded_json
from analytics.api import wire
from analytics.api.models import MAX_RECORDS
from analytics.tracking.spans import FIRST_TOKEN_EVENTS, FinishedSpan, PassedOver

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
CONTENT_TYPES = (PROTOBUF, JSON)

# Ids in OTLP's JSON are hexadecimal, and base64 in protobuf's.
_ID_LENGTHS = {"traceId": 16, "spanId": 8, "parentSpanId": 8}
# A name of a scope is kept for a while: see DescribedSpans.
_MAX_SCOPE_CHARACTERS = 200
_MAX_NAMED = 10  # operations in a message


def read_spans(body: bytes, content_type: str) -> Iterator[FinishedSpan]:
    """The finished spans in an export request with one of CONTENT_TYPES.

    Raises:
        HTTPException: 400 if it is malformed, 413 if it has too many spans.
    """
    request = _request(body, content_type)
    for resource in request.resource_spans:
        of_all = _attributes(resource.resource.attributes)
        for scope in resource.scope_spans:
            scope_name = scope.scope.name[:_MAX_SCOPE_CHARACTERS]
            for span in scope.spans:
                _check_ids(span)
                yield FinishedSpan(
                    attributes=_attributes(span.attributes),
                    resource=of_all,
                    name=span.name[:_MAX_SCOPE_CHARACTERS],
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    scope=scope_name,
                    started_ns=span.start_time_unix_nano or None,
                    ended_ns=span.end_time_unix_nano or None,
                    first_token_ns=_first_token_ns(span),
                    is_error=span.status.code == Status.STATUS_CODE_ERROR,
                )


def export_answer(
    content_type: str, rejected: int, reason: str | None, passed_over: Mapping[PassedOver, int]
) -> bytes:
    """The answer to an export of spans, in the request's format.

    Spans that were passed over are a warning, as OTLP has it: a message, and none rejected.
    """
    messages = [reason] if reason else []
    if passed_over:
        named = [f"{span.operation} ({number}: {span.reason})" for span, number in passed_over.items()]
        more = f", and {len(named) - _MAX_NAMED} more" if len(named) > _MAX_NAMED else ""
        messages.append(
            f"{sum(passed_over.values())} spans look like calls of models and were passed over: "
            f"{', '.join(named[:_MAX_NAMED])}{more}"
        )
    answer = ExportTraceServiceResponse()
    if messages:
        answer.partial_success.rejected_spans = rejected
        answer.partial_success.error_message = "; ".join(messages)
    return _as(content_type, answer)


def ignored_answer(content_type: str, signal: Literal["metrics", "logs"]) -> bytes:
    """The answer to an export of metrics or logs, which are not read."""
    answer = ExportMetricsServiceResponse() if signal == "metrics" else ExportLogsServiceResponse()
    answer.partial_success.error_message = (
        f"{signal} are not read: calls of models come from spans, which POST /v1/traces takes"
    )
    return _as(content_type, answer)


def _as(content_type: str, answer: Message) -> bytes:
    if content_type == PROTOBUF:
        return answer.SerializeToString()
    return json.dumps(json_format.MessageToDict(answer)).encode()


def _first_token_ns(span: Span) -> int | None:
    for event in span.events:
        if event.name in FIRST_TOKEN_EVENTS:
            return event.time_unix_nano or None
    return None


def _request(body: bytes, content_type: str) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    try:
        if content_type == PROTOBUF:
            _check_wire(body)
            request.ParseFromString(body)
        else:
            content = bounded_json.loads(body)
            if not isinstance(content, dict):
                raise ValueError("not a JSON object")
            _check_number(_spans_in(content))
            json_format.ParseDict(
                _with_base64_ids(content),
                request,
                ignore_unknown_fields=True,
                max_recursion_depth=bounded_json.MAX_DEPTH,
            )
    except bounded_json.TooMuch as error:
        raise HTTPException(413, f"the body has too many values: {error}") from None
    except (
        DecodeError,
        json_format.ParseError,
        ValueError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise HTTPException(400, f"the body is not an OTLP trace export: {reason}") from None
    return request


def _check_wire(body: bytes) -> None:
    spans = 0
    for number, kind in enumerate(wire.fields(body, ExportTraceServiceRequest.DESCRIPTOR)):
        spans += kind is Span.DESCRIPTOR
        _check_number(spans)
        if number >= bounded_json.MAX_VALUES:
            raise bounded_json.TooMuch(f"it has more than {number:,} fields: send less at once")


def _check_number(spans: int) -> None:
    if spans > MAX_RECORDS:
        raise HTTPException(413, f"at most {MAX_RECORDS:,} spans at once: send fewer")


def _spans_in(value: Any) -> int:
    """The number of spans in OTLP's JSON, also under unknown fields."""
    if isinstance(value, list):
        return sum(map(_spans_in, value))
    if not isinstance(value, dict):
        return 0
    spans = value.get("spans")
    own = len(spans) if isinstance(spans, list) else 0
    return own + sum(_spans_in(item) for name, item in value.items() if name != "spans")


def _check_ids(span: Span) -> None:
    for name, value in (
        ("traceId", span.trace_id),
        ("spanId", span.span_id),
        ("parentSpanId", span.parent_span_id),
    ):
        if len(value) not in (0, _ID_LENGTHS[name]):
            raise HTTPException(400, f"{name} must have {_ID_LENGTHS[name]} bytes, not {len(value)}")


def _with_base64_ids(value: Any) -> Any:
    if isinstance(value, str):
        # JavaScript cuts long texts anywhere; half a character is no reason to refuse all spans.
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_with_base64_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _base64_id(name, item) if name in _ID_LENGTHS else _with_base64_ids(item)
        for name, item in value.items()
    }


def _base64_id(name: str, text: Any) -> str | None:
    if text is None:
        return None
    try:
        raw = bytes.fromhex(text)
    except (TypeError, ValueError, binascii.Error):
        raise ValueError(f"{name} must be hexadecimal") from None
    if len(raw) not in (0, _ID_LENGTHS[name]):
        raise ValueError(f"{name} must have {2 * _ID_LENGTHS[name]} hexadecimal digits")
    return base64.b64encode(raw).decode()


def _attributes(pairs: Any) -> Mapping[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _value(pair.value) for pair in value.kvlist_value.values}
    return None if kind is None else getattr(value, kind)
