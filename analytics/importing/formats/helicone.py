"""Helicone's requests: exports of its dashboard and of @helicone/export, and answers of its query API.

https://docs.helicone.ai/rest/request/post-v1requestquery-clickhouse
"""

from typing import Any

from analytics.importing.formats.format import (
    Call,
    Format,
    Row,
    known,
    milliseconds,
    outcome_of_status,
    tags,
)
from analytics.pricing.providers import source_of

_PREFIX = "helicone-property-"
_SESSION = ("helicone-session-id", "helicone-property-session-id", "session_id", "session-id")


def _call(row: Row) -> Call:
    properties = {
        str(name): value
        for name, value in (row.object("request_properties") or row.object("properties")).items()
        if not isinstance(value, (dict, list))
    }
    by_name = {name.lower(): value for name, value in properties.items()}
    session = next((by_name[name] for name in _SESSION if by_name.get(name)), None)
    made = row.time("request_created_at", "created_at")
    answered = row.time("response_created_at")
    model = row.text("model_override", "response_model", "request_model", "model")
    provider = row.text("provider", "target_url")
    latency = row.amount("delay_ms", "latency")
    counts = {
        "prompt_tokens": row.count("prompt_tokens"),
        "completion_tokens": row.count("completion_tokens"),
        "total_tokens": row.count("total_tokens"),
        "cached_tokens": row.count("prompt_cache_read_tokens"),
        "cache_write_tokens": row.count("prompt_cache_write_tokens"),
        "prompt_audio_tokens": row.count("prompt_audio_tokens"),
        "completion_audio_tokens": row.count("completion_audio_tokens"),
        "reasoning_tokens": row.count("reasoning_tokens"),
    }
    # Claude's cached tokens are beside the prompt there, as Anthropic counts them.
    source = source_of(provider, model=model)
    if source == "anthropic" and counts["prompt_tokens"] is not None:
        counts["prompt_tokens"] += (counts["cached_tokens"] or 0) + (counts["cache_write_tokens"] or 0)
    cost = row.amount("costUSD", "cost_usd", "cost")
    if not cost and (counts["prompt_tokens"] or counts["completion_tokens"]):
        cost = None  # of a model without a price it is 0, too
    return {
        **known(
            source=source,
            model=model,
            created_at=made if made is not None else answered,
            id=row.text("request_id", "response_id"),
            outcome=outcome_of_status(row.text("response_status", "status")),
            conversation_id=None if session is None else str(session),
            latency_ms=milliseconds(made, answered) if latency is None else latency,
            time_to_first_token_ms=row.amount("time_to_first_token"),
            cost_usd=cost,
            **counts,
        ),
        "tags": _tags(row, properties),
        "metadata": known(country_code=row.text("country_code"), target_url=row.text("target_url")),
    }


def _tags(row: Row, properties: dict[str, Any]) -> dict[str, Any]:
    named = {
        name[len(_PREFIX) :] if name.lower().startswith(_PREFIX) else name: value
        for name, value in properties.items()
        if name.lower() not in _SESSION
    }
    return tags({**named, "user": row.text("request_user_id", "user_id", "user")})


REQUESTS = Format(
    name="helicone",
    title="Helicone requests",
    known_by=[
        frozenset({"request_created_at", "response_status"}),
        frozenset({"request_id", "request_created_at"}),
        frozenset({"request_created_at", "request_properties"}),
    ],
    becomes={
        "request_id": "id",
        "response_id": "id",
        "request_created_at": "created_at",
        "created_at": "created_at",
        "response_created_at": "latency_ms",
        "delay_ms": "latency_ms",
        "latency": "latency_ms",
        "time_to_first_token": "time_to_first_token_ms",
        "response_status": "outcome",
        "provider": "source",
        "target_url": "metadata.target_url",
        "model": "model",
        "model_override": "model",
        "request_model": "model",
        "response_model": "model",
        "prompt_tokens": "prompt_tokens",
        "completion_tokens": "completion_tokens",
        "total_tokens": "total_tokens",
        "prompt_cache_read_tokens": "cached_tokens",
        "prompt_cache_write_tokens": "cache_write_tokens",
        "prompt_audio_tokens": "prompt_audio_tokens",
        "completion_audio_tokens": "completion_audio_tokens",
        "reasoning_tokens": "reasoning_tokens",
        "cost": "cost_usd",
        "costUSD": "cost_usd",
        "cost_usd": "cost_usd",
        "request_user_id": "tag.user",
        "user_id": "tag.user",
        "request_properties": "tag.<key>, conversation_id",
        "properties": "tag.<key>, conversation_id",
        "country_code": "metadata.country_code",
    },
    call=_call,
)
