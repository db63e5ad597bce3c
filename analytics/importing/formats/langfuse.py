"""Langfuse's observations: exports as CSV, JSON or JSON Lines, and the answer of /api/public/observations.

https://langfuse.com/docs/api-and-data-platform/features/export-from-ui. Generations and what else tells usage
are calls; spans and events are none.
"""

from decimal import Decimal
from typing import Any

from analytics.calls.validation import checked_count, number_in
from analytics.errors import InvalidInput
from analytics.importing.formats.format import Call, Format, PassedOver, Row, known, milliseconds, tags, texts
from analytics.pricing.providers import source_of

_USAGE_NAMES = {"input": "prompt_tokens", "output": "completion_tokens", "total": "total_tokens"}
_NO_CALLS = frozenset({"SPAN", "EVENT", "TRACE"})


def _call(row: Row) -> Call:
    kind = (row.text("type") or "GENERATION").upper()
    usage = _usage(row)
    if kind in _NO_CALLS:
        raise PassedOver(f"observations of type {kind}")
    if not usage and kind != "GENERATION":
        raise PassedOver(f"observations of type {kind} without usage")
    started, ended = row.time("startTime", "start_time", "timestamp"), row.time("endTime", "end_time")
    first = row.time("completionStartTime", "completion_start_time")
    model = row.text("providedModelName", "model", "internalModelId", "provided_model_name")
    level = row.text("level")
    metadata = row.object("metadata")
    told = metadata.get("ls_provider") or metadata.get("provider")
    latency = milliseconds(started, ended)
    return {
        **known(
            source=source_of(model=model, told=told if isinstance(told, str) else None),
            model=model,
            created_at=started,
            id=None if (name := row.text("id")) is None else f"langfuse {name}",  # as its own events have it
            conversation_id=row.text("sessionId", "session_id"),
            operation="embeddings" if kind == "EMBEDDING" else "chat",
            outcome=None if level is None else "error" if level.upper() == "ERROR" else "ok",
            operation_id=row.text("traceId", "trace_id"),
            cost_usd=_cost(row, bool(usage)),
            latency_ms=_seconds(row, "latency") if latency is None else latency,
            time_to_first_token_ms=_seconds(row, "timeToFirstToken")
            if first is None
            else milliseconds(started, first),
        ),
        **({"usage": usage} if usage else {}),
        "tags": tags(
            {
                "name": row.text("name"),
                "trace": row.text("traceName"),
                "user": row.text("userId", "user_id"),
                "environment": row.text("environment"),
                "release": row.text("release"),
                "tags": ", ".join(sorted(texts(row.list("tags", "traceTags")))),
            }
        ),
        "metadata": known(status_message=row.text("statusMessage")),
    }


def _usage(row: Row) -> dict[str, Any]:
    """The details by Langfuse's names, or the counts that stand beside them."""
    details = row.object("usageDetails", "usage_details") or row.object("usage")
    details = {name: value for name, value in details.items() if isinstance(value, (int, Decimal, str))}
    unit = str(details.pop("unit", "TOKENS") or "TOKENS").upper()
    if unit not in ("TOKENS", "TOKEN"):
        raise InvalidInput(f'the usage is told in "{unit}": only tokens can be read')
    found: dict[str, Any] = {}
    for name, value in details.items():
        if "cost" in name.lower():
            continue
        found[_USAGE_NAMES.get(name, name)] = checked_count(name, number_in(value) or value)
    if found:
        return _together(found)
    counts = known(
        prompt_tokens=row.count("inputUsage", "inputTokens", "promptTokens", "input_usage"),
        completion_tokens=row.count("outputUsage", "outputTokens", "completionTokens", "output_usage"),
        total_tokens=row.count("totalUsage", "totalTokens", "total_usage"),
    )
    return counts if any(counts.values()) else {}


