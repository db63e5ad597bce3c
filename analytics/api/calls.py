"""Calls of requests (JSON records and spans) as the arguments of make_call()."""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from cachetools import LRUCache
from pydantic import ValidationError

from analytics.api.models import UsageRecord
from analytics.calls.row import is_uuid
from analytics.tracking import passed_over
from analytics.tracking.spans import FinishedSpan, PassedOver, SeenCalls, SpanCall, read_span

Described = Mapping[str, Any] | str
"""The arguments of make_call(), or why there are none."""

_MAX_NAMES = 100
_MAX_CLIENTS = 1_000
_MAX_SPANS = 2_000  # of a client


def described_record(record: Any, client_id: UUID) -> Described:
    """A record of POST /api/usage, sent with a key of this client."""
    if isinstance(record, dict) and len(record) > _MAX_NAMES:
        # The model would report each.
        return f"a record has {len(record):,} fields; allowed: {', '.join(UsageRecord.model_fields)}"
    try:
        checked = UsageRecord.model_validate(record, strict=True)
    except ValidationError as error:
        return _reason(error)
    arguments = checked.model_dump(exclude_unset=True)
    if (refusal := _of_another(arguments.pop("client_id", None), client_id)) is not None:
        return refusal
    if arguments.get("created_at") is not None:
        try:
            arguments["created_at"] = datetime.fromisoformat(arguments["created_at"])
        except ValueError:
            shown = repr(arguments["created_at"][:60])
            return f"created_at must be a moment such as 2026-03-18T12:00:00Z, not {shown}"
    return {"model": None, "must_be_known": True, **arguments}


class _ClientSpans:
    """A client's spans so far: which are second views of a call, decided once.

    A span that comes again, because the first answer was an error or got lost, is decided as it was then: of
    a call's two views, neither may now pass for the other's.
    """

    def __init__(self) -> None:
        self._calls = SeenCalls()
        self._decided: LRUCache[tuple[str, str], tuple[bool, UUID | None]] = LRUCache(_MAX_SPANS)

    def is_repeat(self, span: FinishedSpan, call: SpanCall) -> bool:
        name = span.trace_id, span.span_id
        decided = self._decided.get(name)
        if decided is None:
            is_repeat = self._calls.is_repeat(span, call.record, call.counted)
            decided = self._decided[name] = is_repeat, call.record["id"]
        is_repeat, call.record["id"] = decided
        return is_repeat


class DescribedSpans:
    """The calls among the spans that clients send; remembers them, as two instrumentors may see one call."""

    def __init__(self) -> None:
        self._seen: LRUCache[UUID, _ClientSpans] = LRUCache(_MAX_CLIENTS)
        self._lock = threading.Lock()

    def of(
        self, spans: Iterable[FinishedSpan], client_id: UUID
    ) -> tuple[list[Described], Counter[PassedOver]]:
        """The calls among spans that came with a key of this client, and what was passed over."""
        described: list[Described] = []
        over: Counter[PassedOver] = Counter()
        for span in spans:
            call = read_span(span)
            if call is None:
                continue
            if isinstance(call, PassedOver):
                over[passed_over.count(str(client_id), call)] += 1
                continue
            if (refusal := _of_another(call.record["client_id"], client_id)) is not None:
                described.append(refusal)
                continue
            call.record["client_id"] = str(client_id)
            if not self._is_repeat(client_id, span, call):
                described.append({name: value for name, value in call.record.items() if name != "client_id"})
        return described, over

    def _is_repeat(self, client_id: UUID, span: FinishedSpan, call: SpanCall) -> bool:
        with self._lock:
            seen = self._seen.get(client_id)
            if seen is None:
                seen = self._seen[client_id] = _ClientSpans()
            return seen.is_repeat(span, call)


def _of_another(named: str | None, client_id: UUID) -> str | None:
    """Why a call of the client that it names is refused, or None."""
    if named is None or (is_uuid(named.strip()) and UUID(named.strip()) == client_id):
        return None
    return f"client_id must be that of the key, {client_id}, or be left out"


def _reason(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_context=False)[0]
    name = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        return f'unknown field "{name[:60]}"; allowed: {", ".join(UsageRecord.model_fields)}'
    message = problem["msg"]
    return f"{name}: {message[:1].lower()}{message[1:]}" if name else "a record must be a JSON object"
