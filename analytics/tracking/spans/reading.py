"""A finished span as the arguments of log_usage(), or why it is no call."""

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from analytics.calls.row import MAX_MILLISECONDS, NOT_UNDERSTOOD, refused_text
from analytics.calls.validation import names_one_call, quoted
from analytics.pricing.price_list import Usage
from analytics.pricing.providers import source_before_slash, source_name, source_of
from analytics.tracking.spans import kinds
from analytics.tracking.spans.answers import facts_of, json_object, object_in, response_of
from analytics.tracking.spans.attributes import Told, looks_like_genai, text_of, told_by
from analytics.tracking.spans.finished import FinishedSpan, PassedOver
from analytics.tracking.spans.identity import span_call_id
from analytics.tracking.spans.plans import plan_of
from analytics.tracking.spans.tags import fitting, is_phone, labelled
from analytics.tracking.spans.usage import usage_in

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_CLAUDE_REQUEST = "claude_code.llm_request"  # which names no operation
_REQUEST_ID = "req_"
"""Begin of Anthropic's ids of requests, which one that failed has, too."""

_CONVERSATIONS = ("thread_id", "session_id", "conversation_id", "sessionId", "threadId", "conversationId")
"""LangGraph's and others' names, in the metadata of a run."""

_REFUSED = frozenset(
    {
        *("content_filter", "content_filtered", "refusal", "refused", "safety", "recitation", "blocklist"),
        *("prohibited_content", "spii", "guardrail_intervened", "model_armor", "image_safety"),
    }
)
_CUT = frozenset({"cancelled", "canceled", "incomplete", "aborted", "abort", "interrupted", "timeout"})
_FAILED = frozenset({"error", "failed"})
_OF_STREAMS_BEGIN = "span"  # Logfire: the span ends when a stream begins; a log tells its usage


def read_span(span: FinishedSpan) -> dict[str, Any] | PassedOver | None:
    """The arguments of log_usage(), or why a span that looks like a call is none; None for any other span.

    Its time is the span's end: usage is known then, and plain logging logs then, too.
    """
    told = told_by(span.attributes, span.resource)
    fields = told.by_field
    if kinds.is_part(span.name):
        return _passed_over(span, fields, kinds.IS_PART, is_expected=True)
    if kinds.is_told_in_logs(span.name, span.scope):
        return _passed_over(span, fields, kinds.IN_LOGS, is_expected=True)
    if not fields:
        return _passed_over(span, fields, kinds.NO_MODEL)
    get = fields.get
    model = get("model")
    kind = kinds.kind_of(get("kind"), get("operation"), model)
    if span.name == _CLAUDE_REQUEST:
        kind = kinds.Kind(False, True, "chat")
    if kind.is_sum:
        return _passed_over(span, fields, kinds.IS_SUM, is_expected=True)
    output: Mapping[str, Any] = _output(fields) if "output" in fields else _NOTHING
    answer = facts_of(output) if output else _NOTHING
    if model is None:
        model = text_of(json_object(get("parameters")).get("model")) or text_of(output.get("model"))
        if model is None:
            return _passed_over(span, fields, kinds.NO_MODEL)
        kind = kinds.kind_of(get("kind"), get("operation"), model)
    elif "litellm_model" in fields:
        model = _behind_alias(model, fields["litellm_model"])
    usage = usage_in(told, response_of(output) if output else None)
    is_error = (
        span.is_error or "error_type" in fields or get("level") == "ERROR" or get("status_code", 0) >= 400
    )
    if "parameters" in fields and _asks_nothing(span):
        return _passed_over(span, fields, kinds.FREE, is_expected=True)
    if usage is None:
        if not kind.says_call:
            return _passed_over(span, fields, kinds.NO_USAGE)
        if kind.operation == "moderation":
            return _passed_over(span, fields, kinds.FREE, is_expected=True)
        if not is_error and get("log_kind") == _OF_STREAMS_BEGIN and "response_id" not in fields:
            return _passed_over(span, fields, kinds.STREAM_TOLD_APART, is_expected=True)
    return _record(span, told, model, kind.operation, usage, answer, is_error)


