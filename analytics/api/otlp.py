"""OTLP over HTTP: the messages of all signals, as protobuf or JSON, counted before they are built."""

import base64
import binascii
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from fastapi import HTTPException
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from analytics import bounded_json
from analytics.api import wire
from analytics.calls.usage.fields import snake

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
CONTENT_TYPES = (PROTOBUF, JSON)
MAX_NAME_CHARACTERS = 200
"""Of a scope, a span or an event: names are kept for a while."""

# Ids in OTLP's JSON are hexadecimal, and base64 in protobuf's.
_ID_LENGTHS = {"traceId": 16, "spanId": 8, "parentSpanId": 8}


class Signal(NamedTuple):
    """What an export request has many of, and how many are taken at once."""

    name: str
    """As in `not an OTLP trace export`."""
    items: str
    """As people call them."""
    field: str
    """Of OTLP's JSON, which may be written in snake case, too."""
    path: tuple[str, str, str]
    """Fields of an export request: of a resource, of a scope within it, of what that tells."""
    descriptors: Collection[Descriptor]
    most: int


class Item(NamedTuple):
    """One of what an export request tells."""

    resource: Mapping[str, Any]
    """Attributes of what made it."""
    scope: str
    """The instrumentation scope's name."""
    message: Any
    """OTLP's own, such as a Span."""


def items_in(body: bytes, content_type: str, request: Message, signal: Signal) -> Iterator[Item]:
    """What the export request in a body with one of CONTENT_TYPES tells.

    Raises:
        HTTPException: 400 if it is malformed, 413 if it has too much.
    """
    try:
        if content_type == PROTOBUF:
            _check_wire(body, request.DESCRIPTOR, signal)
            request.ParseFromString(body)
        else:
            content = bounded_json.loads(body)
            if not isinstance(content, dict):
                raise ValueError("not a JSON object")
            _check_number(_items_in(content, {signal.field, snake(signal.field)}), signal)
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
        raise HTTPException(400, f"the body is not an OTLP {signal.name} export: {reason}") from None
    of_resources, of_scopes, of_items = signal.path
    for resource in getattr(request, of_resources):
        of_all = attributes(resource.resource.attributes)
        for scope in getattr(resource, of_scopes):
            name = scope.scope.name[:MAX_NAME_CHARACTERS]
            for message in getattr(scope, of_items):
                yield Item(of_all, name, message)


def answered(content_type: str, answer: Message) -> bytes:
    """An answer in the request's format."""
    if content_type == PROTOBUF:
        return answer.SerializeToString()
    return json.dumps(json_format.MessageToDict(answer)).encode()


def checked_id(name: str, value: bytes) -> str:
    """The id as hexadecimal digits; "" where there is none.

    Raises:
        HTTPException: 400 if it has another length.
    """
    if len(value) not in (0, _ID_LENGTHS[name]):
        raise HTTPException(400, f"{name} must have {_ID_LENGTHS[name]} bytes, not {len(value)}")
    return value.hex()


def attributes(pairs: Any) -> Mapping[str, Any]:
    return {pair.key: value_of(pair.value) for pair in pairs}


def value_of(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [value_of(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: value_of(pair.value) for pair in value.kvlist_value.values}
    return None if kind is None else getattr(value, kind)


def _check_wire(body: bytes, root: Any, signal: Signal) -> None:
    items = 0
    for number, kind in enumerate(wire.fields(body, root)):
        items += kind in signal.descriptors
        _check_number(items, signal)
        if number >= bounded_json.MAX_VALUES:
            raise bounded_json.TooMuch(f"it has more than {number:,} fields: send less at once")


def _check_number(items: int, signal: Signal) -> None:
    if items > signal.most:
        raise HTTPException(413, f"at most {signal.most:,} {signal.items} at once: send fewer")


def _items_in(value: Any, fields: Collection[str]) -> int:
    """The number of items in OTLP's JSON, also under unknown fields."""
    if isinstance(value, list):
        return sum(_items_in(item, fields) for item in value)
    if not isinstance(value, dict):
        return 0
    own = sum(len(items) for name in fields if isinstance(items := value.get(name), list))
    return own + sum(_items_in(item, fields) for name, item in value.items() if name not in fields)


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
