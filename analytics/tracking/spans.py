"""A finished span of a model call as what log_usage() takes. Plain values, no OpenTelemetry needed.

Two vocabularies are read, each as its instrumentors really write it: the GenAI semantic conventions of
OpenTelemetry (today's names and those before) and OpenInference's. In both, cached tokens are part of the
input and reasoning tokens part of the output. A provider's raw numbers that were passed on without being
added up give themselves away where the parts are more than the whole.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from analytics import bounded_json
from analytics.calls.row import refused_text
from analytics.pricing.price_list import Usage
from analytics.tracking.providers import source_of

# Whose call a span is. Set by the application, or by UsageSpanProcessor from usage_context().
CLIENT_ATTRIBUTE = "usage.client_id"
CONVERSATION_ATTRIBUTE = "usage.conversation_id"
PHONE_ATTRIBUTE = "usage.phone"

_MAX_RELATED = 50  # calls within one span, of which a repeat is known
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_OUTPUT_CHARACTERS = 10_000_000

# What is a call. All else is ignored: agents, chains and workflows carry the sums of the calls within them.
_CALL_KINDS = frozenset({"LLM", "EMBEDDING", "DECISION"})
_CALL_OPERATIONS = frozenset(
    {"chat", "completion", "embedding", "embeddings", "generate_content", "text_completion", "transcription"}
)
# OpenInference tells a kind only: LLM is a chat as well as a transcription.
_OPERATION = ("gen_ai.operation.name", "openinference.span.kind")
_CONVERSATION = ("gen_ai.conversation.id", "session.id")
_PROVIDER = (
    "llm.provider",  # goes first: it comes from the address, the others may only name the SDK
    "decision.provider",
    "gen_ai.provider.name",
    "gen_ai.system",
    "llm.system",
    "decision.system",
)
_MODEL = (
    "gen_ai.response.model",  # prices may differ by the dated snapshot that answered
    "llm.model_name",
    "embedding.model_name",
    "decision.response.model_name",
    "decision.model_name",
    "gen_ai.request.model",
)
_PARAMETERS = ("llm.invocation_parameters", "embedding.invocation_parameters")
_SERVICE_TIER = ("openai.response.service_tier", "gen_ai.openai.response.service_tier")
_PROMPT = (
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "llm.token_count.prompt",
    "decision.token_count.input",
)
_COMPLETION = (
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.token_count.completion",
    "decision.token_count.output",
)
_TOTAL = ("llm.token_count.total", "llm.usage.total_tokens")
_DETAILS = {
    "cached_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "llm.token_count.prompt_details.cache_read",
    ),
    "cache_write_tokens": (
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "llm.token_count.prompt_details.cache_write",
    ),
    "prompt_audio_tokens": ("gen_ai.usage.audio.input_tokens", "llm.token_count.prompt_details.audio"),
    "cached_audio_tokens": ("gen_ai.usage.audio.cache_read.input_tokens",),
    "prompt_image_tokens": ("gen_ai.usage.image.input_tokens",),
    "reasoning_tokens": (
        "gen_ai.usage.reasoning.output_tokens",
        "llm.token_count.completion_details.reasoning",
    ),
    "completion_audio_tokens": (
        "gen_ai.usage.audio.output_tokens",
        "llm.token_count.completion_details.audio",
    ),
}
# What shows that an answer had begun, so that a call that failed after it was used all the same.
_ANSWER = ("gen_ai.response.id", "gen_ai.response.model", "output.value")


@dataclass(frozen=True, kw_only=True)
class FinishedSpan:
    """A span that has ended, as any exporter or OTLP has it."""

    attributes: Mapping[str, Any]
    trace_id: str = ""
    """32 hexadecimal digits; those of spans have 16."""
    span_id: str = ""
    parent_id: str = ""
    scope: str = ""
    """The instrumentation scope's name."""
    ended_ns: int | None = None
    """Nanoseconds since 1970."""
    is_error: bool = False


