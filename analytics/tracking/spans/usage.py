"""The usage that a span tells: of a whole usage object where it has one, else of its counts.

In the GenAI conventions and in OpenInference cached tokens are part of the input and reasoning tokens part of
the output. A provider's raw numbers that were passed on without being added up give themselves away where the
parts are more than the whole.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from analytics.calls.usage.meters import RULES
from analytics.calls.usage_objects import read_usage
from analytics.pricing.price_list import COUNTS, TOKEN_PARTS, Usage
from analytics.tracking.spans.answers import json_object, object_in
from analytics.tracking.spans.attributes import Told


def usage_in(told: Told, response: Mapping[str, Any] | None) -> Usage | Mapping[str, Any] | None:
    """The usage, as make_call() takes it; None where the span tells none.

    `response` is the answer itself, where that has usage.
    """
    fields = told.by_field
    if response or "usage_object" in fields or told.of_ai_sdk:
        for found in (response, object_in(fields.get("usage_object")), _of_ai_sdk(told)):
            if found:
                reading = read_usage(found)
                read = reading.usage
                is_counted = read.duration_seconds or any(read.details.get(name) for name in COUNTS)
                if reading.missing is None and (any(read[:3]) or is_counted):
                    return found
    prompt, completion, total = fields.get("prompt"), fields.get("completion"), fields.get("total")
    if not prompt and not completion and not total:  # some say 0 where they do not know
        if "bare_output" in fields:
            return _of_claude_code(fields)
        counted = _named(told.odd) if told.odd else {}
        return counted if not counted.keys().isdisjoint(_COUNTED) else None
    if prompt is None and not total and not told.odd:
        return _with_odd(Usage(0, completion or 0, 0, None, _details(fields)), told.odd, "prompt_tokens")
    prompt, completion = prompt or 0, completion or 0
    details = _details(fields)
    if details:
        prompt = _whole(prompt, details, ("cached_tokens", "cache_write_tokens"))
        completion = _whole(completion, details, ("reasoning_tokens",))
    usage = Usage(prompt, completion, max(total or 0, prompt + completion), None, details)
    return _with_odd(usage, told.odd) if told.odd else usage


def _details(fields: Mapping[str, Any]) -> dict[str, int]:
    return {name: fields[name] for name in _PARTS & fields.keys()}


def _whole(tokens: int, details: Mapping[str, int], parts: Iterable[str]) -> int:
    apart = sum(details.get(part, 0) for part in parts)
    return tokens + apart if apart > tokens else tokens


def _of_claude_code(fields: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The usage object of Anthropic's that the attributes of `claude_code.llm_request` were taken from."""
    names = {
        "bare_input": "input_tokens",
        "bare_output": "output_tokens",
        "bare_cache_read": "cache_read_input_tokens",
        "bare_cache_write": "cache_creation_input_tokens",
    }
    usage = {name: fields[field] for field, name in names.items() if field in fields}
    if not any(usage.values()):
        return None
    # Its fast mode has a price of its own.
    return usage | {"speed": fields["bare_speed"]} if fields.get("bare_speed") == "fast" else usage


def _of_ai_sdk(told: Told) -> Mapping[str, Any]:
    """The usage object of Vercel's AI SDK, put together from its `ai.usage.outputTokenDetails.textTokens`."""
    if not told.of_ai_sdk:
        return {}
    usage: dict[str, Any] = {}
    for path, value in told.of_ai_sdk.items():
        name, _, part = path.partition(".")
        if not part:
            usage[name] = value
        elif isinstance(parts := usage.setdefault(name, {}), dict):
            parts[part] = value
    if metadata := json_object(told.by_field.get("ai_metadata")):
        return {"usage": usage, "providerMetadata": metadata}
    return usage


_PARTS = frozenset(TOKEN_PARTS)
_DETAILS = {
    "prompt_tokens_details": {
        "cached_tokens": "cached_tokens",
        "cache_write_tokens": "cache_write_tokens",
        "prompt_audio_tokens": "audio_tokens",
        "prompt_image_tokens": "image_tokens",
    },
    "completion_tokens_details": {
        "reasoning_tokens": "reasoning_tokens",
        "completion_audio_tokens": "audio_tokens",
        "completion_image_tokens": "image_tokens",
    },
}
_CACHED_DETAILS = {"cached_audio_tokens": "audio_tokens", "cached_image_tokens": "image_tokens"}
_COUNTED = frozenset(path for path, (meter, _) in RULES.items() if meter in COUNTS or meter == "seconds")
"""Fields of usage objects that count what is no token."""


def _with_odd(usage: Usage, odd: Mapping[str, Any], *not_told: str) -> dict[str, Any]:
    """A usage object of which the reader says what it did not understand."""
    whole: dict[str, Any] = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }
    for section, names in _DETAILS.items():
        if parts := _renamed(usage.details, names):
            whole[section] = parts
    if cached := _renamed(usage.details, _CACHED_DETAILS):
        whole.setdefault("prompt_tokens_details", {})["cached_tokens_details"] = cached
    if (written := usage.details.get("cache_write_1h_tokens")) is not None:
        whole["cache_write_1h_tokens"] = written
    for name in not_told:
        del whole[name]
    return whole | _named(odd)


def _renamed(details: Mapping[str, int], names: Mapping[str, str]) -> dict[str, Any]:
    return {names[name]: count for name, count in details.items() if name in names}


def _named(odd: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes, by the names that the reader knows for what is no token."""
    names = {name: name.removeprefix("gen_ai.usage.") for name in odd}
    return {names[name] if names[name] in _COUNTED else name: value for name, value in odd.items()}