_CACHED = ("input_cached_tokens", "cache_read_input_tokens", "input_cache_read", "cached_tokens")
_WRITTEN = ("cache_creation_input_tokens", "input_cache_creation", "cache_write_tokens")
_REASONING = ("output_reasoning_tokens", "output_reasoning", "reasoning_tokens")


def _together(found: dict[str, Any]) -> dict[str, Any]:
    """Langfuse tells parts beside the rest of the input: `input` and `input_cached_tokens` are the prompt.

    Where the total shows that the parts are within, they are. Further parts, such as `input_modality_1`,
    count where the total has them.
    """
    total = found.pop("total_tokens", None)
    everything = sum(found.values())
    prompt, completion = found.pop("prompt_tokens", 0), found.pop("completion_tokens", 0)
    read, written = (sum(found.pop(name, 0) for name in names) for names in (_CACHED, _WRITTEN))
    reasoning = sum(found.pop(name, 0) for name in _REASONING)
    audio_in, audio_out = found.pop("input_audio_tokens", 0), found.pop("output_audio_tokens", 0)
    if total is None or total != prompt + completion:
        prompt += read + written + audio_in
        completion += reasoning + audio_out
    if total == everything:
        prompt += sum(value for name, value in found.items() if name.startswith("input"))
        completion += sum(value for name, value in found.items() if name.startswith("output"))
    details = {"cached_tokens": read, "cache_write_tokens": written, "audio_tokens": audio_in}
    parts = {"reasoning_tokens": reasoning, "audio_tokens": audio_out}
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {name: value for name, value in details.items() if value},
        "completion_tokens_details": {name: value for name, value in parts.items() if value},
    }


def _cost(row: Row, has_usage: bool) -> Decimal | None:
    cost = row.amount("totalCost", "calculatedTotalCost", "total_cost")
    if cost is None:
        cost = row.within("costDetails").within("cost_details").amount("total")
    # Of a model without a price it is 0, too.
    return None if has_usage and not cost else cost


def _seconds(row: Row, name: str) -> int | None:
    """Milliseconds: exports tell seconds."""
    seconds = row.amount(name)
    return None if seconds is None else round(seconds * 1000)


OBSERVATIONS = Format(
    name="langfuse",
    title="Langfuse observations",
    known_by=[
        frozenset({"traceId", "startTime", "usageDetails"}),
        frozenset({"traceId", "startTime", "type"}),
        frozenset({"id", "startTime", "providedModelName"}),
        frozenset({"trace_id", "start_time", "usage_details"}),
    ],
    becomes={
        "id": "id",
        "traceId": "operation_id",
        "sessionId": "conversation_id",
        "type": "tells which rows are calls",
        "startTime": "created_at",
        "timestamp": "created_at",
        "endTime": "latency_ms",
        "latency": "latency_ms",
        "completionStartTime": "time_to_first_token_ms",
        "timeToFirstToken": "time_to_first_token_ms",
        "providedModelName": "model, source",
        "model": "model, source",
        "usageDetails": "usage",
        "usage": "usage",
        "usage.input": "usage",
        "usage.output": "usage",
        "usage.total": "usage",
        "usage.unit": "checked to be tokens",
        "inputUsage": "prompt_tokens",
        "outputUsage": "completion_tokens",
        "totalUsage": "total_tokens",
        "promptTokens": "prompt_tokens",
        "completionTokens": "completion_tokens",
        "totalTokens": "total_tokens",
        "inputTokens": "prompt_tokens",
        "outputTokens": "completion_tokens",
        "totalCost": "cost_usd",
        "calculatedTotalCost": "cost_usd",
        "costDetails": "cost_usd",
        "costDetails.total": "cost_usd",
        "level": "outcome",
        "statusMessage": "metadata.status_message",
        "name": "tag.name",
        "traceName": "tag.trace",
        "userId": "tag.user",
        "environment": "tag.environment",
        "release": "tag.release",
        "tags": "tag.tags",
        "traceTags": "tag.tags",
        "metadata": "source",
    },
    call=_call,
)
