"""What instrumentors call what we want to know: one table for all conventions.

GenAI conventions of OpenTelemetry (today's names and those before), OpenInference, OpenLLMetry (Traceloop),
Vercel's AI SDK, LiteLLM, Logfire and pydantic-ai, Langfuse, LangSmith, OpenLIT, AgentOps, Google's ADK,
Spring AI, Semantic Kernel. Of several names of one thing the first that a span has counts.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from analytics.calls.row import MAX_COST_USD, MAX_TOKENS, refused_text
from analytics.calls.validation import number_in
from analytics.tracking.spans.finished import (
    CLIENT_ATTRIBUTE,
    CONVERSATION_ATTRIBUTE,
    PHONE_ATTRIBUTE,
    PLAN_ATTRIBUTE,
    SOURCE_ATTRIBUTE,
    TAG_PREFIX,
)

_TEXTS = {
    "client": (CLIENT_ATTRIBUTE,),
    "own_conversation": (CONVERSATION_ATTRIBUTE,),
    "phone": (PHONE_ATTRIBUTE,),
    "own_source": (SOURCE_ATTRIBUTE,),
    "plan": (PLAN_ATTRIBUTE,),
    "operation_id": ("usage.operation_id",),
    # Which of an instrumentor's kinds of spans it is: sums have kinds of their own.
    "kind": (
        "openinference.span.kind",
        "traceloop.span.kind",
        "langfuse.observation.type",
        "langsmith.span.kind",
        "agentops.span.kind",
    ),
    "operation": (
        "gen_ai.operation.name",
        "ai.operationId",
        "llm.request.type",
    ),
    "provider": (
        "llm.provider",  # goes first: it comes from the address, the others may only name the SDK
        "decision.provider",
        "gen_ai.provider.name",
        "gen_ai.system",
        "ai.model.provider",
        "llm.system",
        "decision.system",
        "llm.vendor",
    ),
    "told_provider": (
        "traceloop.association.properties.ls_provider",
        "langsmith.metadata.ls_provider",
    ),
    "host": (
        "server.address",
        "gen_ai.openai.api_base",
        "llm.openai.api_base",
        "url.full",
    ),
    "model": (
        "gen_ai.response.model",  # prices may differ by the dated snapshot that answered
        "llm.response.model_name",
        "llm.response.model",
        "ai.response.model",
        "llm.model_name",
        "embedding.model_name",
        "reranker.model_name",
        "decision.response.model_name",
        "decision.model_name",
        "langfuse.observation.model.name",
        "gen_ai.request.model",
        "llm.request.model_name",
        "llm.request.model",
        "ai.model.id",
        "model",  # Claude Code
    ),
    "response_id": (
        "gen_ai.response.id",
        "ai.response.id",
        "llm.response.id",
    ),
    "litellm_call_id": ("litellm.call_id",),
    "litellm_model": ("litellm.provider.model",),
    "service_tier": (
        "openai.response.service_tier",
        "gen_ai.openai.response.service_tier",
        "gen_ai.response.service_tier",
        "anthropic.response.service_tier",
    ),
    "account": (
        "usage.account",
        "openai.project",
        "gen_ai.openai.project",
        "llm.openai.project",
        "openai.organization",
        "gen_ai.openai.organization",
        "llm.openai.organization",
        "gen_ai.openai.response.organization",
        "anthropic.workspace.id",
        "anthropic.organization.id",
        "organization.id",  # Claude Code
    ),
    "conversation": (
        "gen_ai.conversation.id",
        "session.id",
        "langfuse.session.id",
        "traceloop.association.properties.session_id",
        "traceloop.association.properties.conversation_id",
        "traceloop.association.properties.chat_id",
        "traceloop.association.properties.thread_id",
        "ai.telemetry.metadata.sessionId",
        "ai.telemetry.metadata.session_id",
        "ai.telemetry.metadata.conversationId",
        "ai.telemetry.metadata.conversation_id",
        "ai.telemetry.metadata.chatId",
        "ai.telemetry.metadata.threadId",
        "ai.telemetry.metadata.thread_id",
        "langsmith.metadata.session_id",
        "langsmith.metadata.conversation_id",
        "langsmith.metadata.thread_id",
        "gcp.vertex.agent.session_id",
        "gen_ai.openai.thread_id",
        "langgraph.thread_id",
        "metadata.thread_id",
        "metadata.session_id",
        "litellm.session_id",
        "langsmith.trace.session_id",
    ),
    "error_type": ("error.type",),
    "level": ("langfuse.observation.level",),
    "log_kind": ("logfire.span_type",),
    # Tags, by their documented names.
    "#service": ("service.name",),
    "#service_version": ("service.version",),
    "#environment": (
        "deployment.environment.name",
        "deployment.environment",
        "gen_ai.environment",
        "langfuse.environment",
    ),
    "#user": (
        "user.id",
        "enduser.id",
        "langfuse.user.id",
        "traceloop.association.properties.user_id",
        "ai.telemetry.metadata.userId",
        "ai.telemetry.metadata.user_id",
        "langsmith.metadata.user_id",
        "metadata.user_api_key_end_user_id",
    ),
    "#team": ("metadata.user_api_key_team_alias", "team.id"),
    # Of coding agents, which have an attribute for who spends what.
    "#department": ("department",),
    "#cost_center": ("cost_center",),
    "#agent": ("agent.name",),
    "#skill": ("skill.name",),
    "#prompt": ("gen_ai.prompt.name", "langfuse.observation.prompt.name"),
    "#prompt_version": ("gen_ai.prompt.version", "langfuse.observation.prompt.version"),
}
_COUNTS = {
    "attempt": ("usage.attempt", "attempt"),
    "resend_count": ("http.request.resend_count",),
    "status_code": ("http.response.status_code", "error.code"),
    "prompt": (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "gen_ai.response.prompt_tokens",  # Semantic Kernel
        "llm.token_count.prompt",
        "llm.usage.prompt_tokens",
        "ai.usage.inputTokens",
        "ai.usage.promptTokens",
        "ai.usage.tokens",
        "decision.token_count.input",
    ),
    "completion": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "gen_ai.response.completion_tokens",
        "llm.token_count.completion",
        "llm.usage.completion_tokens",
        "ai.usage.outputTokens",
        "ai.usage.completionTokens",
        "decision.token_count.output",
    ),
    "total": (
        "llm.token_count.total",
        "llm.usage.total_tokens",
        "gen_ai.usage.total_tokens",
        "ai.usage.totalTokens",
    ),
    "cached_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "llm.token_count.prompt_details.cache_read",
        "llm.usage.cache_read_input_tokens",
        "ai.usage.cachedInputTokens",
        "gen_ai.usage.details.cache_read_tokens",
        "gen_ai.usage.details.cache_read_input_tokens",
        "gen_ai.usage.cached_tokens",
        "gen_ai.usage.cached_input_tokens",  # Mastra
    ),
    "cache_write_tokens": (
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "llm.token_count.prompt_details.cache_write",
        "llm.usage.cache_creation_input_tokens",
        "gen_ai.usage.details.cache_write_tokens",
        "gen_ai.usage.details.cache_creation_input_tokens",
        "gen_ai.usage.cache_write_input_tokens",  # Strands
    ),
    # Claude Code's, as Anthropic counts them: cached ones beside the input.
    "bare_input": ("input_tokens",),
    "bare_output": ("output_tokens",),
    "bare_cache_read": ("cache_read_tokens",),
    "bare_cache_write": ("cache_creation_tokens",),
    "cache_write_1h_tokens": (
        "gen_ai.usage.details.ephemeral_1h_input_tokens",
        "anthropic.usage.cache_creation.ephemeral_1h_input_tokens",  # Anthropic's SDK
    ),
    "prompt_audio_tokens": (
        "gen_ai.usage.audio.input_tokens",
        "llm.token_count.prompt_details.audio",
        "gen_ai.usage.details.input_audio_tokens",
    ),
    "cached_audio_tokens": (
        "gen_ai.usage.audio.cache_read.input_tokens",
        "gen_ai.usage.details.cache_audio_read_tokens",
    ),
    "prompt_image_tokens": ("gen_ai.usage.image.input_tokens",),
    "completion_image_tokens": ("gen_ai.usage.image.output_tokens",),
    "reasoning_tokens": (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
        "llm.usage.reasoning_tokens",
        "ai.usage.reasoningTokens",
        "gen_ai.usage.details.reasoning_tokens",
    ),
    "completion_audio_tokens": (
        "gen_ai.usage.audio.output_tokens",
        "llm.token_count.completion_details.audio",
        "gen_ai.usage.details.output_audio_tokens",
    ),
}
_AMOUNTS = {
    "cost": (
        "gen_ai.usage.cost",
        "gen_ai.usage.total_cost",
        "llm.usage.cost",
        "llm.usage.total_cost",
        "gen_ai.cost.total_cost",  # LiteLLM
        "llm.cost.total",
        "response_cost",
        "litellm.response_cost",
    ),
    "first_token_seconds": (
        "gen_ai.server.time_to_first_token",
        "gen_ai.response.time_to_first_chunk",
        "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.response.time_to_first_token",
        "llm.response.time_to_first_token",
    ),
    "first_token_ms": ("ai.response.msToFirstChunk", "gen_ai.response.time_to_first_token_ms", "ttft_ms"),
    "log_seconds": ("duration",),  # Logfire's logs about streams
}
_AS_THEY_ARE = {
    "finish": (
        "gen_ai.response.finish_reasons",
        "ai.response.finishReason",
        "llm.finish_reason",
        "llm.response.finish_reason",
        "llm.response.stop_reason",
        "gen_ai.response.stop_reason",
        "anthropic.message.stop_reason",
        "langfuse.observation.metadata.finish_reason",
    ),
    # The answer itself, as JSON.
    "output": ("output.value", "gen_ai.completion"),
    "parameters": ("llm.invocation_parameters", "embedding.invocation_parameters"),
    "metadata": ("metadata",),
    "streams": ("llm.is_streaming",),  # LiteLLM
    "requester": ("metadata.requester_metadata",),
    "hidden_params": ("hidden_params",),
    "cost_details": ("langfuse.observation.cost_details",),
    "labels": ("langfuse.trace.tags",),
    "began": ("langfuse.observation.completion_start_time",),
    "bare_speed": ("speed",),
    "ai_metadata": ("ai.response.providerMetadata",),
    # Whole usage objects, which know more than the counts beside them.
    "usage_object": (
        "gen_ai.usage.raw",  # Logfire
        "metadata.usage_object",  # LiteLLM
        "langfuse.observation.usage_details",
        "langsmith.metadata.usage_metadata",
        "gcp.vertex.agent.llm_response",
        "gen_ai.usage",
        "llm.usage",
    ),
}
# Names of tokens that are told twice, or that are the rest of a whole.
_OF_NO_METER = frozenset(
    {
        *("gen_ai.usage.text.input_tokens", "gen_ai.usage.text.output_tokens"),
        *("gen_ai.usage.text.cache_read.input_tokens", "gen_ai.usage.service_tier"),
        *("llm.token_count.prompt_details.text", "llm.token_count.completion_details.text"),
    }
)
_OF_NO_METER_BEFORE = ("gen_ai.usage.details.", "gen_ai.usage.raw")
_LIKE_GENAI = (
    *("gen_ai.", "llm.", "ai.", "openinference.", "traceloop.entity.", "langfuse.observation."),
    *("langsmith.", "decision.", "embedding.", "reranker.", "agentops."),
)
_WATCHED = (TAG_PREFIX, "ai.usage.", "gen_ai.usage.", "llm.token_count.")


_AS_TEXT = ("client", "own_conversation", "phone", "own_source", "host")
"""Those that the application set for us: what cannot be stored is an error. And an address of any length."""


def _storable(value: object) -> str | None:
    """A text that can be stored. It is not meant for us: a call is not lost because of it."""
    if type(value) is str:
        # Nearly all are short, and plain.
        text = value.strip()
        return (text or None) if text.isascii() and len(text) < 100 and "\0" not in text else _fitting(text)
    return _fitting(text_of(value))


def _fitting(text: str | None) -> str | None:
    return None if not text or refused_text(text) is not None else text


def text_of(value: object) -> str | None:
    """The text of an attribute's value; None where it says nothing."""
    if type(value) is str:
        return value.strip() or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return (value.strip() or None) if isinstance(value, str) else None


