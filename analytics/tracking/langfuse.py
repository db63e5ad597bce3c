"""Events of Langfuse's SDKs (`POST /api/public/ingestion`) as finished spans: generations are calls.

An SDK tells of a generation, and of the trace around it, in several events, which come in any order and in
several requests: what is known so far is kept in memory for a while.
"""

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from cachetools import LRUCache

from analytics.calls.usage.fields import kept
from analytics.calls.validation import number_in
from analytics.tracking.spans import FinishedSpan, PassedOver, read_span
from analytics.tracking.spans.attributes import text_of
from analytics.tracking.spans.identity import LANGFUSE

NO_CALL = "no call: acknowledged, and not kept"
WAITS = "it waits for the event that begins it"
_MOST_BYTES = 32_000_000  # of generations and traces in memory, of all clients
_MOST_OF_TRACE = 5_000  # generations that are told of it when more is known of their trace
_LONGEST = 500  # characters of a text

_CALLS = ("generation", "embedding")
_KEPT = (
    *("traceId", "model", "startTime", "endTime", "completionStartTime", "usage", "usageDetails"),
    *("costDetails", "level", "metadata", "promptName", "promptVersion", "environment"),
)
_OF_TRACE = ("sessionId", "userId", "tags", "metadata", "release", "environment")
_UNITS = {"SECONDS": "seconds", "CHARACTERS": "characters", "IMAGES": "images"}
"""Of Langfuse's older usage objects: what is counted is no token."""


class Call(NamedTuple):
    """A call that events told of."""

    event_ids: tuple[str, ...]
    """Of this request; none where only its trace was told of."""
    described: dict[str, Any] | PassedOver
    """The arguments of make_call(), or why there are none."""


class _Known(NamedTuple):
    """What is known of a generation or a trace so far."""

    kind: str = "trace"
    is_created: bool = False
    body: Mapping[str, Any] = MappingProxyType({})
    names: frozenset[str] = frozenset()
    """Of a trace: its generations."""

    def size(self) -> int:
        """About its bytes."""
        return 500 + len(json.dumps(dict(self.body))) + 100 * len(self.names)


class Generations:
    """The generations and traces of all clients, the newest. Any thread may use it."""

    def __init__(self) -> None:
        self._known: LRUCache[tuple[str, str, str], _Known] = LRUCache(_MOST_BYTES, getsizeof=_Known.size)
        self._lock = threading.Lock()

    def take(self, client_id: str, events: Iterable[Mapping[str, Any]]) -> tuple[list[Call], list[str]]:
        """The calls that these events complete or add to, and the types of all other events."""
        told: dict[str, list[str]] = {}
        others: list[str] = []
        with self._lock:
            for event in events:
                kind, body = _kind(event), event["body"]
                name = text_of(body.get("id"))
                if kind == "trace" and name is not None:
                    for generation in self._add_trace(client_id, name, body):
                        told.setdefault(generation, [])
                elif kind in _CALLS and name is not None:
                    is_created = str(event.get("type")).endswith("-create")
                    self._add_generation(client_id, name, _Known(kind, is_created, _small(body, _KEPT)))
                    told.setdefault(name, []).append(str(event["id"]))
                else:
                    others.append(str(event.get("type")))
            return list(self._calls(client_id, told)), others

    def _add_trace(self, client_id: str, trace_id: str, body: Mapping[str, Any]) -> frozenset[str]:
        """The generations of which this may tell more."""
        known = self._of("trace", client_id, trace_id)
        # Also where nothing is new: the request before may have failed, and come again.
        further = _small(body, _OF_TRACE)
        self._known["trace", client_id, trace_id] = known._replace(body={**known.body, **further})
        return known.names

    def _add_generation(self, client_id: str, name: str, further: _Known) -> None:
        known = self._of("generation", client_id, name)
        known = _Known(further.kind, known.is_created or further.is_created, {**known.body, **further.body})
        self._known["generation", client_id, name] = known
        if (trace_id := text_of(known.body.get("traceId"))) is not None:
            trace = self._of("trace", client_id, trace_id)
            if len(trace.names) < _MOST_OF_TRACE:
                self._known["trace", client_id, trace_id] = trace._replace(names=trace.names | {name})

    def _of(self, kind: str, client_id: str, name: object) -> _Known:
        return self._known.get((kind, client_id, str(name)), _NOTHING_KNOWN)

    def _calls(self, client_id: str, told: Mapping[str, list[str]]) -> Iterator[Call]:
        for name, event_ids in told.items():
            known = self._of("generation", client_id, name)
            if not _has_ended(known.body):
                continue  # a further event will end it
            trace = self._of("trace", client_id, known.body.get("traceId")).body
            described = read_span(_span(name, known, trace))
            if described is None:
                continue
            if isinstance(described, PassedOver):
                if not known.is_created:
                    described = PassedOver(f"{known.kind}-update", WAITS, is_expected=True)
            else:
                metadata = {**_object(trace.get("metadata")), **_object(known.body.get("metadata"))}
                described["metadata"] |= {"langfuse": metadata} if metadata else {}
            yield Call(tuple(event_ids), described)


