"""Reads the usage of a call from the usage object of any SDK, or from a whole response.

Tracker, API, spans and import read by it. Providers differ in names, and in what a name has in it, so an
object is read by its fields: `usage/meters.py` says which field is which meter, `usage/totals.py` what is
part of what, and `usage/responses.py` what a whole response tells. Nothing is dropped without a word: a
field that no rule knows and a number that cannot be are told in `not_understood`, and the object is kept.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from analytics.calls.row import MAX_TOKENS, NO_FACTS, Facts
from analytics.calls.usage.fields import fields_of, is_empty, kept, known_by_name, snake
from analytics.calls.usage.meters import PROVIDERS_OWN, SECTIONS
from analytics.calls.usage.reading import Found
from analytics.calls.usage.responses import Response, response_in
from analytics.calls.usage.totals import usage_of
from analytics.calls.validation import quoted
from analytics.pricing.price_list import DETAILS, Usage
from analytics.pricing.publisher_rules import always_searches

NO_USAGE = "the response has no usage"
_NOTHING: Mapping[str, str] = MappingProxyType({})


class UsageReading(NamedTuple):
    """The usage, and what else the object says."""

    usage: Usage
    metadata: dict[str, Any]
    """Groq's and Ollama's times by the names that they give them; the object itself under "usage", where
    something in it was not understood."""
    missing: str | None
    """Why there is nothing to read."""
    facts: Facts = NO_FACTS
    """What a whole response says of its call."""
    model: str | None = None
    """The model that a whole response names."""
    not_understood: Mapping[str, str] = _NOTHING
    """Field -> what was done about it: row.NOT_UNDERSTOOD."""


def read_usage(usage: object, source: str | None = None, model: str | None = None) -> UsageReading:
    """The usage of a call, as its provider counted it; it never fails.

    Args:
        usage: a usage object or the response that holds it, of any SDK or as a dict; a pricing.Usage; None.
        source: the provider, which decides whether AI SDK 5's inputTokens have the cached ones in them.
        model: a model whose calls are searches tells one (OpenAI's `*-search-preview`).
    """
    if usage is None:
        return UsageReading(Usage(), {}, NO_USAGE)
    if isinstance(usage, Usage):
        return _checked(usage)
    fields = usage if type(usage) is dict else _quick_fields(usage)
    if fields is not None and (quick := _quick(fields)) is not None:
        if type(model) is str and "-search-" in model and always_searches(model):
            quick.usage.details["web_search_count"] = 1  # type: ignore[index]
        return quick
    try:
        return _read(usage, source, model)
    except Exception as error:  # an object of somebody else's may raise anything when it is asked
        told = {"usage": f"{type(usage).__name__} cannot be read: {type(error).__name__}"}
        return UsageReading(Usage(), {}, f"the usage cannot be read: {told['usage']}", not_understood=told)


# The names of the most usual shapes: of the whole object, of its prompt's and of its completion's details.
_CHAT = frozenset(
    {
        *("prompt_tokens", "completion_tokens", "total_tokens"),
        *("prompt_tokens_details", "completion_tokens_details"),
    }
)
_RESPONSES = frozenset(
    {
        *("input_tokens", "output_tokens", "total_tokens"),
        *("input_tokens_details", "output_tokens_details"),
    }
)
_TIMES = ("prompt_time", "completion_time", "total_time", "queue_time")
_GROQ = _CHAT | frozenset(_TIMES)
_LONGEST = 1e9
_QUICK_PROMPT = {
    "cached_tokens": "cached_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "audio_tokens": "prompt_audio_tokens",
    "image_tokens": "prompt_image_tokens",
    "text_tokens": None,
}
_QUICK_COMPLETION = {
    "reasoning_tokens": "reasoning_tokens",
    "audio_tokens": "completion_audio_tokens",
    "image_tokens": "completion_image_tokens",
    "text_tokens": None,
    "accepted_prediction_tokens": None,
    "rejected_prediction_tokens": None,
}


_ALSO_CLAUDES = ("google", "azure")
"""Who sells Anthropic's models as Anthropic counts them."""


def _quick_fields(usage: object) -> dict[str, Any] | None:
    """The fields of a pydantic model; what its class does not know is in the extra."""
    try:
        extra = usage.__pydantic_extra__  # type: ignore[attr-defined]
    except AttributeError:
        return None
    return {**usage.__dict__, **extra} if extra else usage.__dict__


def _quick(fields: Mapping[str, Any]) -> UsageReading | None:
    """The reading of an ordinary object of OpenAI's or Groq's; None for all others.

    On the caller's path: a few microseconds. _read() reads the same from it.
    """
    times: dict[str, Any] = {}
    if fields.keys() <= _CHAT or _is_groqs(fields, times):
        prompt, completion = fields.get("prompt_tokens"), fields.get("completion_tokens")
        parts = (fields.get("prompt_tokens_details"), fields.get("completion_tokens_details"))
    elif fields.keys() <= _RESPONSES:
        prompt, completion = fields.get("input_tokens"), fields.get("output_tokens")
        parts = (fields.get("input_tokens_details"), fields.get("output_tokens_details"))
    else:
        return None
    total = fields.get("total_tokens")
    if type(prompt) is not int or type(completion) is not int or type(total) is not int:
        return None
    if prompt < 0 or completion < 0 or total != prompt + completion or total > MAX_TOKENS:
        return None
    details: dict[str, int] = {}
    if parts[0] is not None and not _quick_parts(parts[0], _QUICK_PROMPT, prompt, details):
        return None
    if parts[1] is not None and not _quick_parts(parts[1], _QUICK_COMPLETION, completion, details):
        return None
    return UsageReading(Usage(prompt, completion, total, None, details), times, None)


def _is_groqs(fields: Mapping[str, Any], times: dict[str, Any]) -> bool:
    """Whether it is a usage of Groq's, whose times are added to `times`."""
    if not fields.keys() <= _GROQ:
        return False
    for name in _TIMES:
        if (value := fields.get(name)) is not None:
            if type(value) is not float or not -_LONGEST <= value <= _LONGEST:
                return False
            times[name] = value
    return True


def _quick_parts(parts: Any, names: Mapping[str, str | None], whole: int, details: dict[str, int]) -> bool:
    """Adds the parts to the details; false where one is not known, or where they may exceed their whole."""
    if type(parts) is not dict:
        try:
            if parts.__pydantic_extra__:
                return False
            parts = parts.__dict__
        except AttributeError:
            return False
    together = 0
    for field, value in parts.items():
        if value is None:
            continue
        if type(value) is not int or value < 0:
            return False
        try:
            meter = names[field]
        except KeyError:
            return False
        if meter is not None:
            details[meter] = value
            together += value
    return together <= whole


def _read(usage: object, source: str | None, model: str | None) -> UsageReading:
    fields = fields_of(usage)
    if not fields and not isinstance(usage, Mapping):
        fields = known_by_name(usage, _NAMES) or fields
    if fields is None:
        told = {"usage": f"{quoted(usage)} is no object with fields"}
        return UsageReading(Usage(), {"usage": kept(usage)}, "the usage is no object", not_understood=told)
    whole = response_in(usage, fields)
    response = Response(fields) if whole is None else whole
    held = fields_of(response.usage)
    found = Found()
    found.told.update(response.not_understood)
    model = response.model or model
    if isinstance(model, str) and "claude" in model and source in _ALSO_CLAUDES:
        source = "anthropic"
    if held is not None:
        _read_fields(found, held, response.metadata)
        source = next((name for name in ("anthropic", "bedrock") if name in response.metadata), source)
    elif not is_empty(response.usage):
        found.tell("usage", f"{quoted(response.usage)} is no object with fields")
    counts = dict(response.tools)
    if isinstance(model, str) and always_searches(model):
        counts.setdefault("web_search_count", 1)
    read = usage_of(found, source)
    if (
        read is not None
        and held is not None
        and (response.metadata or "raw" in held or "nativeUsage" in held)
    ):
        read = _with_raw(found, read, held, response.metadata)
    if read is None and "image_count" in counts:
        read = Usage()
    missing = None
    if read is None:
        read, missing = Usage(), _reason(found, response.usage, whole is not None)
    if counts:
        read = read._replace(details={**counts, **read.details})
    facts = _facts(response.facts, found)
    metadata: dict[str, Any] = dict(found.times)
    if found.told:
        # Of a response without usage only what was not understood is kept: the rest is what people wrote.
        told = {name: value for name, value in fields.items() if name in found.told}
        metadata["usage"] = kept(told if response.usage is None else response.usage)
    return UsageReading(read, metadata, missing, facts, response.model, found.told)


def _read_fields(found: Found, held: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
    found.read(held)
    if not metadata or any(SECTIONS.get(snake(str(name))) and fields_of(each) for name, each in held.items()):
        return
    for provider in ("anthropic", "openai"):
        # Vercel's AI SDK 4 and 5 have there what their usage has no place for.
        for name, value in (fields_of(metadata.get(provider)) or {}).items():
            if snake(str(name)).endswith("_tokens"):
                found.read({name: value}, f"meta.{provider}.", f"providerMetadata.{provider}.")


def _with_raw(found: Found, read: Usage, held: Mapping[str, Any], metadata: Mapping[str, Any]) -> Usage:
    """The usage, with parts that only the provider's own has, which Vercel's AI SDK keeps beside its own."""
    raws = [(name, fields_of(value)) for name, value in held.items() if snake(str(name)) in PROVIDERS_OWN]
    for provider, passed_on in metadata.items():
        for name in ("usage", "usageMetadata"):
            raws.append(
                (f"providerMetadata.{provider}.{name}", fields_of((fields_of(passed_on) or {}).get(name)))
            )
    for name, raw in raws:
        if not raw:
            continue
        own = Found()
        own.read(raw)
        usage = usage_of(own)
        if usage is None or usage[:2] != read[:2]:
            found.tell(name, "not of as many tokens: left out")
            continue
        told = {part: count for part, count in read.details.items() if count}
        read = read._replace(details={**read.details, **usage.details, **told})
        found.service_tier = found.service_tier or own.service_tier
        if found.stated_cost_usd is None:
            found.stated_cost_usd = own.stated_cost_usd
        for field, what in own.told.items():
            found.tell(f"{name}.{field}", what)
    return read


def _facts(facts: Facts, found: Found) -> Facts:
    cost = found.stated_cost_usd
    if cost is not None and found.is_own_key and found.upstream_cost is not None:
        cost += found.upstream_cost
    if cost is None and found.service_tier is None and found.operation is None:
        return facts
    # The usage's tier is the one that was billed; the response's may be the one that was asked for.
    return facts._replace(
        service_tier=found.service_tier or facts.service_tier,
        stated_cost_usd=facts.stated_cost_usd if cost is None else cost,
        operation=facts.operation or found.operation,
    )


def _reason(found: Found, usage: Any, is_response: bool) -> str:
    if found.told:
        named = ", ".join(f"{name} ({what})" for name, what in list(found.told.items())[:5])
        return f"no field of the usage can be read: {named}"[:1_000]
    if is_response and is_empty(usage):
        return NO_USAGE
    return "the usage has neither token counts nor seconds"


def _checked(usage: Usage) -> UsageReading:
    """Our own usage, with what cannot be left out and told."""
    if _is_plain(usage):
        return UsageReading(usage, {}, None)
    found = Found()
    found.read(
        {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
            "duration_seconds": usage.duration_seconds,
        }
    )
    for name, value in usage.details.items():
        if name not in DETAILS:
            found.tell(str(name), "not known")
        elif (count := found.count(name, value)) is not None:
            found.counts[name] = count
    read = usage_of(found)
    if read is None:
        return UsageReading(Usage(), {}, "the usage can not be read", not_understood=found.told)
    metadata = {"usage": kept(usage)} if found.told else {}
    return UsageReading(read, metadata, None, not_understood=found.told)


# Of which the sum is no more than the prompt, and that of the others no more than the completion.
_OF_PROMPT = frozenset({"cached_tokens", "cache_write_tokens"})
_OF_COMPLETION = frozenset({"reasoning_tokens"})
_DETAILS = frozenset(DETAILS)


def _is_plain(usage: Usage) -> bool:
    """Whether it is of the ordinary kind, in which nothing can be wrong. On the path of each span."""
    prompt, completion, total, seconds, details = usage
    if seconds is not None or type(prompt) is not int or type(completion) is not int:
        return False
    if prompt < 0 or completion < 0 or total != prompt + completion or not 0 < total <= MAX_TOKENS:
        return False
    of_prompt = of_completion = 0
    for name, value in details.items():
        if type(value) is not int or value < 0:
            return False
        if name in _OF_PROMPT:
            of_prompt += value
        elif name in _OF_COMPLETION:
            of_completion += value
        elif value or name not in _DETAILS:
            return False
    return of_prompt <= prompt and of_completion <= completion


# Read from objects that cannot list their fields.
_NAMES = (
    *("prompt_tokens", "input_tokens", "completion_tokens", "output_tokens", "total_tokens", "seconds"),
    *("prompt_token_count", "candidates_token_count", "thoughts_token_count", "total_token_count"),
    *("cached_content_token_count", "cached_tokens", "reasoning_tokens", "usage", "x_groq", "usage_metadata"),
    *("prompt_tokens_details", "input_tokens_details", "input_token_details", "cached_tokens_details"),
    *("completion_tokens_details", "output_tokens_details", "output_token_details"),
    *("cache_read_input_tokens", "cache_creation_input_tokens", "id", "model"),
)
