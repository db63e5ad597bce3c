"""OpenAI's exports of usage and costs, and the answers of /v1/organization/usage/* and /costs.

https://platform.openai.com/docs/api-reference/usage: sums of buckets of a minute, an hour or a day.
"""

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

_OF = "organization.usage."
_OPERATIONS = {
    "completions": "chat",
    "embeddings": "embeddings",
    "moderations": "moderation",
    "images": "image_generation",
    "audio_speeches": "speech",
    "audio_transcriptions": "transcription",
    "code_interpreter_sessions": "code_interpreter",
    "file_searches": "file_search",
    "web_searches": "web_search",
}
_PIECES = {
    "image_count": ("images",),
    "character_count": ("characters",),
    "code_run_count": ("num_sessions", "sessions"),
    "file_search_count": ("num_file_searches",),
    "web_search_count": ("num_web_searches",),
}
_BATCH = "batch"


def _usage(row: Row) -> Call:
    start, end = row.time("start_time", "start_time_iso"), row.time("end_time", "end_time_iso")
    if start is None:
        raise InvalidInput("start_time is missing")
    kind = (row.text("object") or "").removeprefix(_OF).removesuffix(".result")
    if row.count("usage_bytes") is not None:
        raise PassedOver("sizes of vector stores")
    targets: dict[str, Any] = _tokens(row)
    for target, names in _PIECES.items():
        if (number := row.count(*names)) is not None:
            targets[target] = number
    if (seconds := row.amount("seconds")) is not None:
        targets["duration_seconds"] = seconds
    requests = row.count("num_model_requests", "num_requests")
    if not requests and not any(targets.values()):
        raise PassedOver("buckets without use")
    model, tier = row.text("model"), row.text("service_tier")
    tier = _BATCH if row.flag("batch") else tier
    who = [row.text(name) for name in ("project_id", "user_id", "api_key_id")]
    # What a CSV tells, too, so that a bucket is the same row in both.
    sold_by = next((name for name in (*_PIECES, "duration_seconds") if targets.get(name)), "tokens")
    return {
        **targets,
        **known(
            source="openai",
            model=model,
            created_at=middle(start, end),
            id=natural_id("openai-usage", start, end, sold_by, model, tier, *who, row.text("size", "source")),
            service_tier=tier,
            operation=_OPERATIONS.get(kind),
            account=who[0],
        ),
        "tags": tags(
            {
                "project": row.text("project_name"),
                "user": row.text("user_email", "user_name", "user_id"),
                "api_key": row.text("api_key_name", "api_key_id"),
            }
        ),
        "metadata": bucket(
            "openai-usage",
            start,
            end,
            requests,
            by={
                **{"model": model, "batch": row.get("batch"), "service tier": row.text("service_tier")},
                **{"project": who[0], "user": who[1], "API key": who[2]},
            },
        ),
    }


def _tokens(row: Row) -> dict[str, Any]:
    """The counts of tokens. The input is that of text alone, where text has no column of its own."""
    given, output = row.count("input_tokens"), row.count("output_tokens")
    if given is None and output is None:
        return {}
    audio, image = row.count("input_audio_tokens") or 0, row.count("input_image_tokens") or 0
    text = row.count("input_text_tokens")
    prompt = (given or 0) + audio if text is None else max(given or 0, text + audio + image)
    audio_out, image_out = row.count("output_audio_tokens") or 0, row.count("output_image_tokens") or 0
    text_out = row.count("output_text_tokens")
    completion = (
        (output or 0) + audio_out if text_out is None else max(output or 0, text_out + audio_out + image_out)
    )
    parts = {
        "cached_tokens": row.count("input_cached_tokens"),
        "cached_audio_tokens": row.count("input_cached_audio_tokens"),
        "cached_image_tokens": row.count("input_cached_image_tokens"),
        "prompt_audio_tokens": row.count("input_audio_tokens"),
        "prompt_image_tokens": row.count("input_image_tokens"),
        "completion_audio_tokens": row.count("output_audio_tokens"),
        "completion_image_tokens": row.count("output_image_tokens"),
    }
    return {"prompt_tokens": prompt, "completion_tokens": completion, **known(**parts)}


