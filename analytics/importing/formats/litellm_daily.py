"""LiteLLM's sums of days by model and key: /user/daily/activity, /team/daily/activity and the like, and the
report /global/spend/report.

https://docs.litellm.ai/docs/proxy/cost_tracking: documents.records_in() makes a record of each model and key.
"""

from datetime import timedelta

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
from analytics.pricing.providers import source_of

_NAME = "litellm-daily"
_REPORT = "litellm-report"
_DAY = timedelta(days=1)
_NO_TEAM = "Unassigned Team"


def _call(row: Row) -> Call:
    day = row.time("date")
    if day is None:
        raise InvalidInput("date is missing")
    counts = known(
        prompt_tokens=row.count("prompt_tokens"),
        completion_tokens=row.count("completion_tokens"),
        cached_tokens=row.count("cache_read_input_tokens"),
        cache_write_tokens=row.count("cache_creation_input_tokens"),
    )
    requests, spend = row.count("api_requests"), row.amount("spend")
    if not requests and not spend and not any(counts.values()):
        raise PassedOver("days without use")
    provider, model = row.text("provider"), row.text("model")
    # What no model has of a day is nobody's else.
    source = source_of(provider, model=model) if provider or model else "litellm"
    key, team = row.text("api_key"), row.text("team_id")
    return {
        **counts,
        **known(
            source=source,
            model=None if model is None else model.removeprefix(f"{source}/"),
            created_at=middle(day, day + _DAY),
            # Of a model without a price it is 0, too.
            cost_usd=None if not spend and any(counts.values()) else spend,
            id=natural_id(_NAME, day, model, provider, key, team),
        ),
        "tags": tags({"api_key": row.text("key_alias") or key, "team": team}),
        "metadata": bucket(_NAME, day, day + _DAY, requests, by={"model": model, "API key": key})
        | known(failed_requests=row.count("failed_requests") or None),
    }


ACTIVITY = Format(
    name=_NAME,
    title="LiteLLM daily activity (/user/daily/activity)",
    known_by=[frozenset({"date", "spend", "api_requests", "prompt_tokens"})],
    becomes={
        "date": "created_at (noon of the day)",
        "model": "model",
        "provider": "source",
        "spend": "cost_usd",
        "prompt_tokens": "prompt_tokens",
        "completion_tokens": "completion_tokens",
        "total_tokens": "prompt_tokens, completion_tokens",
        "cache_read_input_tokens": "cached_tokens",
        "cache_creation_input_tokens": "cache_write_tokens",
        "api_requests": "bucket_request_count",
        "successful_requests": "bucket_request_count",
        "failed_requests": "metadata.failed_requests",
        "api_key": "tag.api_key",
        "key_alias": "tag.api_key",
        "team_id": "tag.team",
    },
    call=_call,
    is_report=True,
    remark="Failed requests are among those that it counts.",
)


def _of_report(row: Row) -> Call:
    day = row.time("group_by_day")
    if day is None:
        raise InvalidInput("group_by_day is missing")
    tokens, spend = row.count("total_tokens"), row.amount("spend")
    if not tokens and not spend:
        raise PassedOver("days without use")
    model, key = row.text("model"), row.text("api_key")
    team, customer = row.text("team_name"), row.text("customer")
    source = source_of(None, model=model) if model else "litellm"
    return {
        **known(
            total_tokens=tokens,
            source=source,
            model=None if model is None else model.removeprefix(f"{source}/"),
            created_at=middle(day, day + _DAY),
            # Of a model without a price it is 0, too.
            cost_usd=None if not spend and tokens else spend,
            id=natural_id(_REPORT, day, model, key, team, customer),
        ),
        "tags": tags({"api_key": key, "team": None if team == _NO_TEAM else team, "end_user": customer}),
        "metadata": bucket(
            _REPORT,
            day,
            day + _DAY,
            None,
            by={"model": model, "API key": key, "team": team, "customer": customer},
        ),
    }


REPORT = Format(
    name=_REPORT,
    title="LiteLLM spend report (/global/spend/report)",
    known_by=[frozenset({"group_by_day", "spend"})],
    becomes={
        "group_by_day": "created_at (noon of the day)",
        "model": "model",
        "spend": "cost_usd",
        "total_tokens": "total_tokens",
        "api_key": "tag.api_key",
        "team_name": "tag.team",
        "customer": "tag.end_user",
    },
    call=_of_report,
    is_report=True,
    remark="It tells neither the number of requests nor how tokens are divided; /user/daily/activity does.",
)
