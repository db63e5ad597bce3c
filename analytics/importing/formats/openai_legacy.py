"""OpenAI's usage as /v1/usage?date= told it before there were /v1/organization/usage/*.

Sums of five minutes, and of other kinds of use in lists beside them:
https://community.openai.com/t/usage-api-endpoint/241862.
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
    natural_id,
    tags,
)

_NAME = "openai-usage-v1"
_SPAN = timedelta(minutes=5)
_OPERATIONS = {
    **{"completion": "chat", "completion-realtime": "chat", "chat.completion": "chat"},
    **{"embedding": "embeddings", "embeddings": "embeddings", "generations": "image_generation"},
}
_PIECES = {"image_count": "num_images", "character_count": "num_characters"}


def _call(row: Row) -> Call:
    start = row.time("aggregation_timestamp", "timestamp")
    if start is None:
        raise InvalidInput("aggregation_timestamp is missing")
    # The context has the cached tokens in it.
    prompt, cached = row.count("n_context_tokens_total"), row.count("n_cached_context_tokens_total")
    completion = row.count("n_generated_tokens_total")
    used: dict[str, Any] = known(prompt_tokens=prompt, completion_tokens=completion, cached_tokens=cached)
    used |= known(**{target: row.count(name) for target, name in _PIECES.items()})
    used |= known(duration_seconds=row.amount("num_seconds"))
    requests = row.count("n_requests", "num_requests")
    if not requests and not any(used.values()):
        raise PassedOver("buckets without use")
    model, operation = row.text("snapshot_id", "model_id"), row.text("operation")
    who = [row.text(name) for name in ("project_id", "user_id", "email", "api_key_id")]
    is_batch = (row.text("request_type") or "").lower() == "batch"
    sold_by = next((name for name in ("duration_seconds", *_PIECES) if used.get(name)), "tokens")
    return {
        **used,
        **known(
            source="openai",
            model=model,
            created_at=start,
            service_tier="batch" if is_batch else None,
            operation="transcription"
            if sold_by == "duration_seconds"
            else "speech"
            if sold_by == "character_count"
            else _OPERATIONS.get(operation or "", operation),
            account=who[0],
            id=natural_id(_NAME, start, sold_by, model, operation, is_batch, *who, row.text("image_size")),
        ),
        "tags": tags(
            {
                "project": row.text("project_name"),
                "user": row.text("email", "user_id"),
                "api_key": row.text("api_key_name", "api_key_id"),
            }
        ),
        "metadata": bucket(
            _NAME,
            start,
            start + _SPAN,
            requests,
            by={"model": model, "project": who[0], "user": who[1] or who[2], "API key": who[3]},
        ),
    }


USAGE = Format(
    name=_NAME,
    title="OpenAI usage (/v1/usage, as it was before /v1/organization/usage)",
    known_by=[
        frozenset({"aggregation_timestamp", "n_context_tokens_total"}),
        frozenset({"timestamp", "model_id", "num_requests", "num_seconds"}),
        frozenset({"timestamp", "model_id", "num_requests", "num_images"}),
        frozenset({"timestamp", "model_id", "num_requests", "num_characters"}),
    ],
    becomes={
        "aggregation_timestamp": "created_at",
        "timestamp": "created_at",
        "n_requests": "bucket_request_count",
        "num_requests": "bucket_request_count",
        "snapshot_id": "model",
        "model_id": "model",
        "operation": "operation",
        "request_type": "service_tier",
        "n_context_tokens_total": "prompt_tokens",
        "n_cached_context_tokens_total": "cached_tokens",
        "n_generated_tokens_total": "completion_tokens",
        "num_seconds": "duration_seconds",
        "num_images": "image_count",
        "num_characters": "character_count",
        "image_size": "tells buckets apart",
        "project_id": "account",
        "project_name": "tag.project",
        "email": "tag.user",
        "user_id": "tag.user",
        "api_key_id": "tag.api_key",
        "api_key_name": "tag.api_key",
    },
    call=_call,
    is_report=True,
)