_NOTHING_KNOWN = _Known()


def _small(body: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """What the body tells of these, as far as it is kept in memory."""
    found: dict[str, Any] = {}
    for name in names:
        value = body.get(name)
        if isinstance(value, str):
            found[name] = value[:_LONGEST]
        elif value is not None:
            found[name] = kept(value)
    return found


def _kind(event: Mapping[str, Any]) -> str:
    kind = str(event.get("type")).partition("-")[0].lower()
    if kind == "observation":  # of SDKs before 2.0, which say in the body what it is
        kind = str(event["body"].get("type")).lower()
    return kind


def _has_ended(body: Mapping[str, Any]) -> bool:
    return bool(
        body.get("endTime") or body.get("usage") or body.get("usageDetails") or body.get("level") == "ERROR"
    )


def _span(name: str, generation: _Known, trace: Mapping[str, Any]) -> FinishedSpan:
    body = generation.body
    started = _nanoseconds(body.get("startTime"))
    attributes = {
        "langfuse.observation.type": generation.kind,
        "langfuse.observation.model.name": body.get("model"),
        "langfuse.observation.usage_details": _usage(body),
        "langfuse.observation.cost_details": _object(body.get("costDetails")) or None,
        "langfuse.observation.completion_start_time": body.get("completionStartTime"),
        "langfuse.observation.level": body.get("level"),
        "langfuse.observation.prompt.name": body.get("promptName"),
        "langfuse.observation.prompt.version": body.get("promptVersion"),
        "langfuse.environment": body.get("environment") or trace.get("environment"),
        "langfuse.session.id": trace.get("sessionId"),
        "langfuse.user.id": trace.get("userId"),
        "langfuse.trace.tags": trace.get("tags"),
        "service.version": trace.get("release"),
    }
    return FinishedSpan(
        attributes={each: value for each, value in attributes.items() if value is not None},
        name=name,
        trace_id=str(body.get("traceId") or name),
        span_id=name,
        scope=LANGFUSE,
        started_ns=started,
        ended_ns=_nanoseconds(body.get("endTime")) or started,
        is_error=body.get("level") == "ERROR",
    )


def _usage(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    details, usage = _object(body.get("usageDetails")), _object(body.get("usage"))
    if details or not usage:
        return details or None
    unit = str(usage.get("unit"))
    if unit in _UNITS or unit == "MILLISECONDS":
        whole, one, other = (number_in(usage.get(name)) or 0 for name in ("total", "input", "output"))
        amount = whole or one + other
        return {"seconds": amount / 1000} if unit == "MILLISECONDS" else {_UNITS[unit]: amount}
    return {name: value for name, value in usage.items() if not name.endswith(("Cost", "unit"))}


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _nanoseconds(moment: Any) -> int | None:
    try:
        return int(datetime.fromisoformat(str(moment)).timestamp() * 1_000_000) * 1_000
    except (ValueError, OverflowError):
        return None
