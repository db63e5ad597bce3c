"""Calls of requests (JSON records and spans) as the arguments of make_call()."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from analytics.api.models import UsageRecord
from analytics.calls.row import is_uuid
from analytics.calls.usage_objects import read_usage
from analytics.tracking import metered, passed_over
from analytics.tracking.litellm import call_of_litellm
from analytics.tracking.logs import LogRecord, span_of_log
from analytics.tracking.spans import FinishedSpan, PassedOver, read_span

Described = Mapping[str, Any] | str
"""The arguments of make_call(), or why there are none."""

_MAX_NAMES = 100


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


def described_litellm(payload: Any, client_id: UUID) -> Described:
    """A log of LiteLLM, sent with a key of this client."""
    if not isinstance(payload, dict) or payload.keys().isdisjoint(("call_type", "litellm_call_id")):
        return (
            "a log of LiteLLM must be an object with call_type and litellm_call_id (StandardLoggingPayload)"
        )
    return owned(call_of_litellm(payload), client_id)


def described_spans(
    spans: Iterable[FinishedSpan | PassedOver | None], client_id: UUID
) -> tuple[list[Described], Counter[PassedOver]]:
    """The calls among spans that came with a key of this client, and what was passed over."""
    described: list[Described] = []
    over: Counter[PassedOver] = Counter()
    for span in spans:
        record = read_span(span) if isinstance(span, FinishedSpan) else span
        if isinstance(record, PassedOver):
            over[passed_over.count(str(client_id), record)] += 1
        elif record is not None:
            described.append(owned(record, client_id))
    return described, over


def described_logs(logs: Iterable[LogRecord], client_id: UUID) -> tuple[list[Described], Counter[PassedOver]]:
    """The calls among log records that came with a key of this client, and what was passed over."""
    described, over = described_spans(map(span_of_log, logs), client_id)
    for call in described:
        if not isinstance(call, str) and call["usage"] is not None:
            tokens = read_usage(call["usage"], call["source"], call["model"]).usage.total_tokens
            metered.count_call(str(client_id), call["metadata"]["scope"], tokens)
    return described, over


def metrics_message(points: Iterable[metered.Metered], client_id: UUID) -> str | None:
    """What to tell who sent metrics: that they make no calls, unless their calls come, too."""
    agents = metered.count_metrics(str(client_id), points)
    told = metered.told(str(client_id))
    silent = [agent for agent in agents if not told[agent].by_logs]
    if silent:
        return (
            f"metrics of {' and '.join(silent)} make no calls, and no log of a call has come: "
            "send logs, too (OTEL_LOGS_EXPORTER=otlp)"
        )
    return None if agents else "metrics are not read: calls of models come from spans and logs"


def owned(record: dict[str, Any], client_id: UUID) -> Described:
    """The call without the client that it names, or why it is refused: another one than this."""
    refusal = _of_another(record.pop("client_id"), client_id)
    return record if refusal is None else refusal


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
