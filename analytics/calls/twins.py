"""Spans that are views of one call: two instrumentors, two processes or a gateway told of it.

A call that names its provider's response has its id from that. This is for the others: whose call a span is,
by client, tokens, instrumentor and time. Pure; store.py brings the calls that are in the database.
"""

import json
import re
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any, NamedTuple

from analytics.calls.row import COST_NOTHING, LINE_COLUMNS, NULL, UNASSIGNED_CLIENT, USAGE_MISSING, unescaped
from analytics.pricing.model_names import names

TOLERANCE = timedelta(milliseconds=5)
"""Clocks and rounding: a span may begin or end this much outside of the one that it is within."""
LATENESS = timedelta(seconds=2)
"""How long after the end of a call somebody may log it who does not tell how long it took."""
REACH = timedelta(minutes=1)
"""How long after a call a span around it may end, to be found."""
LONGEST = timedelta(hours=1)
"""How long before its end a span looks for stored calls within it: reading weeks would take too long."""
SEEN_BY = "seen_by"
"""Key of the metadata: further instrumentors that told of the call, each with its span."""
_MOST_LOOKED_AT = 200  # calls that one span is compared with, however many there are at once

_ID_KIND = re.compile(r"[a-z]+(?=[_-])")
_NOBODY = str(UNASSIGNED_CLIENT)
_MARK = '"scope":'
_METADATA, _LATENCY, _RESPONSE_ID, _OUTCOME, _CLIENT, _SOURCE, _MODEL, _OPERATION, *_OTHER_AMOUNTS = map(
    LINE_COLUMNS.index,
    (
        *("metadata", "latency_ms", "response_id", "outcome", "client_id", "source", "model", "operation"),
        *("duration_seconds", "character_count", "image_count"),
    ),
)


class Span(NamedTuple):
    """What of a call that came from a span tells which call it is."""

    client_id: str
    id: str
    """Of its line, or of its row: 32 hexadecimal digits."""
    scope: str
    """The instrumentor."""
    trace_id: str
    name: str
    """Trace and span id."""
    started_at: datetime
    ended_at: datetime
    amounts: tuple[Any, ...]
    """Prompt and completion tokens; where there are none seconds, characters and images."""
    has_usage: bool
    has_failed: bool
    source: str
    model: str | None
    operation: str | None
    response_id: str | None
    others: Mapping[str, str]
    """Scope -> name of the further views of the same call."""


class _Call:
    """A call so far."""

    def __init__(self, span: Span, *, is_stored: bool) -> None:
        # That of its row; else of the view that has the provider's response id, as others come to that, too.
        self.id = span.id
        self.ended_at = span.ended_at  # of the first view: its place in order
        self.fullest = span
        # Scope -> name, of the views that know as much of the usage as the fullest.
        self.views: Mapping[str, str] = {**span.others, span.scope: span.name}
        self.response_id = span.response_id
        self._is_stored = is_stored

    def add(self, span: Span) -> None:
        if span.has_usage and not self.fullest.has_usage:
            self.fullest, self.views = span, {}
        if span.has_usage == self.fullest.has_usage:
            self.views = {**span.others, span.scope: span.name, **self.views}
        if self.response_id is None and span.response_id is not None:
            self.response_id = span.response_id
            if not self._is_stored:
                self.id = span.id


def may_be_of_span(line: str) -> bool:
    """Whether the line may be a call that came from a span; what says no is not one."""
    return _MARK in line


def span_of_line(line: str) -> Span | None:
    """What tells whose call it is; None for a call that did not come from a span."""
    fields = line[:-1].split("\t")
    client_id, metadata, latency = fields[_CLIENT], fields[_METADATA], fields[_LATENCY]
    if metadata == NULL:
        return None
    prompt, completion = int(fields[2]), int(fields[3])
    others = () if prompt or completion else [fields[place] for place in _OTHER_AMOUNTS]
    return span_of(
        _NOBODY if client_id == NULL else client_id,
        fields[0].replace("-", ""),
        datetime.fromisoformat(fields[1]),
        None if latency == NULL else int(latency),
        (prompt, completion, *(None if amount == NULL else Decimal(amount) for amount in others)),
        int(fields[4]),
        fields[_OUTCOME],
        fields[_SOURCE],
        None if fields[_MODEL] == NULL else fields[_MODEL],
        None if fields[_OPERATION] == NULL else fields[_OPERATION],
        None if fields[_RESPONSE_ID] == NULL else unescaped(fields[_RESPONSE_ID]),
        json.loads(unescaped(metadata)),
    )