def _tag(value: object) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, float) else text_of(value)


def count_of(value: object) -> int | None:
    """The count that a value is; None where it is none, or cannot be."""
    if type(value) is int:
        return value if 0 <= value <= MAX_TOKENS else None
    # JavaScript has no integers, and some of it sends digits as text, as Spring does.
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        count = value
    elif (isinstance(value, float) and value.is_integer()) or (
        isinstance(value, str) and value.isdecimal() and len(value) < 20
    ):
        count = int(value)
    else:
        return None
    return count if 0 <= count <= MAX_TOKENS else None


def _amount(value: object) -> Decimal | None:
    # 0 is what those say who have no price, or did not look at the time.
    amount = number_in(value) if isinstance(value, (int, float, str)) else None
    return amount if amount is not None and amount.is_finite() and 0 < amount <= MAX_COST_USD else None


def _as_it_is(value: object) -> Any:
    return value if value != "" else None


_Rule = tuple[str, int, Callable[[object], Any]]
_RULES: dict[str, _Rule] = {
    name: (field, rank, _tag if field.startswith("#") else text_of if field in _AS_TEXT else convert)
    for table, convert in (
        (_TEXTS, _storable),
        (_COUNTS, count_of),
        (_AMOUNTS, _amount),
        (_AS_THEY_ARE, _as_it_is),
    )
    for field, names in table.items()
    for rank, name in enumerate(names, start=1)
}
_OF_USAGE = frozenset(_COUNTS) - {"attempt", "resend_count", "status_code"}
_OF_RESOURCE = ("client", "own_conversation", "phone", "own_source", "plan", "account")


