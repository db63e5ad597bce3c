"""What a whole response says of its call: where its usage is, its model and id, its tools, how it ended.

A response is an object or a dict of any SDK; the last event or chunk of a stream; LangChain's AIMessage; a
line of OpenAI's batch output.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from analytics.calls.row import MAX_COST_USD, MAX_MILLISECONDS, MAX_TEXT, NO_FACTS, Facts, refused_text
from analytics.calls.usage.fields import fields_of, is_empty, snake, text_in
from analytics.calls.usage.outcomes import outcome_of
from analytics.calls.usage.tools import tools_in
from analytics.calls.validation import checked_amount, number_in
from analytics.errors import InvalidInput

_USAGES = ("total_usage", "usage", "usage_metadata", "token_usage", "estimated_token_usage")
_WRAPPERS = ("response", "message", "body", "result", "llm_output", "response_metadata", "chunk", "raw")
"""Where events, batches and frameworks have the response itself."""
_OF_RESPONSES = frozenset({*_USAGES, "choices", "candidates", "x_groq", "llm_output", "generations"})
_OLLAMA = frozenset({"prompt_eval_count", "eval_count"})
_OLLAMA_FIELDS = frozenset(
    {*_OLLAMA, "total_duration", "load_duration", "prompt_eval_duration", "eval_duration"}
)
_MAY_BE_RESPONSES = frozenset(
    {
        *(
            *_OF_RESPONSES,
            *_WRAPPERS,
            *_OLLAMA,
            "metadata",
            "custom_id",
            "meta",
            "text",
            "duration",
            "created",
        ),
        *("data", "error", "done", "model", "created_at", "response_cost", "id", "call_type"),
        "amazon_bedrock_invocation_metrics",
    }
)
_MAX_LEVELS = 6
_NANOSECONDS = 1_000_000  # of a millisecond

_OPERATIONS = {
    "chat.completion": "chat",
    "chat.completion.chunk": "chat",
    "response": "chat",
    "realtime.response": "chat",
    "message": "chat",  # Anthropic
    "message_start": "chat",
    "message_delta": "chat",
    "ai": "chat",  # LangChain
    "AIMessageChunk": "chat",
    "text_completion": "text_completion",
    "embedding": "embeddings",
    "image_generation.completed": "image_generation",
    "image_edit.completed": "image_generation",
    "transcript.text.done": "transcription",
    "speech.audio.done": "speech",
}
"""A response's object or type -> its operation, as OpenTelemetry names it where it has a name."""


class Response(NamedTuple):
    """A whole response, taken apart."""

    usage: Any
    """Its usage object; None where it has none."""
    facts: Facts = NO_FACTS
    model: str | None = None
    tools: Mapping[str, int] = {}
    """Calls of the provider's own tools, and images, by the names of Usage.details."""
    not_understood: Mapping[str, str] = {}
    metadata: Mapping[str, Any] = {}
    """What Vercel's AI SDK passes on of a provider, by its name."""


def response_in(source: object, fields: Mapping[str, Any]) -> Response | None:
    """The response that the object is; None where it is a usage object."""
    names = _names_of_responses(tuple(fields))
    if not names or not (names & _OF_RESPONSES or _is_response(fields, names)):
        return None
    levels = list(_levels(source, fields))
    told: dict[str, str] = {}
    tools: dict[str, int] = {}
    facts: dict[str, Any] = {}
    usage: Any = None
    model: str | None = None
    metadata: Mapping[str, Any] = {}
    for level, by_name in levels:
        if usage is None:
            usage = _usage_in(by_name)
        model = model or _model_in(by_name)
        for name, value in _facts_in(level, by_name, told).items():
            facts.setdefault(name, value)
        for name, count in tools_in(
            by_name, model, told, is_pictures=facts.get("operation") == "image_generation"
        ).items():
            tools.setdefault(name, count)
        metadata = metadata or fields_of(by_name.get("provider_metadata")) or {}
    if levels[0][1].get("cache_hit") is True:
        told["cache_hit"] = "a gateway's cache answered: the provider may not have been paid"
    gateway = fields_of(metadata.get("gateway")) or {}
    if "cost" in gateway:  # Vercel's gateway, as a text
        facts.setdefault("stated_cost_usd", _cost("providerMetadata.gateway.cost", gateway["cost"], told))
    return Response(usage, Facts(**facts), model, tools, told, metadata)


