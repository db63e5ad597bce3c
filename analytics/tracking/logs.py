"""What coding agents log of their calls, as finished spans, so that one reader reads both.

Claude Code, Codex CLI, Gemini CLI and its forks write a log record for each call. Their conversation is the
call's, and their metrics only check the calls: see metered.py. Plain values, no OpenTelemetry needed.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from analytics.tracking.spans import CLAUDE_CODE, FinishedSpan, PassedOver, looks_like_genai
from analytics.tracking.spans.attributes import count_of, text_of

NOT_ONE_CALL = "it is not known to be of one call"
TOLD_APART = "another record tells of its call"

_DETAILS = "gen_ai.client.inference.operation.details"
"""OpenTelemetry's own event about one call, within its span."""
_OF_CLAUDE_CODE = "claude_code."
_OF_OTHERS = "agent."
_OF_GEMINIS_KIND = (".api_response", ".api_error")
_OF_GEMINI_CLI = frozenset({"installation.id", "auth_type"})
"""Attributes of all its records, and of those of its forks."""
_UNTIMED = "codex.sse_event"
"""Its duration is the time since the event before."""
_SESSION = "session.id"
_OF_ALL = ("usage.", "session.", "user.", "auth_", "organization.", "agent.", "skill.")
"""Begins of names: whose call it is, and who pays. They are read as those of a span are."""

Attributes = Mapping[str, Any]


class LogRecord(NamedTuple):
    """A log record, as OTLP has it."""

    attributes: Attributes
    resource: Attributes = MappingProxyType({})
    event: str = ""
    """The field of this name; agents write an attribute or the body."""
    body: Any = None
    scope: str = ""
    trace_id: str = ""
    """32 hexadecimal digits; those of spans have 16. Of the span around it, which may hold many calls."""
    span_id: str = ""
    at_ns: int | None = None
    """Nanoseconds since 1970."""


def span_of_log(log: LogRecord) -> FinishedSpan | PassedOver | None:
    """The call that a record tells of, as the span that it would be; why a record that looks like one is
    none; None for all others."""
    event = _event(log)
    if event == _DETAILS:
        if not _OF_GEMINI_CLI.isdisjoint(log.attributes):
            return PassedOver(event, TOLD_APART, is_expected=True)
        return _span(log, log.attributes, log.span_id or _span_id(log))
    reader = _READERS.get(event) or _READERS.get(event.partition(".")[2])
    if reader is not None and (told := reader(log.attributes)) is not None:
        kept = {name: value for name, value in log.attributes.items() if name.startswith(_OF_ALL)}
        session = {_SESSION: log.resource[_SESSION]} if _SESSION in log.resource else {}
        return _span(log, {**session, **kept, **told}, _span_id(log))
    # A tool's own sums, or an event that a later version calls differently.
    if looks_like_genai(log.attributes) and any("token" in name for name in log.attributes):
        return PassedOver.named(event or "a record without a name", NOT_ONE_CALL)
    return None


def _event(log: LogRecord) -> str:
    """The event's whole name: claude_code.api_request."""
    for name in (text_of(log.body), text_of(log.attributes.get("event.name")), log.event):
        if name and "." in name and " " not in name:
            return name
    named = text_of(log.attributes.get("event.name")) or text_of(log.body)
    if named and log.scope.startswith(CLAUDE_CODE):
        return _OF_CLAUDE_CODE + named
    return _OF_OTHERS + named if named is not None and named in _READERS else ""


def _span(log: LogRecord, attributes: Attributes, span_id: str) -> FinishedSpan:
    ended = log.at_ns or _moment(log.attributes.get("event.timestamp"))
    event = _event(log)
    milliseconds = 0 if event == _UNTIMED else count_of(log.attributes.get("duration_ms")) or 0
    return FinishedSpan(
        attributes=attributes,
        resource=log.resource,
        name=event,
        # Where the agent writes no spans its records have no trace, but an id all the same.
        trace_id=log.trace_id or span_id * 2,
        span_id=span_id,
        # Another view than the agent's spans, which may have its name.
        scope=f"{log.scope or 'agent'}.logs" if event.endswith(_OF_GEMINIS_KIND) else log.scope or "logs",
        started_ns=ended - milliseconds * 1_000_000 if ended else None,
        ended_ns=ended,
        is_error="error.type" in attributes,
    )


def _span_id(log: LogRecord) -> str:
    """The same each time that a record is sent."""
    told = json.dumps([log.at_ns, log.scope, sorted(log.attributes.items())], default=str)
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:16]


_CLAUDE_USAGE = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens", "speed")
_CHAT = {"gen_ai.operation.name": "chat"}


def _claude_request(log: Attributes) -> Attributes | None:
    return {
        **_of_claude(log),
        # Cached tokens are beside the input, as Anthropic counts them.
        **{name: log[name] for name in _CLAUDE_USAGE if name in log},
        "gen_ai.usage.cost": log.get("cost_usd"),
    }


def _agent_request(log: Attributes) -> Attributes | None:
    """Of agents that do as Claude Code does, such as OpenCode by its plugins."""
    if "output_tokens" not in log:
        return None  # Gemini CLI's is about the question: the answer is told apart
    provider = text_of(log.get("provider")) or ("anthropic" if "claude" in str(log.get("model")) else None)
    return {**(_claude_request(log) or {}), "gen_ai.provider.name": provider}


def _claude_error(log: Attributes) -> Attributes | None:
    return {**_of_claude(log), **_failure(log), "usage.attempt": log.get("attempt")}


def _claude_refusal(log: Attributes) -> Attributes | None:
    return {**_of_claude(log), "gen_ai.response.finish_reasons": ["refusal"]}


