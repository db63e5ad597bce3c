"""OTLP over HTTP: spans of any language's instrumentation become the same calls as those of this process."""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import HTTPException
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from analytics.tracking.spans import (
    CLIENT_ATTRIBUTE,
    CONVERSATION_ATTRIBUTE,
    PHONE_ATTRIBUTE,
    FinishedSpan,
)

PROTOBUF = "application/x-protobuf"
JSON = "application/json"

# Whose calls they are may also be said once, for all that an application does.
_OF_RESOURCE = (CLIENT_ATTRIBUTE, CONVERSATION_ATTRIBUTE, PHONE_ATTRIBUTE)
# Ids in OTLP's JSON are hexadecimal, and base64 in protobuf's.
_ID_LENGTHS = {"traceId": 16, "spanId": 8, "parentSpanId": 8}
_MAX_DEPTH = 64


def read_spans(body: bytes, content_type: str) -> Iterator[FinishedSpan]:
    """The finished spans in an export request.

    Raises:
        HTTPException: 400 or 415 where it is none.
    """
    request = _request(body, content_type)
    for resource in request.resource_spans:
        of_all = {
            name: value
            for name, value in _attributes(resource.resource.attributes).items()
            if name in _OF_RESOURCE
        }
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield FinishedSpan(
                    attributes={**of_all, **_attributes(span.attributes)},
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    scope=scope.scope.name,
                    ended_ns=span.end_time_unix_nano or None,
                    is_error=span.status.code == Status.STATUS_CODE_ERROR,
                )


def export_answer(content_type: str, rejected: int, reason: str | None) -> bytes:
    """The answer to an export request, in the format in which it came."""
    answer = ExportTraceServiceResponse()
    if rejected:
        answer.partial_success.rejected_spans = rejected
        answer.partial_success.error_message = reason or ""
    if content_type == PROTOBUF:
        return answer.SerializeToString()
    return json.dumps(json_format.MessageToDict(answer)).encode()


def _request(body: bytes, content_type: str) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    try:
        if content_type == PROTOBUF:
            request.ParseFromString(body)
        elif content_type == JSON:
            content = _with_base64_ids(json.loads(body))
            if not isinstance(content, dict):
                raise ValueError("it is no JSON object")
            json_format.ParseDict(
                content,
                request,
                ignore_unknown_fields=True,
                max_recursion_depth=_MAX_DEPTH,
            )
        else:
            raise HTTPException(415, f'content-type must be {PROTOBUF} or {JSON}, not "{content_type[:80]}"')
    except (
        DecodeError,
        json_format.ParseError,
        ValueError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise HTTPException(400, f"the body is no OTLP export of traces: {reason}") from None
    return request


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