def record_of_span(span: FinishedSpan) -> dict[str, Any] | None:
    """The arguments of log_usage(), or None if the span is not a call of a model that costs something.

    Its time is the span's end: usage is known then, and plain logging logs then, too.
    """
    attributes = span.attributes
    if not _is_call(attributes, span.scope):
        return None
    output = _output(attributes)
    usage = _tokens(attributes) or _usage_in(output)
    model = _first_text(attributes, _MODEL) or _text(_parameters(attributes).get("model"))
    if usage is None:
        # Refused and failed calls cost nothing, unless the answer had begun; nor do other things that
        # OpenInference calls LLM: uploading a file, listing models, moderation.
        is_refused = span.is_error and not any(name in attributes for name in _ANSWER)
        if is_refused or model is None or "moderation" in model:
            return None
    source = source_of(
        _first_text(attributes, _PROVIDER), host=_text(attributes.get("server.address")), scope=span.scope
    )
    return {
        "client_id": _text(attributes.get(CLIENT_ATTRIBUTE)),
        # Whisper is a source of its own, as in log_whisper_usage().
        "source": "whisper" if (source, model) == ("openai", "whisper-1") else source,
        "model": model,
        "conversation_id": _conversation(attributes),
        "phone": _text(attributes.get(PHONE_ATTRIBUTE)),
        "usage": usage,
        "id": _record_id(span),
        "created_at": _moment(span.ended_ns),
        "service_tier": _first_text(attributes, _SERVICE_TIER) or _text(output.get("service_tier")),
        "metadata": _metadata(span) or None,
    }


class SeenCalls:
    """Tells where two instrumentors wrote a span each about one call, one within the other.

    The one that ends first counts, usually the inner one, which is next to the wire. Two spans are one call
    if one is the other's direct parent, if they come from different instrumentors, and if both counted the
    same tokens (or the later one none). Less would not do: some instrumentors leave a stream's span current
    while it is read, so that calls that are made meanwhile, each with its own cost, are its children.
    """

    def __init__(self, max_spans: int = 10_000) -> None:
        self._max_spans = max_spans
        # Of spans that others made: each of its parts has an upper limit.
        self._seen: dict[tuple[str, str, str], list[tuple[str, Any]]] = {}

    def is_repeat(self, span: FinishedSpan, record: Mapping[str, Any]) -> bool:
        """Whether the span's call was seen before; from now on it was."""
        usage = record["usage"]
        counted = usage[:2] if isinstance(usage, Usage) else _digest(usage)
        children = self._seen.get(("within", span.trace_id, span.span_id), ())
        parent = self._seen.get(("span", span.trace_id, span.parent_id), ())
        related = [*children, *parent]
        for key in (("span", span.trace_id, span.span_id), ("within", span.trace_id, span.parent_id)):
            seen = self._seen.setdefault(key, [])
            if len(seen) < _MAX_RELATED:
                seen.append((span.scope, counted))
        # Without a lock, which a fork might leave locked: the worst that can happen is one entry too many.
        while len(self._seen) > self._max_spans:
            with contextlib.suppress(RuntimeError, StopIteration):
                self._seen.pop(next(iter(self._seen)), None)
        return any(
            scope != span.scope and (counted is None or counted == already) for scope, already in related
        )


def _digest(usage: Mapping[str, Any] | None) -> bytes | None:
    if usage is None:
        return None
    return hashlib.sha256(json.dumps(usage, sort_keys=True).encode()).digest()


def _is_call(attributes: Mapping[str, Any], scope: str) -> bool:
    if kind := _text(attributes.get("openinference.span.kind")):
        # Its instrumentor of OpenAI writes a span for every request, also for one that asks no model: to read
        # a stored response, for instance, whose usage was paid for when it was made.
        asks_nothing = scope.endswith(".openai") and attributes.get("llm.invocation_parameters") == "{}"
        return kind.upper() in _CALL_KINDS and not asks_nothing
    if operation := _text(attributes.get("gen_ai.operation.name")):
        return operation.lower() in _CALL_OPERATIONS
    # Before there was an operation's name. Sums of agents have no model.
    return _first_text(attributes, _MODEL) is not None and _tokens(attributes) is not None