def _of_claude(log: Attributes) -> dict[str, Any]:
    model = str(log.get("model"))
    return {
        **_CHAT,
        "gen_ai.provider.name": (
            "aws.bedrock" if "anthropic." in model else "gcp.vertex_ai" if "@" in model else "anthropic"
        ),
        "gen_ai.request.model": log.get("model"),
        # That of the request, which its spans have as that of the response.
        "gen_ai.response.id": log.get("request_id"),
        # The other id is one of the machine, which says nothing to a team.
        "user.id": log.get("user.email") or log.get("user.id"),
    }


def _codex_event(log: Attributes) -> Attributes | None:
    kind = log.get("event.kind") or log.get("kind")
    if text_of(log.get("error.message")) is not None:
        # A stream that broke off has used something that nobody told.
        failed = kind == "response.failed"
        return {
            **_of_codex(log),
            **(_failure(log) if failed else {"gen_ai.response.finish_reasons": ["incomplete"]}),
        }
    if kind not in (None, "response.completed") or "input_token_count" not in log:
        return None  # a part of the stream; each call has one record that tells its tokens
    return {
        **_of_codex(log),
        "gen_ai.usage.raw": {
            "input_tokens": count_of(log.get("input_token_count")),
            "input_tokens_details": {
                "cached_tokens": count_of(log.get("cached_token_count")),
                "cache_write_tokens": count_of(log.get("cache_write_token_count")),
            },
            "output_tokens": count_of(log.get("output_token_count")),
            "output_tokens_details": {"reasoning_tokens": count_of(log.get("reasoning_token_count"))},
        },
        "ttft_ms": log.get("ttft_ms"),
    }


def _codex_request(log: Attributes) -> Attributes | None:
    endpoint = text_of(log.get("endpoint"))
    asks_a_model = endpoint is None or "responses" in endpoint or "completions" in endpoint
    if not asks_a_model or (text_of(log.get("error.message")) is None and (_status(log) or 0) < 400):
        return None  # its answer is told apart
    attempt = count_of(log.get("attempt"))
    return {
        **_of_codex(log),
        **_failure(log),
        "usage.attempt": None if attempt is None else attempt + 1,
    }


def _of_codex(log: Attributes) -> dict[str, Any]:
    model = str(log.get("model"))
    is_openais = model.startswith(("gpt-", "o1", "o3", "o4", "codex-")) and not model.startswith("gpt-oss")
    return {
        **_CHAT,
        **({"gen_ai.provider.name": "openai"} if is_openais else {}),
        "gen_ai.request.model": log.get("model"),
        "session.id": log.get("conversation.id") or log.get("conversation_id"),
        "user.id": log.get("user.email") or log.get("user.account_id"),
    }


def _gemini_response(log: Attributes) -> Attributes | None:
    names = {
        "input_token_count": "promptTokenCount",
        "output_token_count": "candidatesTokenCount",
        "cached_content_token_count": "cachedContentTokenCount",
        "thoughts_token_count": "thoughtsTokenCount",
        "tool_token_count": "toolUsePromptTokenCount",
        "total_token_count": "totalTokenCount",
    }
    counts: dict[str, Any] = {names[name]: count_of(value) for name, value in log.items() if name in names}
    if counts.get("thoughtsTokenCount") and counts.get("totalTokenCount") == sum(
        counts.get(name) or 0 for name in ("promptTokenCount", "candidatesTokenCount")
    ):
        # A fork asked somebody who has the thoughts in the answer.
        counts["outputTokenDetails"] = {"reasoningTokens": counts.pop("thoughtsTokenCount")}
    failed = _failure(log) if text_of(log.get("error")) is not None else {}
    return {
        **_of_gemini(log),
        **failed,
        "gen_ai.usage.raw": counts,
        "gen_ai.response.finish_reasons": log.get("finish_reasons"),
        "gen_ai.response.id": log.get("response_id"),
    }


def _gemini_error(log: Attributes) -> Attributes | None:
    return {**_of_gemini(log), **_failure(log), "usage.attempt": log.get("attempt")}


def _of_gemini(log: Attributes) -> dict[str, Any]:
    model = str(log.get("model"))
    at_vertex = log.get("auth_type") == "vertex-ai"
    google = {"gen_ai.provider.name": "gcp.vertex_ai" if at_vertex else "gcp.gemini"}
    return {
        **_CHAT,
        # Its forks speak to others.
        **(google if model.startswith(("gemini", "gemma", "models/gem")) else {}),
        "gen_ai.request.model": log.get("model"),
        "agent.name": log.get("subagent_name"),
    }


def _failure(log: Attributes) -> dict[str, Any]:
    return {
        "error.type": text_of(log.get("error.type")) or text_of(log.get("error_type")) or "error",
        "http.response.status_code": _status(log),
    }


def _status(log: Attributes) -> int | None:
    for name in ("http.response.status_code", "http.status_code", "status_code"):
        if (status := count_of(log.get(name))) is not None:
            return status
    return None


def _moment(text: Any) -> int | None:
    try:
        return int(datetime.fromisoformat(str(text)).timestamp() * 1_000_000) * 1_000
    except (ValueError, OverflowError):
        return None


# Of forks of Gemini CLI the tool's name is another (qwen-code.api_response).
_READERS: Mapping[str, Callable[[Attributes], Attributes | None]] = {
    "claude_code.api_request": _claude_request,
    "claude_code.api_error": _claude_error,
    "claude_code.api_refusal": _claude_refusal,
    "codex.sse_event": _codex_event,
    "codex.api_request": _codex_request,
    "api_request": _agent_request,
    "api_response": _gemini_response,
    "api_error": _gemini_error,
}
