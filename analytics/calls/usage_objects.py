"""Reads the usage of a call from the usage object of a provider's SDK, or from the same as a dict.

Providers differ in names only (`prompt_tokens`, `input_tokens`): an object is recognised by its fields.
Cached, reasoning, audio and image tokens are parts of the two counts, as the providers send them, and are
never added to them.
"""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

from analytics.calls.row import MAX_SECONDS, NO_FACTS, Facts
from analytics.calls.validation import checked_amount, checked_count, quoted
from analytics.errors import InvalidInput
from analytics.pricing.price_list import Usage


class UsageReading(NamedTuple):
    """The usage, and what else the object says."""

    usage: Usage
    metadata: dict[str, Any]
    """Groq's times in seconds, by the names that Groq gives them; the object itself under "usage", where
    something in it was not understood."""
    missing: str | None
    """Why there is nothing to read."""
    facts: Facts = NO_FACTS
    """What a whole response says of its call."""
    model: str | None = None
    """The model that a whole response names."""
    not_understood: Mapping[str, str] = MappingProxyType({})
    """Field -> what was done about it: row.NOT_UNDERSTOOD."""


# Whose field it is in a usage object, and what it is called in Usage.details.
_PROMPT_PARTS = (
    ("cached_tokens", "cached_tokens"),
    ("cache_write_tokens", "cache_write_tokens"),
    ("audio_tokens", "prompt_audio_tokens"),
    ("image_tokens", "prompt_image_tokens"),
)
_CACHED_PARTS = (("audio_tokens", "cached_audio_tokens"),)
_COMPLETION_PARTS = (
    ("reasoning_tokens", "reasoning_tokens"),
    ("audio_tokens", "completion_audio_tokens"),
)
# Anthropic counts these beside its input_tokens, where the others count them among theirs.
_BESIDE_INPUT = (
    ("cache_read_input_tokens", "cached_tokens"),
    ("cache_creation_input_tokens", "cache_write_tokens"),
)
_TIMES = ("prompt_time", "completion_time", "total_time", "queue_time")
_TIMES_AS_SET = frozenset(_TIMES)
_LONGEST = float(MAX_SECONDS)
# Read from objects that cannot list their fields.
_FIELDS = (
    *("prompt_tokens", "input_tokens", "completion_tokens", "output_tokens", "total_tokens", "seconds"),
    *("prompt_tokens_details", "input_tokens_details", "input_token_details", "cached_tokens_details"),
    *("completion_tokens_details", "output_tokens_details", "output_token_details"),
    *(field for field, _ in (*_PROMPT_PARTS, *_COMPLETION_PARTS, *_BESIDE_INPUT)),
    *(*_TIMES, "usage", "x_groq"),
)


def read_usage(usage: object) -> UsageReading:
    """The usage of a call, as its provider counted it.

    Args:
        usage: that of chat completions, responses, embeddings or transcriptions, as an object or a dict; the
            response that holds it; a pricing.Usage; or None.

    Raises:
        InvalidInput: a count or a duration that cannot be.
    """
    if usage is None:
        return UsageReading(Usage(), {}, "the response has no usage")
    if isinstance(usage, Usage):
        return UsageReading(_checked(usage), {}, None)
    fields = _fields(usage)
    reading = _read(fields)
    if reading is None and (inner := _usage_in(fields)) is not None:
        reading = _read(_fields(inner))
    if reading is not None:
        return reading
    is_response = "usage" in fields or "x_groq" in fields
    reason = "the response has no usage" if is_response else "the usage has neither token counts nor seconds"
    return UsageReading(Usage(), {}, reason)