class Told(NamedTuple):
    """What the attributes of a span tell."""

    by_field: dict[str, Any]
    tags: dict[str, str]
    of_ai_sdk: dict[str, Any]
    """The usage of Vercel's AI SDK, by its own names."""
    odd: dict[str, Any]
    """Attributes about usage that no meter is known for, or whose value cannot be."""


def told_by(attributes: Mapping[str, Any], of_resource: Mapping[str, Any]) -> Told:
    """What a span tells, and what its resource tells of all its spans."""
    found: dict[str, Any] = {}
    ranks: dict[str, int] = {}
    tags: dict[str, str] = {}
    of_ai_sdk: dict[str, Any] = {}
    odd: dict[str, Any] = {}
    if of_resource:
        of_all, tags_of_all = _told_of_resource(of_resource)
        found.update(of_all)
        tags.update(tags_of_all)
    # On the path of every span of an application: each attribute is looked up once.
    for name, value in attributes.items():
        rule = _RULES.get(name)
        if rule is None:
            if name.startswith(_WATCHED) and value not in (None, ""):
                _watch(name, value, tags, of_ai_sdk, odd)
            continue
        field, rank, convert = rule
        if ranks.get(field, rank) < rank:
            continue
        result = convert(value)
        if result is None:
            if field in _OF_USAGE and value is not None and value != "":
                odd[name] = value
        elif field[0] == "#":
            if ranks.get(field) != 0:
                tags[field[1:]] = result
                ranks[field] = rank
        else:
            found[field] = result
            ranks[field] = rank
        if name.startswith("ai.usage."):
            of_ai_sdk[name[9:]] = value
    own = [name for name in attributes if name.startswith(TAG_PREFIX)] if tags else []
    for name in own:  # goes before what a name of the conventions says
        if (tag := _tag(attributes[name])) is not None:
            tags.pop(key := name[len(TAG_PREFIX) :], None)
            tags[key] = tag
    return Told(found, tags, of_ai_sdk, odd)