# The same few shapes come again and again.
@lru_cache(maxsize=1_000)
def _names_of_responses(given: tuple[object, ...]) -> frozenset[str]:
    """Of these names, in snake case: those that a response has, and no usage object."""
    return frozenset(snake(name) for name in given if isinstance(name, str)) & _MAY_BE_RESPONSES


def _is_response(fields: Mapping[str, Any], names: frozenset[str]) -> bool:
    if not names.isdisjoint(_OLLAMA) and not names.isdisjoint(("done", "model", "created_at")):
        return True
    if "custom_id" in names:
        return True  # a line of a batch's output
    if {"id", "model"} <= names or ("error" in names and fields_of(fields["error"]) is not None):
        return True
    if "meta" in names and fields_of(fields.get("meta")) is not None:
        return True  # Cohere
    if "text" in names and "duration" in names:
        return True  # a transcription
    if "created" in names and isinstance(fields.get("data"), (list, tuple)):
        return True  # images
    if "amazon_bedrock_invocation_metrics" in names:
        return True
    if "response_cost" in names and not names.isdisjoint(("id", "call_type", "model")):
        return True  # LiteLLM's log
    inner = (fields_of(fields.get(name)) for name in (*_WRAPPERS, "metadata"))
    return any(each is not None and ({snake(str(name)) for name in each} & _OF_RESPONSES) for each in inner)


def _levels(source: object, fields: Mapping[str, Any]) -> Iterator[tuple[object, dict[str, Any]]]:
    """The object and what it wraps, the outermost first, with the names in snake case."""
    waiting: list[tuple[object, Mapping[str, Any]]] = [(source, fields)]
    for _ in range(_MAX_LEVELS):
        if not waiting:
            return
        level, held = waiting.pop(0)
        by_name = {snake(name): value for name, value in held.items() if isinstance(name, str)}
        yield level, by_name
        for name in _WRAPPERS:
            inner = by_name.get(name)
            if (inner_fields := fields_of(inner)) is not None:
                waiting.append((inner, inner_fields))
        stream = fields_of(by_name.get("metadata"))  # Bedrock's last event; others keep the user's own there
        if stream is not None and fields_of(stream.get("usage")) is not None and "usage" not in by_name:
            waiting.append((stream, stream))
        generations = by_name.get("generations")  # LangChain's LLMResult: a list of lists
        while isinstance(generations, (list, tuple)) and generations:
            generations = generations[0]
        if (inner_fields := fields_of(generations)) is not None:
            waiting.append((generations, inner_fields))


def _usage_in(by_name: Mapping[str, Any]) -> Any:
    for name in _USAGES:
        if (usage := by_name.get(name)) is not None and not is_empty(usage):
            return usage
    groq = fields_of(by_name.get("x_groq")) or {}
    if (usage := groq.get("usage")) is not None:  # the last chunk of a stream of Groq's
        return usage
    meta = fields_of(by_name.get("meta"))
    if meta is not None and (meta.get("billed_units") or meta.get("tokens")):  # Cohere
        names = ("billed_units", "tokens", "cached_tokens")
        return {name: meta[name] for name in names if meta.get(name) is not None}
    if (metrics := by_name.get("amazon_bedrock_invocation_metrics")) is not None:
        told = fields_of(metrics) or {}
        return {name: told[name] for name in told if "oken" in name}
    if not _OLLAMA.isdisjoint(by_name):
        return {name: by_name[name] for name in _OLLAMA_FIELDS if by_name.get(name) is not None}
    if by_name.get("duration") is not None and "text" in by_name:
        return {"seconds": by_name["duration"]}
    if "response_cost" in by_name and by_name.get("prompt_tokens") is not None:  # LiteLLM's log
        for holder, name in (("metadata", "usage_object"), ("response", "usage")):
            usage = (fields_of(by_name.get(holder)) or {}).get(name)
            if not is_empty(fields_of(usage) or {}):
                return usage
        names = ("prompt_tokens", "completion_tokens", "total_tokens")
        return {name: by_name[name] for name in names if by_name.get(name) is not None}
    return None


def _model_in(by_name: Mapping[str, Any]) -> str | None:
    for name in ("model", "model_name", "model_version", "model_id", "response_model"):
        if (model := _short(by_name.get(name))) is not None:
            return model.removeprefix("models/")  # Gemini's resource names
    return None


