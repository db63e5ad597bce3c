"""Anthropic's reports of usage and costs, from its Admin API and as the Console exports them.

https://platform.claude.com/docs/en/api/admin/usage_report: sums of buckets of a minute, an hour or a day.
They tell no number of requests. Amounts of /cost_report are cents:
https://platform.claude.com/docs/en/api/admin/cost_report
"""

from datetime import datetime, timedelta
from decimal import Decimal
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
_CENTS = Decimal(100)
_LONG, _ORDINARY = 200_001, 0
"""Tokens of a prompt in the long context window, which has prices of its own."""
_NOTHING = frozenset({"not_available", "none", "null"})


def _span(row: Row) -> tuple[datetime, datetime | None]:
    start, end = row.time("starting_at", "usage_date_utc"), row.time("ending_at")
    if start is None:
        raise InvalidInput("starting_at is missing")
    return start, end or (start + _DAY if row.get("usage_date_utc") is not None else None)


def _usage(row: Row) -> Call:
    start, end = _span(row)
    written, searches = row.within("cache_creation"), row.within("server_tool_use")
    fresh = row.count("uncached_input_tokens", "usage_input_tokens_no_cache")
    read = row.count("cache_read_input_tokens", "usage_input_tokens_cache_read")
    for_5m = written.count("ephemeral_5m_input_tokens", "usage_input_tokens_cache_write_5m")
    for_1h = written.count("ephemeral_1h_input_tokens", "usage_input_tokens_cache_write_1h")
    output = row.count("output_tokens", "usage_output_tokens")
    web_searches = searches.count("web_search_requests", "web_search_count")
    counts = [fresh or 0, read or 0, for_5m or 0, for_1h or 0]
    if not any((*counts, output, web_searches)):
        raise PassedOver("buckets without use")
    model, tier, window = row.text("model", "model_version"), _tier(row), row.text("context_window")
    who = [row.text("workspace_id", "workspace"), row.text("api_key_id", "api_key"), row.text("account_id")]
    length = None if window is None else _LONG if _is_long(window) else _ORDINARY
    requests = row.count("num_requests", "request_count", "requests")
    return {
        **known(
            source="anthropic",
            model=model,
            created_at=middle(start, end),
            prompt_tokens=sum(counts),
            completion_tokens=output or 0,
            cached_tokens=read,
            cache_write_tokens=(for_5m or 0) + (for_1h or 0),
            cache_write_1h_tokens=for_1h,
            web_search_count=web_searches or None,
            service_tier=tier,
            operation="chat",
            account=who[0],
            id=natural_id(
                "anthropic-usage", start, end, model, tier, window, *who, *_places(row), row.text("speed")
            ),
        ),
        "tags": tags({"api_key": who[1], "inference_geo": _places(row)[0]}),
        "metadata": bucket(
            "anthropic-usage",
            start,
            end,
            requests,
            prompt_tokens_each=length,
            by={
                **{"model": model, "tier": row.text("service_tier", "usage_type"), "context window": window},
                **{"workspace": who[0], "API key": who[1], "account": who[2], "speed": row.text("speed")},
                "place": row.text("inference_geo"),
            },
        )
        | known(context_window=window),
    }


def _cost(row: Row) -> Call:
    start, end = _span(row)
    cents = row.amount("amount")
    cost = row.amount("cost_usd") if cents is None else cents / _CENTS
    if cost is None:
        raise PassedOver("buckets without costs")
    currency = row.text("currency") or "USD"
    if currency.upper() != "USD":
        raise InvalidInput(f'the amount is in "{currency}": only US dollars can be kept')
    model, workspace = row.text("model"), row.text("workspace_id", "workspace")
    what = [
        row.text(name) for name in ("description", "cost_type", "token_type", "context_window", "usage_type")
    ]
    key = row.text("api_key_id", "api_key")
    return {
        **known(
            source="anthropic",
            model=model if what[0] is None or model else None,
            created_at=middle(start, end),
            service_tier=_tier(row),
            account=workspace,
            id=natural_id(
                "anthropic-costs",
                *(start, end, model, workspace, key, *what, _tier(row), *_places(row), row.text("speed")),
            ),
        ),
        "cost_usd": cost,
        "tags": tags({"api_key": key, "inference_geo": _places(row)[0]}),
        "metadata": bucket(
            "anthropic-costs", start, end, None, by={"workspace": workspace, "description": what[0]}
        )
        | known(description=what[0], cost_type=what[1], token_type=what[2], context_window=what[3]),
    }


def _tier(row: Row) -> str | None:
    tier = row.text("service_tier", "usage_type")
    return None if tier in ("standard", "message") else tier


def _places(row: Row) -> list[str | None]:
    place = row.text("inference_geo")
    return [None if place is None or place.lower() in _NOTHING else place]


def _is_long(window: str) -> bool:
    """`200k-1M`, or `> 200k`; others are `0-200k` or `≤ 200k`."""
    return window.lower().replace(" ", "").startswith((">", "200k-"))


_SHARED: dict[str, Any] = {
    "starting_at": "created_at (the middle of the bucket)",
    "ending_at": "created_at (the middle of the bucket)",
    "usage_date_utc": "created_at (noon of the day)",
    "service_tier": "service_tier",
    "usage_type": "service_tier",
    "context_window": "metadata.context_window, and which price",
    "workspace_id": "account",
    "workspace": "account",
    "api_key_id": "tag.api_key",
    "api_key": "tag.api_key",
    "inference_geo": "tag.inference_geo",
    "speed": "tells buckets apart",
    "account_id": "tells buckets apart",
}
USAGE = Format(
    name="anthropic-usage",
    title="Anthropic usage (Console export, or /v1/organizations/usage_report/messages)",
    known_by=[
        frozenset({"starting_at", "uncached_input_tokens"}),
        frozenset({"usage_date_utc", "usage_input_tokens_no_cache"}),
    ],
    becomes={
        **_SHARED,
        "model": "model",
        "model_version": "model",
        "uncached_input_tokens": "prompt_tokens",
        "usage_input_tokens_no_cache": "prompt_tokens",
        "cache_read_input_tokens": "cached_tokens",
        "usage_input_tokens_cache_read": "cached_tokens",
        "cache_creation": "cache_write_tokens",
        "cache_creation.ephemeral_5m_input_tokens": "cache_write_tokens",
        "cache_creation.ephemeral_1h_input_tokens": "cache_write_1h_tokens",
        "usage_input_tokens_cache_write_5m": "cache_write_tokens",
        "usage_input_tokens_cache_write_1h": "cache_write_1h_tokens",
        "output_tokens": "completion_tokens",
        "usage_output_tokens": "completion_tokens",
        "server_tool_use": "web_search_count",
        "server_tool_use.web_search_requests": "web_search_count",
        "web_search_count": "web_search_count",
        "num_requests": "bucket_request_count",
        "requests": "bucket_request_count",
    },
    call=_usage,
    is_report=True,
    remark="It tells no number of requests: each row counts as one.",
)
COSTS = Format(
    name="anthropic-costs",
    title="Anthropic costs (Console export, or /v1/organizations/cost_report)",
    known_by=[
        frozenset({"starting_at", "amount", "currency"}),
        frozenset({"usage_date_utc", "cost_usd", "token_type"}),
    ],
    becomes={
        **_SHARED,
        "model": "model",
        "amount": "cost_usd (its cents as dollars)",
        "cost_usd": "cost_usd",
        "currency": "checked to be US dollars",
        "description": "metadata.description",
        "cost_type": "metadata.cost_type",
        "token_type": "metadata.token_type",
    },
    call=_cost,
    is_report=True,
)