# Resource attributes last as long as their process, so the same few objects come again and again.
_resources: dict[int, tuple[Mapping[str, Any], dict[str, Any], dict[str, str]]] = {}
_MAX_RESOURCES = 100


def _told_of_resource(resource: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    known = _resources.get(id(resource))
    if known is not None and known[0] is resource:
        return known[1:]
    found: dict[str, Any] = {}
    tags: dict[str, str] = {}
    ranks: dict[str, int] = {}
    for name, value in resource.items():
        rule = _RULES.get(name)
        if rule is None:
            if name.startswith(TAG_PREFIX) and (tag := _tag(value)) is not None:
                tags[name[len(TAG_PREFIX) :]] = tag
                ranks[f"#{name[len(TAG_PREFIX) :]}"] = 0
            continue
        field, rank, convert = rule
        if ranks.get(field, rank) < rank or (result := convert(value)) is None:
            continue
        if field[0] == "#":
            if not str(result).startswith("unknown_service"):  # what the SDK says where nobody said
                tags[field[1:]] = result
                ranks[field] = rank
        elif field in _OF_RESOURCE:
            found[field] = result
            ranks[field] = rank
    if len(_resources) >= _MAX_RESOURCES:
        _resources.clear()
    _resources[id(resource)] = resource, found, tags
    return found, tags


def _watch(
    name: str, value: Any, tags: dict[str, str], of_ai_sdk: dict[str, Any], odd: dict[str, Any]
) -> None:
    if name.startswith(TAG_PREFIX):
        if (tag := _tag(value)) is not None:
            tags[name[len(TAG_PREFIX) :]] = tag
    elif name.startswith("ai.usage."):
        of_ai_sdk[name[9:]] = value
    elif (
        name not in _OF_NO_METER and "cost" not in name and not name.startswith(_OF_NO_METER_BEFORE) and value
    ):
        odd[name] = value


def looks_like_genai(attributes: Mapping[str, Any]) -> bool:
    """Whether a span is about a model, as far as its attributes' names tell."""
    return any(name.startswith(_LIKE_GENAI) for name in attributes)
