"""Events of Langfuse's SDKs (`POST /api/public/ingestion`) as finished spans: generations are calls.

An SDK tells of a generation, and of the trace around it, in several events, which come in any order and in
several requests: what is known so far is kept in memory for a while.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from cachetools import LRUCache

from analytics.calls.usage.fields import kept
from analytics.tracking.spans import FinishedSpan, PassedOver, read_span
from analytics.tracking.spans.attributes import text_of

SCOPE = "langfuse-sdk"
"""As Langfuse's SDKs name theirs in OpenTelemetry, too."""
NO_CALL = "no call: acknowledged, and not kept"
WAITS = "it waits for the event that begins it"
_MOST = 20_000  # generations and traces that are kept in memory, of all clients

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


class _Generation:
    """What is known of one so far."""

    def __init__(self) -> None:
        self.kind = "generation"
        self.is_created = False
        self.body: dict[str, Any] = {}


class Generations:
    """The generations and traces of all clients, the newest. Any thread may use it."""

    def __init__(self) -> None:
        self._generations: LRUCache[tuple[str, str], _Generation] = LRUCache(_MOST)
        self._traces: LRUCache[tuple[str, str], dict[str, Any]] = LRUCache(_MOST)
        self._of_trace: LRUCache[tuple[str, str], set[str]] = LRUCache(_MOST)
        self._lock = threading.Lock()

    def take(self, client_id: str, events: Iterable[Mapping[str, Any]]) -> tuple[list[Call], list[str]]:
        """The calls that these events complete or add to, and the types of all other events."""
        told: dict[str, list[str]] = {}
        others: list[str] = []
        with self._lock:
            for event in events:
                kind, body = _kind(event), event["body"]
                if kind == "trace":
                    self._add_trace(client_id, body, told)
                elif kind in _CALLS and (name := text_of(body.get("id"))) is not None:
                    generation = self._add_generation(client_id, name, kind, body)
                    generation.is_created |= str(event.get("type")).endswith("-create")
                    told.setdefault(name, []).append(str(event["id"]))
                else:
                    others.append(str(event.get("type"))[:100])
            return list(self._calls(client_id, told)), others

    def _add_trace(self, client_id: str, body: Mapping[str, Any], told: dict[str, list[str]]) -> None:
        trace_id = text_of(body.get("id"))
        if trace_id is None:
            return
        known = self._traces.setdefault((client_id, trace_id), {})
        further = {name: body[name] for name in _OF_TRACE if body.get(name) is not None}
        if further.items() <= known.items():
            return
        known.update(further)
        for name in self._of_trace.get((client_id, trace_id), ()):
            told.setdefault(name, [])

    def _add_generation(self, client_id: str, name: str, kind: str, body: Mapping[str, Any]) -> _Generation:
        known = self._generations.setdefault((client_id, name), _Generation())
        known.kind = kind
        known.body.update({each: body[each] for each in _KEPT if body.get(each) is not None})
        if (trace_id := text_of(known.body.get("traceId"))) is not None:
            self._of_trace.setdefault((client_id, trace_id), set()).add(name)
        return known

    def _calls(self, client_id: str, told: Mapping[str, list[str]]) -> Iterator[Call]:
        for name, event_ids in told.items():
            known = self._generations.get((client_id, name))
            if known is None or not _has_ended(known.body):
                continue  # a further event will end it
            trace = self._traces.get((client_id, str(known.body.get("traceId"))), {})
            described = read_span(_span(name, known, trace))
            if described is None:
                continue
            if isinstance(described, PassedOver) and not known.is_created:
                described = PassedOver(f"{known.kind}-update", WAITS, is_expected=True)
            if not isinstance(described, PassedOver):
                metadata = {**_object(trace.get("metadata")), **_object(known.body.get("metadata"))}
                described["metadata"] |= {"langfuse": kept(metadata)} if metadata else {}
                if described["response_id"] is None:
                    described["id"] = f"langfuse {name}"
            yield Call(tuple(event_ids), described)


_SAID_OF_TRACE = ("session.id", "user.id", "langfuse.session.id", "langfuse.user.id", "langfuse.trace.tags")


def with_facts_of_traces(spans: Iterable[FinishedSpan]) -> list[FinishedSpan]:
    """The spans; those of Langfuse with what another span of their trace says of all of it.

    Its SDK 3 writes session, user and tags to the span that is current when they are told.
    """
    listed = list(spans)
    of_trace: dict[str, dict[str, Any]] = {}
    for span in listed:
        if span.scope == SCOPE:
            said = {name: span.attributes[name] for name in _SAID_OF_TRACE if name in span.attributes}
            if said:
                of_trace.setdefault(span.trace_id, {}).update(said)
    return [
        span._replace(attributes={**of_trace[span.trace_id], **span.attributes})
        if span.scope == SCOPE and span.trace_id in of_trace
        else span
        for span in listed
    ]


def _kind(event: Mapping[str, Any]) -> str:
    kind = str(event.get("type")).partition("-")[0].lower()
    if kind == "observation":  # of SDKs before 2.0, which say in the body what it is
        kind = str(event["body"].get("type")).lower()
    return kind


def _has_ended(body: Mapping[str, Any]) -> bool:
    return bool(
        body.get("endTime") or body.get("usage") or body.get("usageDetails") or body.get("level") == "ERROR"
    )


def _span(name: str, generation: _Generation, trace: Mapping[str, Any]) -> FinishedSpan:
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
        scope=SCOPE,
        started_ns=started,
        ended_ns=_nanoseconds(body.get("endTime")) or started,
        is_error=body.get("level") == "ERROR",
    )


def _usage(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    details, usage = _object(body.get("usageDetails")), _object(body.get("usage"))
    if details or not usage:
        return details or None
    unit = _UNITS.get(str(usage.get("unit")))
    if unit is not None:
        amount = usage.get("total") or (usage.get("input") or 0) + (usage.get("output") or 0)
        return {unit: amount}
    if usage.get("unit") == "MILLISECONDS":
        return {"seconds": float(usage.get("total") or usage.get("input") or 0) / 1000}
    return {name: value for name, value in usage.items() if not name.endswith(("Cost", "unit"))}


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _nanoseconds(moment: Any) -> int | None:
    try:
        return int(datetime.fromisoformat(str(moment)).timestamp() * 1_000_000) * 1_000
    except (ValueError, OverflowError):
        return None