def _facts_in(level: object, by_name: Mapping[str, Any], told: dict[str, str]) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "response_id": _id_in(by_name),
        "service_tier": _tier_in(by_name),
        "operation": _operation_in(by_name),
        "outcome": outcome_of(by_name),
    }
    # LiteLLM's documented place of what a call cost by its list.
    hidden = (
        fields_of(by_name.get("_hidden_params", getattr(level, "_hidden_params", None)))
        or fields_of(by_name.get("hidden_params"))
        or {}
    )
    for cost in (by_name.get("response_cost"), hidden.get("response_cost"), by_name.get("total_cost_usd")):
        if cost is not None and cost != 0:  # LiteLLM's list says 0 of a model that it does not know
            facts["stated_cost_usd"] = _cost("response_cost", cost, told)
            break
    metrics = fields_of(by_name.get("metrics")) or {}
    bedrock = fields_of(by_name.get("amazon_bedrock_invocation_metrics")) or {}
    facts["latency_ms"] = _milliseconds(
        metrics.get("latencyMs"), bedrock.get("invocationLatency"), getattr(level, "_response_ms", None)
    )
    facts["time_to_first_token_ms"] = _milliseconds(bedrock.get("firstByteLatency"))
    if facts["latency_ms"] is None and not _OLLAMA.isdisjoint(by_name):
        duration = number_in(by_name.get("total_duration"))
        facts["latency_ms"] = None if duration is None else _milliseconds(duration / _NANOSECONDS)
    return {name: value for name, value in facts.items() if value is not None}


def _id_in(by_name: Mapping[str, Any]) -> str | None:
    # Ollama's ids for OpenAI's SDK are three digits by chance: many calls have the same.
    # That of a batch's line is the line's.
    if by_name.get("system_fingerprint") == "fp_ollama" or "custom_id" in by_name:
        return None
    for name in ("id", "response_id", "provider_response_id", "generation_id"):
        # LangChain's own ids of a run are none of the provider's, which are in response_metadata.
        if (text := _short(by_name.get(name))) is not None and not text.startswith(("run-", "lc_")):
            return text
    aws = fields_of(by_name.get("response_metadata")) or {}
    return _short(aws.get("RequestId"))


def _tier_in(by_name: Mapping[str, Any]) -> str | None:
    tier = by_name.get("service_tier")
    if (kind := fields_of(tier)) is not None:  # Bedrock: {"type": "priority"}
        tier = kind.get("type")
    performance = fields_of(by_name.get("performance_config")) or {}
    if performance.get("latency") == "optimized":
        return "optimized"
    if text := _short(tier):
        return text.lower()
    return "batch" if by_name.get("custom_id") is not None else None


def _operation_in(by_name: Mapping[str, Any]) -> str | None:
    for name in ("object", "type"):
        if (operation := _OPERATIONS.get(text_in(by_name.get(name)) or "")) is not None:
            return operation
    if "candidates" in by_name or "model_version" in by_name:
        return "generate_content"
    if "stop_reason" in by_name and "output" in by_name:  # Bedrock's Converse
        return "chat"
    if "text" in by_name and "duration" in by_name:
        return "transcription"
    data = by_name.get("data")
    if isinstance(data, (list, tuple)) and data:
        first = fields_of(data[0]) or {}
        if first.get("object") == "embedding" or "embedding" in first:
            return "embeddings"
        if "created" in by_name and ("b64_json" in first or "url" in first):
            return "image_generation"
    if not _OLLAMA.isdisjoint(by_name):
        return "chat" if "message" in by_name else "text_completion" if "response" in by_name else None
    return None


def _short(value: Any) -> str | None:
    """A text that can be stored; a name that is too long, or no text, is none."""
    text = text_in(value)
    return None if text is None or len(text) > MAX_TEXT or refused_text(text) else text


def _cost(name: str, value: Any, told: dict[str, str]) -> Decimal | None:
    try:
        return checked_amount(name, value, MAX_COST_USD)
    except InvalidInput as error:
        told[name] = f"{error}: left out"
        return None


def _milliseconds(*values: Any) -> int | None:
    for value in values:
        if value is not None:
            try:
                return round(checked_amount("latency", value, MAX_MILLISECONDS))
            except InvalidInput:
                continue
    return None
