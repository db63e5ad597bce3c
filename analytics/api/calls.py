"""Calls of requests (JSON records and spans) as the arguments of make_call()."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from cachetools import LRUCache
from pydantic import ValidationError

from analytics.api.models import UsageRecord
from analytics.calls.row import is_uuid
from analytics.tracking.spans import FinishedSpan, SeenCalls, record_of_span

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
    return {"model": None, **arguments}


class _ClientSpans:
    """A client's spans so far: which are second views of a call, decided once.

    A span that comes again, because the first answer was an error or got lost, is decided as it was then: of
    a call's two views, neither may now pass for the other's.
    """

    def __init__(self) -> None:
        self._calls = SeenCalls(_MAX_SPANS)
        self._decided: LRUCache[tuple[str, str], bool] = LRUCache(_MAX_SPANS)

    def is_repeat(self, span: FinishedSpan, arguments: Mapping[str, Any]) -> bool:
        name = span.trace_id, span.span_id
        decided = self._decided.get(name)
        if decided is None:
            decided = self._decided[name] = self._calls.is_repeat(span, arguments)
        return decided


class DescribedSpans:
    """The calls among the spans that clients send; remembers them, as two instrumentors may see one call."""

    def __init__(self) -> None:
        self._seen: LRUCache[UUID, _ClientSpans] = LRUCache(_MAX_CLIENTS)
        self._lock = threading.Lock()

    def of(self, spans: Iterable[FinishedSpan], client_id: UUID) -> Iterator[Described]:
        """The calls among spans that came with a key of this client."""
        for span in spans:
            arguments = record_of_span(span)
            if arguments is None or self._is_repeat(client_id, span, arguments):
                continue
            refusal = _of_another(arguments.pop("client_id"), client_id)
            yield arguments if refusal is None else refusal

    def _is_repeat(self, client_id: UUID, span: FinishedSpan, arguments: Mapping[str, Any]) -> bool:
        with self._lock:
            seen = self._seen.get(client_id)
            if seen is None:
                seen = self._seen[client_id] = _ClientSpans()
            return seen.is_repeat(span, arguments)


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
