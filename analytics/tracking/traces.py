"""What a span of Langfuse's SDKs says of its whole trace: session, user and tags, for all calls in it.

`update_current_trace()` of version 3 writes them to whichever span is current, and that may end long after
the calls were sent: then these are told of again, and their rows have what they lacked.
"""

import threading
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from cachetools import LRUCache

from analytics.tracking.spans import FinishedSpan
from analytics.tracking.spans.identity import LANGFUSE

_OF_TRACE = ("session.id", "user.id", "langfuse.session.id", "langfuse.user.id", "langfuse.trace.tags")
_CALLS = ("generation", "embedding")
_MOST_BYTES = 32_000_000  # of all traces in memory
_MOST_SPANS = 1_000  # of a trace
_LONGEST = 500  # characters of an attribute: the texts of people are longer


class _Trace(NamedTuple):
    said: Mapping[str, Any] = MappingProxyType({})
    calls: tuple[FinishedSpan, ...] = ()
    """Without their texts."""

    def size(self) -> int:
        """About its bytes."""
        return 500 + sum(len(str(span.attributes)) + len(str(span.resource)) + 500 for span in self.calls)


class Traces:
    """The newest traces of all clients. Any thread may use it."""

    def __init__(self) -> None:
        self._traces: LRUCache[tuple[str, str], _Trace] = LRUCache(_MOST_BYTES, getsizeof=_Trace.size)
        self._lock = threading.Lock()

    def complete(self, client_id: str, spans: Iterable[FinishedSpan]) -> list[FinishedSpan]:
        """The spans, those of Langfuse with what their traces say; then calls of before, of which these say
        more."""
        listed = list(spans)
        of_trace: dict[str, list[FinishedSpan]] = {}
        for span in listed:
            if span.scope == LANGFUSE:
                of_trace.setdefault(span.trace_id, []).append(span)
        again: list[FinishedSpan] = []
        said: dict[str, Mapping[str, Any]] = {}
        with self._lock:
            for trace_id, own in of_trace.items():
                known = self._traces.get((client_id, trace_id), _NOTHING)
                now = _said_by(own)
                said[trace_id] = {**known.said, **now}
                # Also where nothing is new: the request before may have failed, and come again.
                lacking = (span for span in known.calls if not now.keys() <= span.attributes.keys())
                again += [_with(span, said[trace_id]) for span in lacking]
                calls = {span.span_id: span for span in (*known.calls, *map(_small, filter(_is_call, own)))}
                newest = tuple(calls.values())[-_MOST_SPANS:]
                self._traces[client_id, trace_id] = _Trace(said[trace_id], newest)
        return [
            _with(span, said[span.trace_id]) if span.scope == LANGFUSE else span for span in listed
        ] + again


_NOTHING = _Trace()


def _said_by(spans: Iterable[FinishedSpan]) -> dict[str, Any]:
    return {name: span.attributes[name] for span in spans for name in _OF_TRACE if name in span.attributes}


def _is_call(span: FinishedSpan) -> bool:
    return span.attributes.get("langfuse.observation.type") in _CALLS


def _small(span: FinishedSpan) -> FinishedSpan:
    kept = {name: value for name, value in span.attributes.items() if len(str(value)) <= _LONGEST}
    return span._replace(attributes=kept)


def _with(span: FinishedSpan, said: Mapping[str, Any]) -> FinishedSpan:
    return span._replace(attributes={**said, **span.attributes}) if said else span