def _read(fields: Mapping[str, Any]) -> UsageReading | None:
    # On the caller's path: plain look-ups, a few microseconds in all.
    get = fields.get
    prompt_name, completion_name = "prompt_tokens", "completion_tokens"
    prompt, completion = get(prompt_name), get(completion_name)
    if prompt is None:
        prompt_name = "input_tokens"
        prompt = get(prompt_name)
    if completion is None:
        completion_name = "output_tokens"
        completion = get(completion_name)
    total, seconds = get("total_tokens"), get("seconds")
    if prompt is None and completion is None and total is None and seconds is None:
        return None

    prompt_count = 0 if prompt is None else checked_count(prompt_name, prompt)
    completion_count = 0 if completion is None else checked_count(completion_name, completion)
    total_count = 0 if total is None else checked_count("total_tokens", total)
    # A missing part is what the other one leaves of the total.
    if prompt is None and completion is not None:
        prompt_count = max(total_count - completion_count, 0)
    elif completion is None and prompt is not None:
        completion_count = max(total_count - prompt_count, 0)

    details: dict[str, int] = {}
    parts = get("prompt_tokens_details") or get("input_tokens_details") or get("input_token_details")
    if parts is not None:
        parts = _fields(parts)
        _read_parts(parts, _PROMPT_PARTS, details)
        if "cached_tokens" in details and (cached := parts.get("cached_tokens_details")):
            _read_parts(_fields(cached), _CACHED_PARTS, details)
    elif prompt_name == "input_tokens":
        _read_parts(fields, _BESIDE_INPUT, details)
        prompt_count += sum(details.values())
    parts = get("completion_tokens_details") or get("output_tokens_details") or get("output_token_details")
    if parts is not None:
        _read_parts(_fields(parts), _COMPLETION_PARTS, details)

    usage = Usage(
        prompt_count,
        completion_count,
        total_count or checked_count("total_tokens", prompt_count + completion_count),
        None if seconds is None else _seconds("seconds", seconds),
        details,
    )
    return UsageReading(usage, {} if _TIMES_AS_SET.isdisjoint(fields) else _times(fields), None)


def _fields(source: Any) -> Mapping[str, Any]:
    """What the object or dict holds, by name; nothing where it is neither."""
    if type(source) is dict:
        return source
    try:
        extra = source.__pydantic_extra__
    except AttributeError:
        if isinstance(source, Mapping):
            return source
        found = {name: getattr(source, name, None) for name in _FIELDS}
        return {name: value for name, value in found.items() if value is not None}
    # Ten times as fast as asking the model for each attribute. What its class does not know is in the extra:
    # Groq's times, where OpenAI's package talks to Groq.
    fields: dict[str, Any] = source.__dict__
    return {**fields, **extra} if extra else fields


def _usage_in(response: Mapping[str, Any]) -> object:
    """The usage within a whole response, or within the last chunk of a stream of Groq's."""
    usage: object = response.get("usage")
    if usage is None and (groq := response.get("x_groq")) is not None:
        usage = _fields(groq).get("usage")
    return usage


def _read_parts(
    fields: Mapping[str, Any], names: tuple[tuple[str, str], ...], details: dict[str, int]
) -> None:
    get = fields.get
    for field, name in names:
        # Most calls have none of most parts.
        if (value := get(field)) and (count := checked_count(field, value)):
            details[name] = count


def _times(fields: Mapping[str, Any]) -> dict[str, Any]:
    times = {}
    for name in _TIMES:
        seconds = fields.get(name)
        # Nothing depends on them: an odd one is no reason to refuse a call.
        if isinstance(seconds, (int, float)) and abs(seconds) <= _LONGEST:  # false for NaN
            times[name] = seconds
    return times


def _seconds(name: str, value: Any) -> Decimal:
    if isinstance(value, str):
        raise InvalidInput(f"{name} must be a number, not the text {quoted(value)}")
    return checked_amount(name, value, MAX_SECONDS)


def _checked(usage: Usage) -> Usage:
    prompt = checked_count("prompt_tokens", usage.prompt_tokens)
    completion = checked_count("completion_tokens", usage.completion_tokens)
    total = checked_count("total_tokens", usage.total_tokens)
    seconds = usage.duration_seconds
    return Usage(
        prompt,
        completion,
        total or checked_count("total_tokens", prompt + completion),
        None if seconds is None else _seconds("duration_seconds", seconds),
        {name: checked_count(name, value) for name, value in usage.details.items()},
    )
