"""OpenRouter's activity: a row for each generation, or for each day, model and provider.

https://openrouter.ai/docs/guides/guides/activity-export, https://openrouter.ai/docs/api-reference/analytics
"""

from datetime import timedelta
from typing import Any

from analytics.errors import InvalidInput
from analytics.importing.formats.format import (
    Call,
    Format,
    PassedOver,
    Row,
    bucket,
    known,
    middle,
    natural_id,
    tags,
)

_DAY = timedelta(days=1)


def _generation(row: Row) -> Call:
    at = row.time("created_at")
    cancelled = row.flag("cancelled")
    ended = row.text("finish_reason_normalized", "finish_reason_raw", "finish_reason", "native_finish_reason")
    images = row.count("native_tokens_completion_images", "tokens_completion_images")
    # Native tokens are those that are paid for.
    prompt = row.count("native_tokens_prompt", "tokens_prompt")
    completion = row.count("native_tokens_completion", "tokens_completion")
    return {
        **known(
            source="openrouter",
            model=row.text("model_permaslug", "model"),
            created_at=at,
            response_id=row.text("generation_id", "id"),
            prompt_tokens=prompt,
            completion_tokens=completion,
            cached_tokens=row.count("native_tokens_cached", "tokens_cached"),
            reasoning_tokens=row.count("native_tokens_reasoning", "tokens_reasoning"),
            completion_image_tokens=images,
            cost_usd=_cost(row, "cost_total", "total_cost", "usage"),
            outcome="cut" if cancelled else "error" if ended == "error" else "ok" if ended else None,
            latency_ms=row.amount("generation_time_ms", "generation_time", "latency"),
            time_to_first_token_ms=row.amount("time_to_first_token_ms"),
        ),
        "tags": tags(
            {
                "app": row.text("app_name"),
                "api_key": row.text("api_key_name"),
                "user": row.text("user", "external_user"),
            }
        ),
        "metadata": known(
            provider=row.text("provider_name"),
            variant=row.text("variant"),
            finish_reason=ended,
            streamed=row.flag("streamed") if row.get("streamed") is not None else None,
            byok_usage_usd=_told(row, "byok_usage_inference"),
        ),
    }


def _activity(row: Row) -> Call:
    day = row.time("date")
    if day is None:
        raise InvalidInput("date is missing")
    requests = (row.count("requests") or 0) + 0
    counts = [row.count("prompt_tokens"), row.count("completion_tokens")]
    if not requests and not any(counts):
        raise PassedOver("days without use")
    model, provider = row.text("model_permaslug", "model"), row.text("provider_name")
    return {
        **known(
            source="openrouter",
            model=model,
            created_at=middle(day, day + _DAY),
            prompt_tokens=counts[0] or 0,
            completion_tokens=counts[1] or 0,
            reasoning_tokens=row.count("reasoning_tokens"),
            cost_usd=_cost(row, "usage"),
            id=natural_id("openrouter-activity", day, model, provider, row.text("endpoint_id")),
        ),
        "metadata": bucket("openrouter-activity", day, day + _DAY, requests)
        | known(provider=provider, byok_usage_usd=_told(row, "byok_usage_inference")),
    }


def _cost(row: Row, *names: str) -> Any:
    """What OpenRouter took, and what the provider took of one's own key there."""
    cost, byok = row.amount(*names), row.amount("byok_usage_inference")
    return cost if cost is None or byok is None else cost + byok


def _told(row: Row, name: str) -> str | None:
    amount = row.amount(name)
    return str(amount) if amount else None


GENERATIONS = Format(
    name="openrouter",
    title="OpenRouter activity (a row for each generation)",
    known_by=[
        frozenset({"generation_id", "model_permaslug"}),
        frozenset({"generation_id", "tokens_prompt"}),
        frozenset({"id", "native_tokens_prompt", "provider_name"}),
    ],
    becomes={
        "generation_id": "response_id",
        "id": "response_id",
        "created_at": "created_at",
        "model_permaslug": "model",
        "model": "model",
        "tokens_prompt": "prompt_tokens",
        "native_tokens_prompt": "prompt_tokens",
        "tokens_completion": "completion_tokens",
        "native_tokens_completion": "completion_tokens",
        "tokens_cached": "cached_tokens",
        "native_tokens_cached": "cached_tokens",
        "tokens_reasoning": "reasoning_tokens",
        "native_tokens_reasoning": "reasoning_tokens",
        "cost_total": "cost_usd",
        "total_cost": "cost_usd",
        "byok_usage_inference": "cost_usd (added), metadata.byok_usage_usd",
        "cancelled": "outcome",
        "finish_reason_normalized": "outcome, metadata.finish_reason",
        "finish_reason_raw": "outcome, metadata.finish_reason",
        "generation_time_ms": "latency_ms",
        "time_to_first_token_ms": "time_to_first_token_ms",
        "provider_name": "metadata.provider",
        "variant": "metadata.variant",
        "streamed": "metadata.streamed",
        "app_name": "tag.app",
        "api_key_name": "tag.api_key",
        "user": "tag.user",
        "external_user": "tag.user",
    },
    call=_generation,
)
ACTIVITY = Format(
    name="openrouter-activity",
    title="OpenRouter activity (a row for each day, model and provider)",
    known_by=[frozenset({"date", "model", "requests", "usage", "prompt_tokens"})],
    becomes={
        "date": "created_at (noon of the day)",
        "model_permaslug": "model",
        "model": "model",
        "requests": "bucket_request_count",
        "prompt_tokens": "prompt_tokens",
        "completion_tokens": "completion_tokens",
        "reasoning_tokens": "reasoning_tokens",
        "usage": "cost_usd",
        "byok_usage_inference": "cost_usd (added), metadata.byok_usage_usd",
        "provider_name": "metadata.provider",
        "endpoint_id": "tells buckets apart",
    },
    call=_activity,
    is_report=True,
)