def _metadata(span: FinishedSpan) -> dict[str, str]:
    kept = {"trace_id": span.trace_id, "span_id": span.span_id} if span.trace_id else {}
    if operation := _first_text(span.attributes, _OPERATION):
        kept["operation"] = operation.lower()
    return kept


def _tokens(attributes: Mapping[str, Any]) -> Usage | None:
    prompt = _first_count(attributes, _PROMPT)
    completion = _first_count(attributes, _COMPLETION)
    total = _first_count(attributes, _TOTAL)
    if not prompt and not completion and not total:
        return None  # some say 0 where they do not know
    details = {name: _first_count(attributes, names) for name, names in _DETAILS.items()}
    known = {name: tokens for name, tokens in details.items() if tokens}
    prompt = _whole(prompt or 0, known, ("cached_tokens", "cache_write_tokens"))
    completion = _whole(completion or 0, known, ("reasoning_tokens",))
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=max(total or 0, prompt + completion),
        details=known,
    )


def _whole(tokens: int, details: Mapping[str, int], parts: Iterable[str]) -> int:
    apart = sum(details.get(part, 0) for part in parts)
    return tokens + apart if apart > tokens >= 0 else tokens


def _usage_in(output: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The usage in the answer itself: OpenInference has no attributes for transcriptions and images."""
    usage = output.get("usage")
    if isinstance(usage, dict) and usage:
        return usage
    if isinstance(output.get("text"), str) and isinstance(output.get("duration"), int | float):
        return {"type": "duration", "seconds": output["duration"]}
    return None


def _output(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    text = attributes.get("output.value")
    if not isinstance(text, str) or len(text) > _MAX_OUTPUT_CHARACTERS:
        return {}
    # Reading it takes its time: only where it may tell what no attribute does.
    return _json_object(text) if '"service_tier"' in text or '"usage"' in text or '"duration"' in text else {}


def _parameters(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in _PARAMETERS:
        if isinstance(text := attributes.get(name), str):
            return _json_object(text)
    return {}


def _json_object(text: str) -> Mapping[str, Any]:
    try:
        value = bounded_json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _conversation(attributes: Mapping[str, Any]) -> str | None:
    if conversation := _text(attributes.get(CONVERSATION_ATTRIBUTE)):
        return conversation
    # It is not meant for us: a call is not lost because its conversation cannot be stored.
    conversation = _first_text(attributes, _CONVERSATION)
    return None if conversation is None or refused_text(conversation) else conversation


def _record_id(span: FinishedSpan) -> UUID | None:
    """The same each time a span is exported, so that it is stored once; in order of time, as others."""
    if not span.trace_id.strip("0") or not span.span_id.strip("0"):
        return None
    digest = hashlib.sha256(f"{span.trace_id}-{span.span_id}".lower().encode()).digest()
    milliseconds = (span.ended_ns or 0) // 1_000_000 & (1 << 48) - 1
    # Version 7 (RFC 9562), the digest in the place of its random bits.
    bits = int.from_bytes(digest[:10])
    bits = bits & ~(0xF << 76) & ~(0b11 << 62) | 0x7 << 76 | 0b10 << 62
    return UUID(int=milliseconds << 80 | bits)


def _moment(nanoseconds: int | None) -> datetime | None:
    try:
        return _EPOCH + timedelta(microseconds=nanoseconds // 1000) if nanoseconds else None
    except OverflowError:
        return None


def _first_text(attributes: Mapping[str, Any], names: Iterable[str]) -> str | None:
    return next((text for name in names if (text := _text(attributes.get(name)))), None)


def _first_count(attributes: Mapping[str, Any], names: Iterable[str]) -> int | None:
    return next((count for name in names if (count := _count(attributes.get(name))) is not None), None)


def _text(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return (value.strip() or None) if isinstance(value, str) else None


def _count(value: object) -> int | None:
    # JavaScript has no integers, and some of it sends digits as text.
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 20 else None
