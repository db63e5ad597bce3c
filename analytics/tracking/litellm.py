"""What LiteLLM logs of a call (its StandardLoggingPayload), as the arguments of log_usage().

https://docs.litellm.ai/docs/proxy/logging_spec. Its callback in the process and the proxy's generic_api
callback tell of calls in this shape.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from analytics.calls.row import MAX_COST_USD, MAX_TEXT, refused_text
from analytics.pricing.providers import source_of
from analytics.tracking.spans.reading import response_id_of_litellm
from analytics.tracking.spans.tags import fitting, is_phone, labelled

SCOPE = "litellm.callback"
"""The instrumentor of these calls. Its spans are another one: twins are of two."""
_TAGS = {
    "user": "user_api_key_user_id",
    "team": "user_api_key_team_alias",
    "api_key": "user_api_key_alias",
}


def call_of_litellm(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The call that a payload tells of.

    An attempt that failed costs nothing, nor does what LiteLLM's own cache answered. `response_cost` is kept
    as the stated cost; LiteLLM says 0 of a model that it does not know, so 0 is none.
    """
    told = _mapping(payload.get("metadata"))
    provider, model = _text(payload.get("custom_llm_provider")), _text(payload.get("model"))
    call_id = _text(payload.get("litellm_call_id"))
    response_id = _text(payload.get("id"))
    if response_id is not None:
        response_id = None if response_id == call_id else response_id_of_litellm(response_id)
    has_failed = payload.get("status") == "failure"
    is_cached = payload.get("cache_hit") is True
    began, ended = _seconds(payload.get("startTime")), _seconds(payload.get("endTime"))
    first = _seconds(payload.get("completionStartTime"))
    tags, left_out = fitting(_tags(payload, told))
    error = _mapping(payload.get("error_information"))
    trace_id = _text(payload.get("trace_id"))
    kept = {
        "scope": SCOPE,
        "trace_id": trace_id,
        "span_id": call_id,
        "model_group": _text(payload.get("model_group")),
        "error": _text(error.get("error_class")),
        "status_code": _text(error.get("error_code")),
        "cache_hit": is_cached or None,
        "tags_left_out": left_out or None,
    }
    retries = told.get("attempted_retries")
    source = source_of(provider, model=model, host=_text(payload.get("api_base")))
    if model is not None and provider is not None:
        model = model.removeprefix(f"{provider}/")
    return {
        "client_id": None,
        "conversation_id": _text(payload.get("session_id")),
        "phone": next((user for user in (tags.get("end_user"),) if user and is_phone(user)), None),
        "source": "whisper" if (source, model) == ("openai", "whisper-1") else source,
        "model": model,
        "usage": None if has_failed else _usage(payload, told),
        # A repeat of the same log has the same id, whatever the provider says.
        "id": None if response_id or call_id is None else f"litellm {call_id}",
        "response_id": response_id,
        "created_at": None if ended is None else datetime.fromtimestamp(ended, UTC),
        "operation": _text(payload.get("call_type")),
        "outcome": "error" if has_failed else None,
        "latency_ms": _milliseconds(began, ended),
        "time_to_first_token_ms": _milliseconds(began, first) if payload.get("stream") else None,
        "operation_id": trace_id,
        "attempt": retries + 1 if type(retries) is int and 0 <= retries < 1_000 else None,
        "cost_usd": 0 if is_cached and not has_failed else None,
        "stated_cost_usd": _cost(payload.get("response_cost")),
        "tags": {key: tag for key, tag in tags.items() if not is_phone(tag)},
        "metadata": {name: value for name, value in kept.items() if value is not None},
    }


def _usage(payload: Mapping[str, Any], told: Mapping[str, Any]) -> Mapping[str, Any]:
    """The provider's own usage, where it is told: it has the cached tokens."""
    response = _mapping(payload.get("response"))
    for held in (told.get("usage_object"), response.get("usage")):
        if isinstance(held, Mapping) and held:
            return held
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return {name: payload[name] for name in names if payload.get(name) is not None}


def _tags(payload: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, str]:
    tags = {name: value for name, place in _TAGS.items() if (value := _text(told.get(place))) is not None}
    if (user := _text(payload.get("end_user"))) is not None:
        tags["end_user"] = user
    labels = payload.get("request_tags")
    if isinstance(labels, (list, tuple)):
        # LiteLLM adds the caller's program to those of the application.
        own = [text for text in labels if isinstance(text, str) and not text.lower().startswith("user-agent")]
        tags |= labelled(own)
    return tags


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str | None:
    text = str(value).strip() if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    return text if text and len(text) <= MAX_TEXT and refused_text(text) is None else None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _cost(value: Any) -> float | None:
    return float(value) if _is_number(value) and 0 < value < float(MAX_COST_USD) else None


def _seconds(value: Any) -> float | None:
    """Seconds since 1970, between 2000 and 2100."""
    return float(value) if _is_number(value) and 946_684_800 <= value < 4_102_444_800 else None


def _milliseconds(first: float | None, last: float | None) -> float | None:
    return None if first is None or last is None or last < first else round((last - first) * 1000, 3)
