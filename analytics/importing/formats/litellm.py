"""LiteLLM's spend logs: its table LiteLLM_SpendLogs as CSV or JSON, and the answer of /spend/logs.

Columns as in https://github.com/BerriAI/litellm/blob/main/schema.prisma
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
    texts,
)
from analytics.pricing.providers import source_of

_USAGES = ("usage_object", "additional_usage_values")


def _call(row: Row) -> Call:
    metadata = row.object("metadata")
    started, ended = row.time("startTime", "start_time"), row.time("endTime", "end_time")
    first = row.time("completionStartTime")
    status = row.text("status") or metadata.get("status")
    outcome = outcome_of_status(None if status is None else str(status))
    provider, model = row.text("custom_llm_provider"), row.text("model")
    counts = {name: row.count(name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    is_cached = row.flag("cache_hit")
    spend = row.amount("spend")
    if not spend and any(counts.values()) and not is_cached:
        spend = None  # of a model without a price it is 0, too
    duration = row.amount("request_duration_ms")
    return {
        **known(
            source=source_of(provider, model=model),
            model=_without_provider(model, provider),
            created_at=started,
            response_id=row.text("request_id"),
            cost_usd=spend,
            operation=row.text("call_type"),
            outcome=outcome,
            conversation_id=row.text("session_id"),
            latency_ms=milliseconds(started, ended) if duration is None else duration,
            time_to_first_token_ms=milliseconds(started, first) if first != ended else None,
        ),
        **_usage(counts, metadata, outcome),
        "tags": {
            **_request_tags(row),
            **tags(
                {
                    "end_user": row.text("end_user"),
                    "user": row.text("user"),
                    "team": metadata.get("user_api_key_team_alias") or row.text("team_id"),
                    "api_key": metadata.get("user_api_key_alias"),
                }
            ),
        },
        "metadata": known(
            model_group=row.text("model_group"),
            api_base=row.text("api_base"),
            cache_hit=True if is_cached else None,
            retries=metadata.get("attempted_retries"),
        ),
    }


def _usage(counts: dict[str, int | None], metadata: dict[str, Any], outcome: str | None) -> dict[str, Any]:
    """The provider's own usage, where it is kept; it has the cached tokens."""
    if outcome == "error" and not any(counts.values()):
        return {}
    for name in _USAGES:
        held = metadata.get(name)
        if isinstance(held, dict) and held:
            return {"usage": {**known(**counts), **held}}
    return known(**counts)


def _without_provider(model: str | None, provider: str | None) -> str | None:
    """`gpt-4o` of `azure/gpt-4o`."""
    if model is None or provider is None:
        return model
    return model.removeprefix(f"{provider}/")


def _request_tags(row: Row) -> dict[str, str]:
    """`team:support` as a tag of its own, others together under `tags`."""
    named: dict[str, str] = {}
    bare = []
    for text in texts(row.list("request_tags")):
        key, colon, value = text.partition(":")
        if text.lower().startswith("user-agent"):
            continue
        if colon and key.strip() and value.strip():
            named[key.strip()] = value.strip()
        else:
            bare.append(text)
    return {**named, **({"tags": ", ".join(sorted(bare))} if bare else {})}


SPEND_LOGS = Format(
    name="litellm",
    title="LiteLLM spend logs",
    known_by=[
        frozenset({"request_id", "call_type", "spend"}),
        frozenset({"request_id", "spend", "startTime"}),
    ],
    becomes={
        "request_id": "response_id",
        "startTime": "created_at",
        "start_time": "created_at",
        "endTime": "latency_ms",
        "end_time": "latency_ms",
        "request_duration_ms": "latency_ms",
        "completionStartTime": "time_to_first_token_ms",
        "call_type": "operation",
        "spend": "cost_usd",
        "prompt_tokens": "prompt_tokens",
        "completion_tokens": "completion_tokens",
        "total_tokens": "total_tokens",
        "model": "model",
        "model_group": "metadata.model_group",
        "custom_llm_provider": "source",
        "api_base": "metadata.api_base",
        "status": "outcome",
        "session_id": "conversation_id",
        "user": "tag.user",
        "end_user": "tag.end_user",
        "team_id": "tag.team",
        "request_tags": "tag.<key>",
        "cache_hit": "metadata.cache_hit",
        "metadata": "usage, tag.api_key, tag.team",
    },
    call=_call,
)
