"""What LiteLLM logs of a call (its StandardLoggingPayload), as the arguments of log_usage().

https://docs.litellm.ai/docs/proxy/logging_spec. Its callback in the process and the proxy's generic_api
callback tell of calls in this shape.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from analytics.calls.row import MAX_COST_USD, MAX_TEXT, is_uuid, refused_text
from analytics.pricing.providers import source_of
from analytics.tracking.spans.reading import response_id_of_litellm
from analytics.tracking.spans.tags import fitting, is_phone, labelled

SCOPE = "litellm.callback"
"""The instrumentor of these calls. Its spans are another one: twins are of two."""
_LEFT = "ClientDisconnected"
"""The error of a call whose stream nobody read to its end."""
_TAGS = {
    "user": "user_api_key_user_id",
    "team": "user_api_key_team_alias",
    "api_key": "user_api_key_alias",
}


def call_of_litellm(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The call that a payload tells of.

    An attempt that failed costs nothing, nor does what LiteLLM's own cache answered. A stream that broke off
    is told as failed, too, with tokens that LiteLLM counted itself. `response_cost` is kept as the stated
    cost; LiteLLM says 0 of a model that it does not know, so 0 is none.
    """
    told = _mapping(payload.get("metadata"))
    provider, model = _text(payload.get("custom_llm_provider")), _text(payload.get("model"))
    call_id = _text(payload.get("litellm_call_id"))
    response_id = _text(payload.get("id"))
    if response_id is not None:
        response_id = None if response_id == call_id else response_id_of_litellm(response_id)
    error = _mapping(payload.get("error_information"))
    usage = _usage(payload, told)
    is_failure = payload.get("status") == "failure"
    is_cut = bool(usage.get("completion_tokens")) if is_failure else error.get("error_class") == _LEFT
    has_failed = is_failure and not is_cut
    is_cached = payload.get("cache_hit") is True
    began, ended = _seconds(payload.get("startTime")), _seconds(payload.get("endTime"))
    first = _seconds(payload.get("completionStartTime"))
    tags, left_out = fitting(_tags(payload, told))
    trace_id = _text(payload.get("trace_id"))
    # What the application calls its session stands in the place of LiteLLM's own id, too.
    session = _text(payload.get("session_id")) or (
        None if trace_id is None or is_uuid(trace_id) else trace_id
    )
    # The proxy's attempts at a call share its id, and each is told once.
    attempt_id = f"{call_id} {payload.get('startTime')}" if is_failure and call_id else call_id
    kept = {
        "scope": SCOPE,
        "trace_id": trace_id,
        "span_id": attempt_id,
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
        "conversation_id": session,
        "phone": next((user for user in (tags.get("end_user"),) if user and is_phone(user)), None),
        "source": "whisper" if (source, model) == ("openai", "whisper-1") else source,
        "model": model,
        "usage": None if has_failed else usage,
        "tokens_estimated": is_failure and is_cut,
        # A repeat of the same log has the same id, whatever the provider says.
        "id": None if response_id or attempt_id is None else f"litellm {attempt_id}",
        "response_id": response_id,
        "created_at": None if ended is None else datetime.fromtimestamp(ended, UTC),
        "operation": _text(payload.get("call_type")),
        "outcome": "error" if has_failed else "cut" if is_cut else _outcome(payload),
        "latency_ms": _milliseconds(began, ended),
        "time_to_first_token_ms": _milliseconds(began, first) if payload.get("stream") else None,
        "operation_id": call_id if trace_id is None or trace_id == session else trace_id,
        "attempt": retries + 1 if type(retries) is int and 0 <= retries < 1_000 else None,
        "cost_usd": 0 if is_cached and not has_failed else None,
        "stated_cost_usd": _cost(payload.get("response_cost")),
        "tags": {key: tag for key, tag in tags.items() if not is_phone(tag)},
        "metadata": {name: value for name, value in kept.items() if value is not None},
    }


def _outcome(payload: Mapping[str, Any]) -> str | None:
    if payload.get("status") != "success":
        return None
    choices = _mapping(payload.get("response")).get("choices")
    ends = [_mapping(choice).get("finish_reason") for choice in choices] if isinstance(choices, list) else []
    return "refused" if ends and all(end == "content_filter" for end in ends) else "ok"


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