def span_of(
    client_id: str,
    call_id: str,
    created_at: datetime,
    latency_ms: int | None,
    amounts: Sequence[Any],
    total_tokens: int,
    outcome: str | None,
    source: str,
    model: str | None,
    operation: str | None,
    response_id: str | None,
    metadata: object,
) -> Span | None:
    """The same of the columns of a row; `amounts` are prompt, completion, seconds, characters and images."""
    if not isinstance(metadata, dict):
        return None
    get = metadata.get
    scope, trace, span, others = get("scope"), get("trace_id"), get("span_id"), get(SEEN_BY)
    if not (isinstance(scope, str) and isinstance(trace, str) and isinstance(span, str) and scope and span):
        return None
    has_failed = outcome in COST_NOTHING
    has_amounts = total_tokens > 0 or any(amounts)
    return Span(
        client_id,
        call_id,
        scope,
        trace,
        f"{trace}-{span}",
        created_at - timedelta(milliseconds=latency_ms) if latency_ms else created_at,
        created_at,
        tuple(amounts[:2] if amounts[0] or amounts[1] else amounts),
        has_amounts or (USAGE_MISSING not in metadata and not has_failed),
        has_failed,
        source,
        model,
        operation,
        response_id,
        others if isinstance(others, dict) else {},
    )


def looked_for(spans: Iterable[Span]) -> list[tuple[str, datetime, datetime]]:
    """Client, first and last end of the calls that may be the same as one of these; no time comes twice."""
    windows: list[tuple[str, datetime, datetime]] = []
    for client_id, first, last in sorted(
        (span.client_id, max(_first_end(span), span.ended_at - LONGEST), span.ended_at + REACH)
        for span in spans
    ):
        if windows and windows[-1][0] == client_id and first <= windows[-1][2]:
            windows[-1] = (client_id, windows[-1][1], max(last, windows[-1][2]))
        else:
            windows.append((client_id, first, last))
    return windows


def find_twins(stored: Sequence[Span], incoming: Sequence[Span]) -> dict[tuple[str, str], str]:
    """The incoming spans, by client and id, that are views of a call with another id: to that id.

    Each call has one view of each instrumentor, so that two equal calls at once stay two. In whatever order
    the spans come, the calls are the same: those with usage are looked at first, by their time.
    """
    calls = _Calls()
    for span in stored:
        calls.begin(span, is_stored=True)
    found: list[tuple[Span, _Call]] = []
    for span in sorted(_that_may_be_known(stored, incoming), key=_order):
        call = calls.of(span)
        if call is None:
            call = calls.begin(span, is_stored=False)
        else:
            calls.add(call, span)
        found.append((span, call))
    return {(span.client_id, span.id): call.id for span, call in found if call.id != span.id}


def _order(span: Span) -> tuple[Any, ...]:
    return not span.has_usage, *_time(span), span.scope, span.name


def _that_may_be_known(stored: Sequence[Span], incoming: Sequence[Span]) -> Iterator[Span]:
    """Those of which there may be another view: most are the only ones of their kind."""
    scope_of: dict[tuple[Any, ...], str] = {}
    several: set[tuple[Any, ...]] = set()
    wrapped = {
        (span.client_id, span.trace_id)
        for spans in (stored, incoming)
        for span in spans
        if not span.has_usage
    }
    views = {
        (scope, name) for span in stored for scope, name in (*span.others.items(), (span.scope, span.name))
    }
    for spans in (stored, incoming):
        for span in spans:
            amounts = span.client_id, span.amounts
            if scope_of.setdefault(amounts, span.scope) != span.scope:
                several.add(amounts)
    for span in incoming:
        if (
            not span.has_usage
            or (span.client_id, span.amounts) in several
            or (span.client_id, span.trace_id) in wrapped
            or (span.scope, span.name) in views
        ):
            yield span