def _record(
    span: FinishedSpan,
    told: Told,
    model: str,
    operation: str | None,
    usage: Usage | Mapping[str, Any] | None,
    answer: Mapping[str, Any],
    is_error: bool,
) -> dict[str, Any]:
    fields = told.by_field
    get = fields.get
    run = _run(fields) if "metadata" in fields or "requester" in fields else _NOTHING
    source, model = _source_and_model(
        get("own_source"),
        get("provider"),
        get("told_provider") or (text_of(run.get("ls_provider")) if run else None),
        get("host"),
        model,
        span.scope,
    )
    response_id = _response_id(span, fields) if "response_id" in fields else None
    if response_id is None and answer:
        response_id = _short(answer.get("response_id"))
    metadata: dict[str, Any] = {}
    if span.trace_id:
        metadata = {"trace_id": span.trace_id, "span_id": span.span_id}
    if span.scope:
        metadata["scope"] = span.scope
    if usage is None and told.odd:
        metadata[NOT_UNDERSTOOD] = {
            name: f"{quoted(value)} is no count: left out" for name, value in told.odd.items()
        }
    phone, tags = get("phone"), told.tags
    if labels := fields.get("labels") or run.get("tags"):
        tags = {**labelled(labels), **tags}
    if tags:
        tags, left_out = fitting(tags)
        if left_out:
            metadata["tags_left_out"] = left_out
        if (user := tags.get("user")) is not None and is_phone(user):
            del tags["user"]
            phone = phone or user
    is_known = response_id is not None and names_one_call(source, response_id)
    latency, first_token = _times(span, fields)
    outcome = _outcome(fields, usage, response_id, answer, is_error)
    return {
        "client_id": get("client"),
        "source": source,
        "model": model,
        "conversation_id": get("own_conversation") or _conversation(fields, run),
        "phone": phone,
        "usage": usage,
        # LiteLLM counts itself what a stream that broke off has told.
        "tokens_estimated": outcome == "cut" and is_error and usage is not None,
        # make_call() makes it of the response id, where there is one.
        "id": None if is_known else span_call_id(span),
        "created_at": _moment(span.ended_ns),
        "service_tier": get("service_tier") or _short(answer.get("service_tier")),
        "operation": operation,
        "outcome": outcome,
        "latency_ms": latency,
        "time_to_first_token_ms": first_token,
        "operation_id": get("operation_id"),
        "attempt": _attempt(fields),
        "response_id": response_id,
        "account": get("account"),
        "stated_cost_usd": _stated_cost(fields),
        "plan": plan_of(get("plan"), span.attributes, span.scope),
        "tags": tags or None,
        "metadata": metadata or None,
    }


def _passed_over(
    span: FinishedSpan, fields: Mapping[str, Any], reason: str, *, is_expected: bool = False
) -> PassedOver | None:
    if not looks_like_genai(span.attributes):
        return None
    operation = fields.get("operation") or fields.get("kind") or span.name or "a span without a name"
    return PassedOver.named(operation, reason, is_expected=is_expected)


def _behind_alias(model: str, asked: str) -> str:
    """The model that LiteLLM asked, where what answered has the name that the proxy's users know."""
    return model if model.startswith(asked.rpartition("/")[2]) else asked


def _asks_nothing(span: FinishedSpan) -> bool:
    # OpenInference's instrumentor of OpenAI writes a span for every request, also for one that asks no model:
    # to read a stored response, for instance, whose usage was paid for when it was made.
    return span.attributes.get("llm.invocation_parameters") == "{}" and span.scope.endswith(".openai")