def _cost(row: Row) -> Call:
    start, end = row.time("start_time", "start_time_iso"), row.time("end_time", "end_time_iso")
    if start is None:
        raise InvalidInput("start_time is missing")
    told = row.within("amount")
    cost = told.amount("value", "amount_value", "amount.value")
    if cost is None:
        raise PassedOver("buckets without costs")
    currency = told.text("currency", "amount_currency", "amount.currency") or "usd"
    if currency.lower() != "usd":
        raise InvalidInput(f'the amount is in "{currency}": only US dollars can be kept')
    line, project = row.text("line_item"), row.text("project_id")
    return {
        **known(
            source="openai",
            model=None if line is None else line.split(",")[0].strip(),
            created_at=middle(start, end),
            id=natural_id("openai-costs", start, end, line, project, row.text("organization_id")),
            account=project,
        ),
        "cost_usd": cost,
        "tags": tags({"project": row.text("project_name")}),
        "metadata": {
            **bucket("openai-costs", start, end, None, by={"line item": line, "project": project}),
            **known(line_item=line),
        },
    }


_SPAN = {
    "start_time": "created_at (the middle of the bucket)",
    "end_time": "created_at (the middle of the bucket)",
    "start_time_iso": "created_at (the middle of the bucket)",
    "end_time_iso": "created_at (the middle of the bucket)",
}
USAGE = Format(
    name="openai-usage",
    title="OpenAI usage (export, or /v1/organization/usage/*)",
    known_by=[
        frozenset({"start_time", "num_model_requests"}),
        frozenset({"start_time", "object", "input_tokens"}),
        frozenset({"start_time", "end_time", "num_sessions"}),
        frozenset({"start_time", "end_time", "usage_bytes"}),
    ],
    becomes={
        **_SPAN,
        "num_model_requests": "bucket_request_count",
        "num_requests": "bucket_request_count",
        "object": "operation",
        "model": "model",
        "input_tokens": "prompt_tokens",
        "output_tokens": "completion_tokens",
        "input_cached_tokens": "cached_tokens",
        "input_text_tokens": "prompt_tokens",
        "output_text_tokens": "completion_tokens",
        "input_audio_tokens": "prompt_audio_tokens",
        "output_audio_tokens": "completion_audio_tokens",
        "input_cached_audio_tokens": "cached_audio_tokens",
        "input_image_tokens": "prompt_image_tokens",
        "input_cached_image_tokens": "cached_image_tokens",
        "output_image_tokens": "completion_image_tokens",
        "images": "image_count",
        "characters": "character_count",
        "seconds": "duration_seconds",
        "num_sessions": "code_run_count",
        "batch": "service_tier",
        "service_tier": "service_tier",
        "project_id": "account",
        "project_name": "tag.project",
        "user_id": "tag.user",
        "user_email": "tag.user",
        "user_name": "tag.user",
        "api_key_id": "tag.api_key",
        "api_key_name": "tag.api_key",
    },
    call=_usage,
    is_report=True,
)
COSTS = Format(
    name="openai-costs",
    title="OpenAI costs (export, or /v1/organization/costs)",
    known_by=[
        frozenset({"start_time", "amount_value"}),
        frozenset({"start_time", "amount"}),
        frozenset({"start_time", "amount.value"}),
    ],
    becomes={
        **_SPAN,
        "amount_value": "cost_usd",
        "amount": "cost_usd",
        "amount.value": "cost_usd",
        "amount_currency": "checked to be US dollars",
        "amount.currency": "checked to be US dollars",
        "line_item": "model",
        "project_id": "account",
        "project_name": "tag.project",
        "organization_id": "tells buckets apart",
        "object": "tells what the file is",
    },
    call=_cost,
    is_report=True,
)