class _Calls:
    """Calls in the order of their end, by what a view of them may be known by."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[Any, ...], dict[str, list[_Call]]] = {}
        """For each instrumentor a list."""
        self._by_id: dict[tuple[str, str], _Call] = {}
        self._by_view: dict[tuple[str, str, str], _Call] = {}

    def begin(self, span: Span, *, is_stored: bool) -> _Call:
        call = _Call(span, is_stored=is_stored)
        self._by_id[span.client_id, span.id] = call
        for scope, name in call.views.items():
            self._by_view[span.client_id, scope, name] = call
        self._file(call)
        return call

    def add(self, call: _Call, span: Span) -> None:
        fullest = call.fullest
        call.add(span)
        self._by_view[span.client_id, span.scope, span.name] = call
        if call.fullest is not fullest:
            self._file(call)

    def of(self, span: Span) -> _Call | None:
        """The call that the span is a view of, the nearest if there are several."""
        known = self._by_id.get((span.client_id, span.id))
        known = known or self._by_view.get((span.client_id, span.scope, span.name))
        if known is not None:
            return known
        near = [call for call in self._around(span) if _is_same(span, call)]
        return min(near, key=lambda call: _distance(span, call), default=None)

    def _file(self, call: _Call) -> None:
        for key in _keys(call.fullest):
            scope = "" if key[0] == "trace" else call.fullest.scope
            insort(self._by_key.setdefault(key, {}).setdefault(scope, []), call, key=_ENDED_AT)

    def _around(self, span: Span) -> Iterator[_Call]:
        for key in _looked_up(span):
            for scope, calls in self._by_key.get(key, {}).items():
                if scope != span.scope:
                    first = bisect_left(calls, _first_end(span), key=_ENDED_AT)
                    last = bisect_right(calls, span.ended_at + REACH, key=_ENDED_AT)
                    yield from calls[first : min(last, first + _MOST_LOOKED_AT)]


_ENDED_AT = attrgetter("ended_at")


def _keys(span: Span) -> list[tuple[Any, ...]]:
    """Where a call is filed."""
    keys = _without_trace(span)
    if span.trace_id:
        keys.append(("trace", span.client_id, span.trace_id, span.has_usage))
    return keys


def _looked_up(span: Span) -> list[tuple[Any, ...]]:
    """Where the call of a span may be filed."""
    keys = _without_trace(span)
    if span.trace_id:
        keys.append(("trace", span.client_id, span.trace_id, False))
        if not span.has_usage:
            keys.append(("trace", span.client_id, span.trace_id, True))
    return keys


def _without_trace(span: Span) -> list[tuple[Any, ...]]:
    if span.has_usage:
        return [("amounts", span.client_id, span.amounts)]
    return [("failed", span.client_id)] if span.has_failed else []


def _is_same(span: Span, call: _Call) -> bool:
    fullest = call.fullest
    if _are_of_two_kinds(span, fullest):
        return False
    is_one_trace = span.trace_id == fullest.trace_id != ""
    is_within, is_around = _contains(fullest, span), _contains(span, fullest)
    if span.has_usage != fullest.has_usage and is_one_trace and (is_within if span.has_usage else is_around):
        return True  # a wrapper that does not know the tokens
    is_another_view = (
        span.scope not in call.views
        and not _are_of_two_responses(span.response_id, call.response_id)
        and (is_one_trace or _may_name_one_model(span, fullest))
    )
    if not is_another_view or not (is_within or is_around):
        return False
    if span.has_usage and fullest.has_usage:
        return span.amounts == fullest.amounts
    if span.has_usage or fullest.has_usage:
        # The inner one does not know the tokens: of a stream, say. A failure within is an attempt of its own.
        return is_one_trace and not (fullest if span.has_usage else span).has_failed
    return span.has_failed == fullest.has_failed and (span.has_failed or is_one_trace)


def _are_of_two_responses(one: str | None, other: str | None) -> bool:
    """False where one is the id of the request, say, or a gateway's own (req_1 and msg_1)."""
    if one is None or other is None or one == other:
        return False
    mine, theirs = _ID_KIND.match(one), _ID_KIND.match(other)
    return mine is None or theirs is None or mine[0] == theirs[0]


def _are_of_two_kinds(one: Span, other: Span) -> bool:
    """While an answer is still being read something else is embedded, say, or another model is asked."""
    if one.operation and other.operation and _kind(one.operation) != _kind(other.operation):
        return True
    return (
        one.scope == other.scope
        and one.has_usage != other.has_usage
        and one.model is not None
        and other.model is not None
        and not {*names(one.model.lower())} & {*names(other.model.lower())}
    )


def _kind(operation: str) -> str:
    return "text" if operation in ("chat", "text_completion", "generate_content", "responses") else operation


def _may_name_one_model(one: Span, other: Span) -> bool:
    """False where two providers were asked the same at once; a gateway may name "openai/gpt-4"."""
    if one.source == other.source or one.model is None or other.model is None:
        return True
    mine, theirs = (model.lower().rpartition("/")[2] for model in (one.model, other.model))
    return mine in theirs or theirs in mine


def _contains(around: Span, within: Span) -> bool:
    late = LATENESS if within.started_at == within.ended_at else TOLERANCE
    return around.started_at - TOLERANCE <= within.started_at and within.ended_at <= around.ended_at + late


def _first_end(span: Span) -> datetime:
    """The earliest end of a call that it may be a view of."""
    return span.started_at - (LATENESS if span.started_at == span.ended_at else TOLERANCE)


def _distance(span: Span, call: _Call) -> tuple[Any, ...]:
    fullest = call.fullest
    apart = abs(span.started_at - fullest.started_at) + abs(span.ended_at - fullest.ended_at)
    return (span.trace_id != fullest.trace_id, apart, *_time(fullest), fullest.name)


def _time(span: Span) -> tuple[datetime, datetime]:
    return span.ended_at, span.started_at