def _output(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    # The vectors of an embedding take long to read, and its tokens are told.
    if fields.get("prompt") and fields.get("kind") == "EMBEDDING":
        return _NOTHING
    output = json_object(fields["output"])
    inner = output.get("output")  # LangSmith's: {"output": {...}}
    return inner if isinstance(inner, Mapping) and len(output) == 1 else output


# The same few models come again and again.
@lru_cache(maxsize=4096)
def _source_and_model(
    own: str | None, provider: str | None, told: str | None, host: str | None, model: str, scope: str
) -> tuple[str, str]:
    # Gemini's resource names, and Claude Code's name of the long context.
    model = model.removeprefix("models/").removesuffix("[1m]")
    if own is not None:
        return source_name(own, model), model
    source = source_of(provider, told=told, model=model, host=host, scope=scope)
    if source_before_slash(model) == source:
        model = model.partition("/")[2]  # LiteLLM's way to say where to send it
    # Whisper is a source of its own, as in log_whisper_usage().
    return ("whisper" if (source, model) == ("openai", "whisper-1") else source), model


def _run(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an application says of a run; of LiteLLM's proxy, what it sent with its request."""
    if isinstance(fields.get("requester"), str) and fields["requester"]:
        return object_in(fields["requester"])
    return json_object(fields.get("metadata"))


def _response_id(span: FinishedSpan, fields: Mapping[str, Any]) -> str | None:
    response_id = _short(fields.get("response_id"))
    if response_id is None:
        return None
    # Made by the SDK where the provider gave none: nobody else knows it.
    if response_id == fields.get("litellm_call_id") or response_id.startswith(("aitxt-", "aiobj-")):
        return None
    if span.scope.startswith("litellm"):
        return response_id_of_litellm(response_id)
    return response_id


def response_id_of_litellm(response_id: str) -> str | None:
    if response_id.startswith("chatcmpl-") and response_id.count("-") == 5:
        return None  # its own, a UUID, for providers that have ids of another kind
    if response_id.startswith("resp_bGl0ZWxsb"):  # "litellm:...;response_id:resp_1"
        try:
            text = base64.b64decode(response_id[5:] + "==").decode()
        except (binascii.Error, ValueError):
            return response_id
        return text.rpartition("response_id:")[2] or response_id
    return response_id


def _short(text: object) -> str | None:
    return text if isinstance(text, str) and text and refused_text(text) is None else None


def _conversation(fields: Mapping[str, Any], run: Mapping[str, Any]) -> str | None:
    # They are not meant for us: a call is not lost because its conversation cannot be stored.
    conversation = fields.get("conversation")
    if conversation is None and not run:
        return None
    for name in (conversation, *(text_of(run.get(name)) for name in _CONVERSATIONS)):
        if name is not None and refused_text(name) is None:
            return str(name)
    return None


def _outcome(
    fields: Mapping[str, Any],
    usage: Usage | Mapping[str, Any] | None,
    response_id: str | None,
    answer: Mapping[str, Any],
    is_error: bool,
) -> str | None:
    words = _finish_words(fields.get("finish")) if "finish" in fields else ()
    if is_error:
        # A stream that broke off was paid for, as far as it came.
        is_answered = response_id is not None and not response_id.startswith(_REQUEST_ID)
        has_begun = is_answered or words or answer.get("has_answer")
        is_cut = has_begun if usage is None else str(fields.get("streams")).lower() == "true"
        return "cut" if is_cut else "error"
    for outcome, of_outcome in (("refused", _REFUSED), ("cut", _CUT), ("error", _FAILED)):
        if words and all(word in of_outcome for word in words):
            return outcome
    return "ok" if usage is not None or words else None


def _finish_words(finish: Any) -> tuple[str, ...]:
    try:
        return _words(finish if isinstance(finish, str) else tuple(finish))
    except TypeError:
        return ()


@lru_cache(maxsize=1024)
def _words(finish: str | tuple[Any, ...]) -> tuple[str, ...]:
    if isinstance(finish, str):
        # Some send a list as JSON.
        finish = tuple(part.strip(" \"'") for part in finish.strip("[]").split(","))
    return tuple(word.lower().replace("-", "_") for word in finish if isinstance(word, str) and word)


def _times(span: FinishedSpan, fields: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Milliseconds to the end and to the first token."""
    latency: float | None = None
    started, ended = span.started_ns, span.ended_ns
    if started and ended:
        latency = (ended - started) / 1_000_000
        if ended == started:  # a log, which has no length
            seconds = fields.get("log_seconds")
            latency = None if seconds is None else float(seconds) * 1000
    first: float | None = None
    if "first_token_ms" in fields:
        first = float(fields["first_token_ms"])
    elif "first_token_seconds" in fields:
        first = float(fields["first_token_seconds"]) * 1000
        if latency is not None and first > latency:
            first /= 1000  # Strands tells milliseconds
    elif span.first_token_ns and started:
        first = (span.first_token_ns - started) / 1_000_000
    elif "began" in fields and started:
        first = _since(started, fields["began"])
    if first is not None and latency is not None and first > latency + 1:
        first = None  # an answer does not begin after its end
    return _milliseconds(latency), _milliseconds(first)


def _milliseconds(value: float | None) -> int | None:
    return round(value) if value is not None and 0 <= value <= MAX_MILLISECONDS else None


def _since(started_ns: int, began: object) -> float | None:
    try:
        moment = datetime.fromisoformat(str(began).strip('"'))
        return (moment - _EPOCH).total_seconds() * 1000 - started_ns / 1_000_000
    except (ValueError, TypeError):
        return None


def _attempt(fields: Mapping[str, Any]) -> int | None:
    if fields.get("attempt"):
        return int(fields["attempt"])
    return None if "resend_count" not in fields else fields["resend_count"] + 1


def _stated_cost(fields: Mapping[str, Any]) -> Any:
    if "cost" in fields:
        return fields["cost"]
    if "cost_details" not in fields and "hidden_params" not in fields:
        return None
    for field, name in (("cost_details", "total"), ("hidden_params", "response_cost")):
        if field in fields:
            cost = object_in(fields[field]).get(name)
            if isinstance(cost, (int, float)) and not isinstance(cost, bool) and 0 < cost < float("inf"):
                return cost
    return None


def _moment(nanoseconds: int | None) -> datetime | None:
    try:
        return _EPOCH + timedelta(microseconds=nanoseconds // 1000) if nanoseconds else None
    except OverflowError:
        return None
