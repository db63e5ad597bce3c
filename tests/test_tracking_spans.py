"""Attributes of spans, as instrumentors really write them, and the records that come of them."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from analytics.calls.usage_objects import read_usage
from analytics.config import PROJECT_DIRECTORY
from analytics.pricing.price_list import Usage
from analytics.tracking.spans import FinishedSpan, PassedOver, read_span
from analytics.tracking.spans.kinds import IS_SUM, NO_MODEL, NO_USAGE

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
PARENT = "53995c3f42cd8ad8"
ENDED_NS = 1_773_835_200_123_456_789  # 2026-03-18 12:00 UTC

# Captured from opentelemetry-instrumentation-openai-v2 2.4b0, as it is by default ...
OPENAI_V2 = {
    "gen_ai.operation.name": "chat",
    "gen_ai.system": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.response.finish_reasons": ("stop",),
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.openai.response.service_tier": "flex",
    "gen_ai.usage.input_tokens": 1200,
    "gen_ai.usage.output_tokens": 300,
}
# ... and with OTEL_SEMCONV_STABILITY_OPT_IN=gen_ai_latest_experimental.
OPENAI_V2_LATEST = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.provider.name": "openai",
    "gen_ai.response.finish_reasons": ("stop",),
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.usage.input_tokens": 1200,
    "gen_ai.usage.output_tokens": 300,
    "openai.response.service_tier": "flex",
    "openai.response.system_fingerprint": "fp",
}
# Its successor, opentelemetry-instrumentation-genai-openai 1.3b0, which also knows the Responses API.
GENAI_OPENAI = OPENAI_V2_LATEST | {
    "server.address": "127.0.0.1",
    "server.port": 38333,
    "gen_ai.usage.cache_read.input_tokens": 1000,
    "gen_ai.usage.reasoning.output_tokens": 200,
    "openai.api.type": "responses",
}
GENAI_FETCH = {
    "gen_ai.operation.name": "fetch_response",
    "gen_ai.response.id": "resp_1",
    "gen_ai.provider.name": "openai",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "openai.response.service_tier": "flex",
}
# openinference-instrumentation-openai 0.1.66.
OPENINFERENCE = {
    "llm.system": "openai",
    "input.value": '{"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}',
    "input.mime_type": "application/json",
    "output.value": '{"id":"chatcmpl-1","choices":[],"model":"gpt-4o-2024-08-06","service_tier":"flex"}',
    "output.mime_type": "application/json",
    "llm.invocation_parameters": '{"model": "gpt-4o"}',
    "llm.model_name": "gpt-4o-2024-08-06",
    "llm.token_count.total": 1500,
    "llm.token_count.prompt": 1200,
    "llm.token_count.completion": 300,
    "llm.token_count.prompt_details.cache_read": 1000,
    "llm.token_count.prompt_details.audio": 0,
    "llm.token_count.completion_details.reasoning": 200,
    "llm.token_count.completion_details.audio": 0,
    "llm.finish_reason": "stop",
    "openinference.span.kind": "LLM",
}
OPENINFERENCE_SCOPE = "openinference.instrumentation.openai"
OPENINFERENCE_TRANSCRIPTION = {
    "llm.system": "openai",
    "input.value": '{"model": "whisper-1"}',
    "output.value": '{"text":"hello","usage":{"seconds":30.0,"type":"duration"}}',
    "llm.invocation_parameters": '{"model": "whisper-1"}',
    "openinference.span.kind": "LLM",
}
OPENINFERENCE_EMBEDDING = {
    "llm.system": "openai",
    "embedding.invocation_parameters": '{"model": "text-embedding-3-small", "encoding_format": "base64"}',
    "llm.token_count.total": 8,
    "llm.token_count.prompt": 8,
    "embedding.model_name": "text-embedding-3-small",
    "openinference.span.kind": "EMBEDDING",
}
# openinference-instrumentation-groq 0.1.33.
OPENINFERENCE_GROQ = {
    "llm.provider": "groq",
    "llm.invocation_parameters": '{"model": "llama-3.3-70b-versatile"}',
    "llm.model_name": "llama-3.3-70b-versatile",
    "llm.token_count.total": 230,
    "llm.token_count.prompt": 150,
    "llm.token_count.completion": 80,
    "openinference.span.kind": "LLM",
}
OPENINFERENCE_GROQ_STREAM = {
    "llm.invocation_parameters": '{"model": "llama-3.3-70b-versatile", "stream": true}',
    "output.value": "<groq.Stream object at 0x7f3f248be9d0>",
    "llm.provider": "groq",
    "openinference.span.kind": "LLM",
}
DETAILS = {"cached_tokens": 1000, "reasoning_tokens": 200}
NO_PROMPT = "not told: its cost is missing"
NO_AUDIO = {"prompt_audio_tokens": 0, "completion_audio_tokens": 0}  # told, and 0


def read(attributes: dict[str, Any], **more: Any) -> dict[str, Any] | PassedOver | None:
    return read_span(
        FinishedSpan(attributes=attributes, trace_id=TRACE, span_id=SPAN, ended_ns=ENDED_NS, **more)
    )


def record(attributes: dict[str, Any], **more: Any) -> dict[str, Any] | None:
    found = read(attributes, **more)
    return found if isinstance(found, dict) else None


def recorded(attributes: dict[str, Any], **more: Any) -> dict[str, Any]:
    found = record(attributes, **more)
    assert found is not None
    return found


def without(attributes: dict[str, Any], *names: str) -> dict[str, Any]:
    """Those but the ones whose names begin so."""
    return {name: value for name, value in attributes.items() if not name.startswith(names)}


def test_a_record_is_all_that_log_usage_takes() -> None:
    attributes = GENAI_OPENAI | {
        "usage.client_id": "aaaaaaaa-0000-4000-8000-000000000001",
        "usage.conversation_id": "invoice",
        "usage.phone": "5511999999999",
    }

    assert recorded(
        attributes, scope="opentelemetry.instrumentation.genai.openai", started_ns=ENDED_NS - 10**9
    ) == {
        "client_id": "aaaaaaaa-0000-4000-8000-000000000001",
        "source": "openai",
        "model": "gpt-4o-2024-08-06",
        "conversation_id": "invoice",
        "phone": "5511999999999",
        "usage": Usage(1200, 300, 1500, None, DETAILS),
        "tokens_estimated": False,
        "id": None,  # of the response id
        "created_at": datetime(2026, 3, 18, 12, 0, 0, 123456, tzinfo=UTC),
        "service_tier": "flex",
        "operation": "chat",
        "outcome": "ok",
        "latency_ms": 1000,
        "time_to_first_token_ms": None,
        "operation_id": None,
        "attempt": None,
        "response_id": "chatcmpl-1",
        "account": None,
        "stated_cost_usd": None,
        "plan": None,
        "tags": None,
        "metadata": {
            "trace_id": TRACE,
            "span_id": SPAN,
            "scope": "opentelemetry.instrumentation.genai.openai",
        },
    }


@pytest.mark.parametrize(
    ("attributes", "operation"),
    [
        (OPENAI_V2 | {"gen_ai.operation.name": "Embeddings"}, "embeddings"),
        (OPENINFERENCE, "chat"),
        (OPENINFERENCE_TRANSCRIPTION, "transcription"),
        (OPENINFERENCE_EMBEDDING, "embeddings"),
        (OPENAI_V2 | {"gen_ai.operation.name": "acompletion"}, "chat"),
        (OPENAI_V2 | {"gen_ai.operation.name": "aembedding"}, "embeddings"),
        (OPENAI_V2 | {"gen_ai.operation.name": "speech_to_text"}, "transcription"),
        (OPENAI_V2 | {"gen_ai.operation.name": "our own"}, "our own"),
        (OPENINFERENCE | {"gen_ai.operation.name": "chat"}, "chat"),
    ],
)
def test_the_operation_has_one_name(attributes: dict[str, Any], operation: str) -> None:
    assert recorded(attributes)["operation"] == operation


def test_a_span_that_names_no_operation_has_none() -> None:
    assert recorded(without(OPENAI_V2, "gen_ai.operation.name"))["operation"] is None


@pytest.mark.parametrize(
    ("attributes", "source", "model", "usage"),
    [
        (OPENAI_V2, "openai", "gpt-4o-2024-08-06", Usage(1200, 300, 1500)),
        (OPENAI_V2_LATEST, "openai", "gpt-4o-2024-08-06", Usage(1200, 300, 1500)),
        (GENAI_OPENAI, "openai", "gpt-4o-2024-08-06", Usage(1200, 300, 1500, None, DETAILS)),
        (OPENINFERENCE, "openai", "gpt-4o-2024-08-06", Usage(1200, 300, 1500, None, DETAILS | NO_AUDIO)),
        (OPENINFERENCE_EMBEDDING, "openai", "text-embedding-3-small", Usage(8, 0, 8)),
        (OPENINFERENCE_GROQ, "groq", "llama-3.3-70b-versatile", Usage(150, 80, 230)),
        (OPENINFERENCE_GROQ_STREAM, "groq", "llama-3.3-70b-versatile", None),
        # With OPENINFERENCE_ENABLE_GENAI_SEMCONV one span has both vocabularies, and is one call.
        (
            OPENINFERENCE | OPENAI_V2_LATEST | {"gen_ai.usage.cache_read.input_tokens": 1000},
            "openai",
            "gpt-4o-2024-08-06",
            Usage(1200, 300, 1500, None, DETAILS | NO_AUDIO),
        ),
        # The names of 2024, without an operation; counts from JavaScript.
        (
            {
                "gen_ai.system": "OpenAI",
                "gen_ai.request.model": "gpt-4",
                "gen_ai.usage.prompt_tokens": 150.0,
                "gen_ai.usage.completion_tokens": "80",
                "llm.usage.total_tokens": 230,
            },
            "openai",
            "gpt-4",
            Usage(150, 80, 230),
        ),
        # Spring AI, whose counts are texts; its client's own span is a sum.
        (
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.system": "openai",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.response.model": "gpt-4o-2024-08-06",
                "gen_ai.usage.input_tokens": "150",
                "gen_ai.usage.output_tokens": "80",
                "gen_ai.usage.total_tokens": "230",
            },
            "openai",
            "gpt-4o-2024-08-06",
            Usage(150, 80, 230),
        ),
        # Semantic Kernel.
        (
            {
                "gen_ai.operation.name": "chat.completions",
                "gen_ai.system": "openai",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.response.prompt_tokens": 150,
                "gen_ai.response.completion_tokens": 80,
            },
            "openai",
            "gpt-4o",
            Usage(150, 80, 230),
        ),
        # Microsoft.Extensions.AI.
        (
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "azure.ai.openai",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.usage.input_tokens": 150,
                "gen_ai.usage.output_tokens": 80,
                "server.address": "acme.openai.azure.com",
            },
            "azure",
            "gpt-4o",
            Usage(150, 80, 230),
        ),
        # AgentOps, and OpenLLMetry of 2024.
        (
            {
                "agentops.span.kind": "llm",
                "gen_ai.system": "Anthropic",
                "gen_ai.request.model": "claude-sonnet-4-5",
                "gen_ai.usage.prompt_tokens": 150,
                "gen_ai.usage.completion_tokens": 80,
                "gen_ai.usage.total_tokens": 230,
            },
            "anthropic",
            "claude-sonnet-4-5",
            Usage(150, 80, 230),
        ),
        (
            {
                "llm.request.type": "chat",
                "llm.vendor": "OpenAI",
                "llm.request.model": "gpt-4",
                "llm.usage.prompt_tokens": 150,
                "llm.usage.completion_tokens": 80,
                "llm.usage.total_tokens": 230,
            },
            "openai",
            "gpt-4",
            Usage(150, 80, 230),
        ),
        # LiteLLM's proxy before it had usage objects; a total that is more than its parts.
        (
            {
                "gen_ai.operation.name": "acompletion",
                "gen_ai.system": "groq",
                "gen_ai.request.model": "groq/llama-3.3-70b-versatile",
                "gen_ai.usage.prompt_tokens": 150,
                "gen_ai.usage.completion_tokens": 80,
                "llm.usage.total_tokens": 250,
            },
            "groq",
            "llama-3.3-70b-versatile",
            Usage(150, 80, 250),
        ),
        # A model that is sold by the search.
        (
            {"openinference.span.kind": "RERANKER", "reranker.model_name": "rerank-v3.5"}
            | {"llm.token_count.prompt": 40, "llm.provider": "cohere"},
            "cohere",
            "rerank-v3.5",
            Usage(40, 0, 40),
        ),
        (
            {
                "openinference.span.kind": "DECISION",
                "decision.system": "openai",
                "decision.model_name": "a-decider",
                "decision.token_count.input": 40,
                "decision.token_count.output": 2,
            },
            "openai",
            "a-decider",
            Usage(40, 2, 42),
        ),
        # Anthropic's SDK since 2.14, by itself: the lifetime of what was written decides its price.
        (
            {
                "gen_ai.provider.name": "anthropic",
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": "claude-sonnet-4-5",
                "gen_ai.response.model": "claude-sonnet-4-5-20250929",
                "gen_ai.usage.input_tokens": 1200,
                "gen_ai.usage.cache_write.input_tokens": 180,
                "gen_ai.usage.cache_read.input_tokens": 1000,
                "anthropic.usage.cache_creation.ephemeral_5m_input_tokens": 100,
                "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": 80,
                "gen_ai.usage.output_tokens": 300,
            },
            "anthropic",
            "claude-sonnet-4-5-20250929",
            Usage(
                *(1200, 300, 1500, None),
                {"cached_tokens": 1000, "cache_write_tokens": 180, "cache_write_1h_tokens": 80},
            ),
        ),
        # Strands Agents, which tells cached tokens by its old names, too.
        (
            {
                "gen_ai.system": "strands-agents",
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": "us.anthropic.claude-sonnet-4-20250514-v1:0",
                "gen_ai.usage.prompt_tokens": 170,
                "gen_ai.usage.input_tokens": 170,
                "gen_ai.usage.output_tokens": 25,
                "gen_ai.usage.total_tokens": 195,
                "gen_ai.usage.cache_read_input_tokens": 60,
                "gen_ai.usage.cache_read.input_tokens": 60,
                "gen_ai.usage.cache_write_input_tokens": 10,
                "gen_ai.usage.cache_creation.input_tokens": 10,
            },
            "bedrock",
            "us.anthropic.claude-sonnet-4-20250514-v1:0",
            Usage(170, 25, 195, None, {"cached_tokens": 60, "cache_write_tokens": 10}),
        ),
        # Mastra
        (
            OPENAI_V2_LATEST | {"gen_ai.usage.cached_input_tokens": 1000},
            "openai",
            "gpt-4o-2024-08-06",
            Usage(1200, 300, 1500, None, {"cached_tokens": 1000}),
        ),
        # Claude Code's own: cached tokens are beside its input.
        (
            {
                "span.type": "llm_request",
                "model": "claude-opus-4-6",
                "gen_ai.system": "anthropic",
                "input_tokens": 2,
                "output_tokens": 1200,
                "cache_read_tokens": 84562,
                "cache_creation_tokens": 7096,
            },
            "anthropic",
            "claude-opus-4-6",
            {
                "input_tokens": 2,
                "output_tokens": 1200,
                "cache_read_input_tokens": 84562,
                "cache_creation_input_tokens": 7096,
            },
        ),
    ],
)
def test_calls_in_each_vocabulary(
    attributes: dict[str, Any], source: str, model: str, usage: Usage | dict[str, int] | None
) -> None:
    found = recorded(attributes)

    assert (found["source"], found["model"], found["usage"]) == (source, model, usage)


@pytest.mark.parametrize(
    ("attributes", "usage"),
    [
        # The sums of what is within them.
        (OPENAI_V2 | {"gen_ai.operation.name": "invoke_agent"}, None),
        (OPENAI_V2 | {"gen_ai.operation.name": "invoke_workflow"}, None),
        (OPENINFERENCE | {"openinference.span.kind": "AGENT"}, None),
        (OPENINFERENCE | {"openinference.span.kind": "CHAIN"}, None),
        (OPENINFERENCE | OPENAI_V2 | {"openinference.span.kind": "CHAIN"}, None),
        (
            {"agent_name": "support", "gen_ai.usage.input_tokens": 1200, "gen_ai.usage.output_tokens": 300},
            None,
        ),
        # No model was asked.
        ({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}, None),
        (GENAI_FETCH, None),
        (OPENINFERENCE | {"input.value": "{}", "llm.invocation_parameters": "{}"}, None),
        ({"openinference.span.kind": "LLM", "llm.invocation_parameters": '{"purpose": "batch"}'}, None),
        *(
            (OPENAI_V2 | {name: value}, None)
            for name, value in (
                ("gen_ai.operation.name", "framework"),  # Spring AI's client
                ("gen_ai.operation.name", "orchestrate_tools"),  # Microsoft.Extensions.AI
                ("gen_ai.operation.name", "agent_step"),
                ("traceloop.span.kind", "workflow"),
                ("traceloop.span.kind", "task"),
                ("langfuse.observation.type", "span"),
                ("langsmith.span.kind", "chain"),
                ("agentops.span.kind", "session"),
                ("openinference.span.kind", "TOOL"),
                ("openinference.span.kind", "RETRIEVER"),
            )
        ),
        (without(OPENAI_V2, "gen_ai.operation") | {"ai.operationId": "ai.generateText"}, None),
        (without(OPENAI_V2, "gen_ai.operation") | {"ai.operationId": "ai.streamObject"}, None),
        (
            {
                "openinference.span.kind": "LLM",
                "llm.invocation_parameters": '{"model": "omni-moderation-latest"}',
            },
            None,
        ),
        # Nothing of ours.
        ({"http.request.method": "POST", "server.address": "api.openai.com"}, None),
        ({}, None),
    ],
)
def test_other_spans_are_no_calls(attributes: dict[str, Any], usage: None) -> None:
    assert record(attributes, scope=OPENINFERENCE_SCOPE) is usage


def test_parameters_that_are_empty_or_hidden_are_a_call_with_others() -> None:
    hidden = OPENINFERENCE | {"llm.invocation_parameters": "__REDACTED__", "output.value": "__REDACTED__"}

    assert recorded(hidden, scope=OPENINFERENCE_SCOPE)["usage"] == Usage(
        1200, 300, 1500, None, DETAILS | NO_AUDIO
    )
    assert recorded(
        OPENINFERENCE | {"llm.invocation_parameters": "{}"}, scope="openinference.instrumentation.langchain"
    )


@pytest.mark.parametrize(
    ("attributes", "is_error", "outcome"),
    [
        # A stream that did not ask for its usage.
        (without(OPENAI_V2, "gen_ai.usage"), False, "ok"),
        (without(OPENAI_V2, "gen_ai.usage") | {"gen_ai.usage.input_tokens": 0}, False, "ok"),
        (without(OPENINFERENCE, "llm.token_count", "llm.finish_reason"), False, None),
        # Refused: 429 and the like. An attempt that costs nothing.
        (
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.system": "openai",
                "gen_ai.request.model": "gpt-4o",
                "error.type": "RateLimitError",
            },
            False,
            "error",
        ),
        (without(OPENINFERENCE, "llm.token_count", "llm.model_name", "llm.finish", "output."), True, "error"),
        (without(OPENINFERENCE_GROQ, "llm.token_count", "llm.model_name"), True, "error"),
        # Cut in the middle of the answer.
        (without(OPENAI_V2, "gen_ai.usage") | {"error.type": "APIConnectionError"}, True, "cut"),
        (without(OPENINFERENCE, "llm.token_count"), True, "cut"),
    ],
)
def test_without_usage_a_call_is_an_attempt_all_the_same(
    attributes: dict[str, Any], is_error: bool, outcome: str | None
) -> None:
    found = recorded(attributes, is_error=is_error)

    assert (found["usage"], found["outcome"]) == (None, outcome)


@pytest.mark.parametrize(
    ("finish", "outcome"),
    [
        (("stop",), "ok"),
        (("length",), "ok"),
        (("content_filter",), "refused"),
        ('["content_filter"]', "refused"),
        ("content-filter", "refused"),
        (("stop", "content_filter"), "ok"),
        (("SAFETY",), "refused"),
        (("cancelled",), "cut"),
        ((), "ok"),
        (7, "ok"),
    ],
)
def test_outcomes(finish: Any, outcome: str) -> None:
    assert recorded(OPENAI_V2 | {"gen_ai.response.finish_reasons": finish})["outcome"] == outcome


def test_an_error_after_the_usage_came_is_a_call() -> None:
    found = recorded(OPENAI_V2, is_error=True)
    assert (found["usage"], found["outcome"]) == (Usage(1200, 300, 1500), "error")


@pytest.mark.parametrize(
    ("output", "usage"),
    [
        (
            '{"text":"hello","usage":{"seconds":30.0,"type":"duration"}}',
            {"usage": {"type": "duration", "seconds": 30.0}},
        ),
        (
            '{"text":"hello","language":"english","duration":30.5,"segments":[]}',
            {"type": "duration", "seconds": 30.5},
        ),
        ('{"text":"hello"}', None),
        ('{"text":"hello","usage":null}', None),
        ('{"text":"hello","usage":', None),
        ("[" * 100_000 + '"usage"', None),
        ('["usage"]', None),
        ("__REDACTED__", None),
    ],
)
def test_a_transcription_tells_its_usage_in_the_answer(output: str, usage: dict[str, Any] | None) -> None:
    found = recorded(OPENINFERENCE_TRANSCRIPTION | {"output.value": output})

    assert (found["source"], found["model"], found["usage"]) == ("whisper", "whisper-1", usage)


@pytest.mark.parametrize(
    ("attributes", "usage"),
    [
        # As the conventions have it, cached tokens are part of the input.
        (
            {"gen_ai.usage.input_tokens": 1200, "gen_ai.usage.cache_read.input_tokens": 1200},
            Usage(1200, 300, 1500, None, {"cached_tokens": 1200}),
        ),
        # Anthropic's raw numbers, which have them beside it.
        (
            {
                "gen_ai.usage.input_tokens": 20,
                "gen_ai.usage.cache_read.input_tokens": 1000,
                "gen_ai.usage.cache_creation.input_tokens": 180,
            },
            Usage(1200, 300, 1500, None, {"cached_tokens": 1000, "cache_write_tokens": 180}),
        ),
        # Gemini's, which have thoughts beside the output.
        (
            {"gen_ai.usage.input_tokens": 1200, "gen_ai.usage.reasoning.output_tokens": 400},
            Usage(1200, 700, 1900, None, {"reasoning_tokens": 400}),
        ),
        (
            {
                "gen_ai.usage.input_tokens": 1200,
                "gen_ai.usage.audio.input_tokens": 1000,
                "gen_ai.usage.audio.cache_read.input_tokens": 600,
                "gen_ai.usage.cache_read.input_tokens": 700,
                "gen_ai.usage.audio.output_tokens": 250,
                "gen_ai.usage.image.input_tokens": 50,
                "gen_ai.usage.text.input_tokens": 150,
            },
            Usage(
                1200,
                300,
                1500,
                None,
                {
                    "cached_tokens": 700,
                    "prompt_audio_tokens": 1000,
                    "cached_audio_tokens": 600,
                    "prompt_image_tokens": 50,
                    "completion_audio_tokens": 250,
                },
            ),
        ),
    ],
)
def test_parts_are_counted_once(attributes: dict[str, Any], usage: Usage) -> None:
    assert recorded(OPENAI_V2 | attributes)["usage"] == usage


@pytest.mark.parametrize(
    ("attributes", "scope", "source"),
    [
        ({"gen_ai.provider.name": "azure.ai.openai"}, "", "azure"),
        ({"gen_ai.provider.name": "aws.bedrock"}, "", "bedrock"),
        ({"gen_ai.provider.name": "gcp.vertex_ai"}, "", "google"),
        ({"gen_ai.provider.name": "mistral_ai"}, "", "mistral"),
        ({"gen_ai.provider.name": "Ollama"}, "", "ollama"),
        ({"gen_ai.provider.name": "ibm.watsonx.ai"}, "", "ibm.watsonx.ai"),
        ({"gen_ai.system": "openai.chat"}, "", "openai"),
        ({"gen_ai.system": "groq.chat"}, "", "groq"),
        # OpenAI's SDK, asking others.
        ({"gen_ai.system": "openai", "server.address": "api.groq.com"}, "", "groq"),
        ({"gen_ai.system": "openai", "server.address": "Acme.openai.azure.com"}, "", "azure"),
        ({"gen_ai.system": "openai", "server.address": "notopenrouter.ai"}, "", "openai"),
        ({"gen_ai.system": "openai", "server.address": "api.groq.com:443"}, "", "groq"),
        ({"gen_ai.system": "openai", "server.address": "http://["}, "", "openai"),
        ({"llm.provider": "azure", "llm.system": "openai", "gen_ai.provider.name": "openai"}, "", "azure"),
        ({"llm.system": "openai"}, "", "openai"),
        # Pushed out of the span.
        ({}, "openinference.instrumentation.openai", "openai"),
        ({}, "openinference.instrumentation.groq", "groq"),
        ({}, "opentelemetry.instrumentation.openai_v2", "openai"),
        # By the one public list that knows the model.
        ({}, "our.own", "openai"),
        ({"gen_ai.system": "  "}, "", "openai"),
        ({"gen_ai.system": "litellm", "gen_ai.response.model": "claude-sonnet-4-5"}, "", "anthropic"),
        ({"gen_ai.response.model": "a-model-of-ours"}, "our.own", "unknown"),
        ({"gen_ai.system": "langchain", "gen_ai.response.model": "groq/llama"}, "", "groq"),
        ({"gen_ai.system": "gateway", "gen_ai.response.model": "xai/grok-4"}, "", "xai"),
        ({"metadata": '{"ls_provider": "mistralai"}', "gen_ai.response.model": "a"}, "", "mistral"),
        ({"traceloop.association.properties.ls_provider": "amazon_bedrock"}, "", "bedrock"),
        ({"server.address": "bedrock-runtime.us-east-1.amazonaws.com"}, "", "bedrock"),
        ({"gen_ai.openai.api_base": "https://api.groq.com/openai/v1", "gen_ai.system": "openai"}, "", "groq"),
        ({"ai.model.provider": "azure-openai.chat"}, "", "azure"),
        ({"ai.model.provider": "google.vertex.chat"}, "", "google"),
        ({"gen_ai.system": "openai", "usage.source": " Azure.AI.OpenAI "}, "", "azure"),
        ({"gen_ai.system": "openai", "usage.source": "our proxy"}, "", "our proxy"),
        ({"gen_ai.system": "openai-proxy"}, "", "openai-proxy"),
        # A framework's name says nothing of who is paid.
        ({"gen_ai.system": "strands-agents"}, "", "openai"),
        ({"gen_ai.provider.name": "microsoft.agent_framework"}, "", "openai"),
        *(
            ({"gen_ai.system": "strands-agents", "gen_ai.response.model": model}, "", "bedrock")
            for model in (
                "us.anthropic.claude-sonnet-4-20250514-v1:0",
                "amazon.nova-lite-v1:0",
                "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123",
            )
        ),
    ],
)
def test_sources(attributes: dict[str, Any], scope: str, source: str) -> None:
    found = recorded(without(OPENAI_V2, "gen_ai.system") | attributes, scope=scope)

    assert found["source"] == source


def test_the_model_that_answered_goes_before_the_one_that_was_asked() -> None:
    assert recorded(OPENAI_V2)["model"] == "gpt-4o-2024-08-06"
    assert recorded(without(OPENAI_V2, "gen_ai.response"))["model"] == "gpt-4o"
    assert recorded(without(OPENINFERENCE, "llm.model_name"))["model"] == "gpt-4o"


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        ("openai", "openai/gpt-4o", ("openai", "gpt-4o")),
        ("openrouter", "openrouter/openai/gpt-4o", ("openrouter", "openai/gpt-4o")),
        ("openrouter", "openai/gpt-4o", ("openrouter", "openai/gpt-4o")),
        ("together_ai", "together_ai/meta-llama/Llama-3.3-70B", ("together", "meta-llama/Llama-3.3-70B")),
        ("gcp.gemini", "models/gemini-2.5-flash", ("google", "gemini-2.5-flash")),
        ("litellm", "anthropic/claude-sonnet-4-5", ("anthropic", "claude-sonnet-4-5")),
    ],
)
def test_the_prefix_of_a_model_says_where_it_was_sent(
    provider: str, model: str, expected: tuple[str, str]
) -> None:
    found = recorded(OPENAI_V2 | {"gen_ai.system": provider, "gen_ai.response.model": model})
    assert (found["source"], found["model"]) == expected


@pytest.mark.parametrize(
    ("attributes", "conversation"),
    [
        ({"gen_ai.conversation.id": "thread-1"}, "thread-1"),
        ({"session.id": "session-1"}, "session-1"),
        ({"session.id": 17}, "17"),
        ({"langfuse.session.id": "session-1"}, "session-1"),
        ({"traceloop.association.properties.session_id": "session-1"}, "session-1"),
        ({"traceloop.association.properties.thread_id": "thread-1"}, "thread-1"),
        ({"ai.telemetry.metadata.sessionId": "session-1"}, "session-1"),
        ({"langsmith.metadata.thread_id": "thread-1"}, "thread-1"),
        ({"langsmith.trace.session_id": "session-1"}, "session-1"),
        ({"gcp.vertex.agent.session_id": "session-1"}, "session-1"),
        ({"metadata": '{"thread_id": "thread-1", "langgraph_step": 1}'}, "thread-1"),
        ({"metadata": "no JSON"}, None),
        ({"gen_ai.conversation.id": "thread-1", "session.id": "session-1"}, "thread-1"),
        ({"usage.conversation_id": "invoice", "gen_ai.conversation.id": "thread-1"}, "invoice"),
        # Not made for us, and not to be kept: the call is.
        ({"session.id": "x" * 1000}, None),
        ({"session.id": "a\0b"}, None),
        ({}, None),
    ],
)
def test_conversations(attributes: dict[str, Any], conversation: str | None) -> None:
    assert recorded(OPENAI_V2 | attributes)["conversation_id"] == conversation


def test_without_a_response_id_the_id_is_the_spans_own() -> None:
    def of(attributes: dict[str, Any] = OPENINFERENCE_GROQ, **more: Any) -> UUID | None:
        span = {"attributes": attributes, "trace_id": TRACE, "span_id": SPAN, "ended_ns": ENDED_NS} | more
        found = read_span(FinishedSpan(**span))
        assert isinstance(found, dict)
        result: UUID | None = found["id"]
        return result

    first = of()
    assert first is not None
    assert first == of(trace_id=TRACE.upper(), attributes=OPENINFERENCE_EMBEDDING)
    assert len({first, of(span_id=PARENT), of(trace_id="1" * 32)}) == 3
    assert first.version == 7
    later = of(ended_ns=ENDED_NS + 1_000_000)
    assert later is not None
    assert first < later
    assert of(trace_id="", span_id="") is None
    assert of(span_id="0" * 16) is None
    assert of(OPENAI_V2) is None


@pytest.mark.parametrize(
    ("attributes", "scope", "response_id"),
    [
        (OPENAI_V2, "", "chatcmpl-1"),
        (OPENINFERENCE, "", "chatcmpl-1"),  # in the answer
        # LiteLLM's own.
        ({"gen_ai.response.id": "a", "litellm.call_id": "a"}, "litellm", None),
        ({"gen_ai.response.id": "chatcmpl-85f151ae-f170-4519-aa92-82cedb77dbe7"}, "litellm", None),
        (
            {"gen_ai.response.id": "resp_bGl0ZWxsbTptb2RlbF9pZDpOb25lO3Jlc3BvbnNlX2lkOnJlc3BfNTM="},
            "litellm",
            "resp_53",
        ),
        ({"gen_ai.response.id": "aitxt-1"}, "ai", None),
        ({"gen_ai.response.id": "x" * 300}, "", None),
    ],
)
def test_response_ids(attributes: dict[str, Any], scope: str, response_id: str | None) -> None:
    counts = {"gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 5}
    found = recorded(counts | attributes, scope=scope)
    assert found["response_id"] == response_id
    assert (found["id"] is None) == (response_id is not None)


def test_a_response_id_that_is_drawn_from_a_few_is_no_identity() -> None:
    found = recorded(OPENAI_V2 | {"gen_ai.response.id": "chatcmpl-123", "gen_ai.system": "ollama"})
    assert (found["response_id"], found["id"]) == (
        "chatcmpl-123",
        UUID("019d00d1-267b-751b-9868-1147ceb9c871"),
    )


def test_times_and_what_an_attempt_tells() -> None:
    facts = {
        "gen_ai.server.time_to_first_token": 0.25,
        "http.request.resend_count": 2,
        "gen_ai.usage.cost": 0.0125,
        "openai.project": "proj_search",
        "usage.operation_id": "answer 17",
    }
    found = recorded(OPENAI_V2 | facts, started_ns=ENDED_NS - 1_500_000_000)
    assert (found["latency_ms"], found["time_to_first_token_ms"]) == (1500, 250)
    assert (found["attempt"], found["operation_id"]) == (3, "answer 17")
    assert (found["stated_cost_usd"], found["account"]) == (Decimal("0.0125"), "proj_search")
    # 0 is what is said where no price is known; times that cannot be are unknown.
    unknown = recorded(
        OPENAI_V2 | {"gen_ai.usage.cost": 0, "gen_ai.server.time_to_first_token": -1.0}, started_ns=2**62
    )
    assert [unknown[name] for name in ("stated_cost_usd", "time_to_first_token_ms", "latency_ms")] == [
        None
    ] * 3


def test_tags_are_those_of_the_span_then_those_of_its_resource() -> None:
    resource = {
        "service.name": "invoices",
        "service.version": "1.4.2",
        "deployment.environment": "staging",
        "usage.tag.team": "billing",
        "usage.tag.region": "eu",
        "telemetry.sdk.language": "python",
    }
    own = {
        "usage.tag.feature": "search",
        "usage.tag.team": "support",
        "deployment.environment.name": "production",
        "user.id": 17,
        "usage.tag.service": "web",
        "service.name": "not this one",
    }
    assert recorded(OPENAI_V2 | own, resource=resource)["tags"] == {
        "service": "web",
        "service_version": "1.4.2",
        "environment": "production",
        "team": "support",
        "region": "eu",
        "feature": "search",
        "user": "17",
    }
    assert recorded(OPENAI_V2, resource={"service.name": "unknown_service:python"})["tags"] is None


def test_ones_own_tags_go_before_others_where_there_are_too_many() -> None:
    own = {f"usage.tag.key {number}": number for number in range(18)}
    others = {"service.name": "web", "service.version": "1", "user.id": "u-17", "gen_ai.prompt.name": "ask"}
    found = recorded(OPENAI_V2 | own | others)
    assert len(found["tags"]) == 20
    assert {f"key {number}" for number in range(18)} <= found["tags"].keys()


@pytest.mark.parametrize(
    ("attributes", "usage", "told"),
    [
        (
            {"gen_ai.usage.input_tokens": -1},
            {
                "prompt_tokens": 0,
                "completion_tokens": 300,
                "total_tokens": 300,
                "gen_ai.usage.input_tokens": -1,
            },
            None,
        ),
        (
            {"gen_ai.usage.video.input_tokens": 500},
            {"prompt_tokens": 1200, "completion_tokens": 300, "total_tokens": 1500}
            | {"gen_ai.usage.video.input_tokens": 500},
            None,
        ),
        (
            {"gen_ai.usage.input_tokens": "many", "gen_ai.usage.output_tokens": 1.5},
            None,
            {
                "gen_ai.usage.input_tokens": "'many' is no count: left out",
                "gen_ai.usage.output_tokens": "1.5 is no count: left out",
            },
        ),
    ],
)
def test_what_is_no_count_is_told(
    attributes: dict[str, Any], usage: dict[str, Any] | None, told: dict[str, str] | None
) -> None:
    found = recorded(OPENAI_V2 | attributes)
    assert found["usage"] == usage
    assert found["metadata"].get("usage_not_understood") == told


@pytest.mark.parametrize("user", ["5511999999999", "+55 11 99999-9999", "whatsapp:+5511999999999"])
def test_a_user_who_is_a_phone_is_no_tag(user: str) -> None:
    found = recorded(OPENAI_V2 | {"user.id": user})
    assert (found["tags"], found["phone"]) == (None, user)
    assert recorded(OPENAI_V2 | {"user.id": user, "usage.phone": "551"})["phone"] == "551"
    assert recorded(OPENAI_V2 | {"user.id": "u-17"})["tags"] == {"user": "u-17"}


def test_tags_that_do_not_fit_are_counted() -> None:
    many = {f"usage.tag.key {number}": number for number in range(25)}
    found = recorded(OPENAI_V2 | {"service.name": "web"} | many)
    assert len(found["tags"]) == 20
    assert found["metadata"]["tags_left_out"] == 6
    found = recorded(OPENAI_V2 | {"usage.tag.long": "x" * 300, "usage.tag.a": "b"})
    assert (found["tags"], found["metadata"]["tags_left_out"]) == ({"a": "b"}, 1)


@pytest.mark.parametrize(
    "value",
    [None, True, -1, 10**30, 1.5, float("nan"), "", "\0", "\ud800", "9" * 10_000, b"\xff", (), ("a", 1)],
    ids=lambda value: repr(value)[:12],
)
def test_no_value_of_an_attribute_is_an_error(value: object) -> None:
    for attributes in (OPENAI_V2, GENAI_OPENAI, OPENINFERENCE):
        for name in (*attributes, "usage.client_id", "usage.phone", "session.id", "server.address"):
            record(attributes | {name: value}, scope=OPENINFERENCE_SCOPE)


@pytest.mark.parametrize(
    "name",
    [
        "gen_ai.operation.name",
        "gen_ai.openai.response.service_tier",
        "openai.project",
        "user.id",
        "session.id",
    ],
)
def test_a_text_that_is_too_long_loses_no_call(name: str) -> None:
    found = recorded(OPENAI_V2 | {name: "x" * 300, "service.name": "y" * 300})
    assert found["usage"] == Usage(1200, 300, 1500)
    assert "x" * 300 not in found.values()


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"gen_ai.usage.characters": 100}, {"characters": 100}),
        ({"gen_ai.usage.audio_seconds": 30.5}, {"audio_seconds": 30.5}),
        ({"gen_ai.usage.input_characters": 7}, {"input_characters": 7}),
        ({"gen_ai.usage.output_tokens": 20}, {"completion_tokens": 20, "total_tokens": 0}),
        (
            {
                "gen_ai.usage.input_tokens": 100,
                "gen_ai.usage.output_tokens": 20,
                "gen_ai.usage.cache_creation.input_tokens": 50,
                "gen_ai.usage.details.ephemeral_1h_input_tokens": 40,
                "gen_ai.usage.server_tool_use.web_search_requests": 2,
            },
            {
                "prompt_tokens": 100,
                "completion_tokens": 20,
                "total_tokens": 120,
                "prompt_tokens_details": {"cache_write_tokens": 50},
                "cache_write_1h_tokens": 40,
                "server_tool_use.web_search_requests": 2,
            },
        ),
    ],
)
def test_what_is_no_token_is_counted_by_the_readers_names(
    told: dict[str, Any], usage: dict[str, Any]
) -> None:
    found = recorded(without(OPENAI_V2, "gen_ai.usage", "gen_ai.operation") | told)

    assert found["usage"] == usage
    reading = read_usage(found["usage"])
    assert reading.missing is None
    assert reading.not_understood == (
        {} if "completion_tokens" not in usage or "prompt_tokens" in usage else {"prompt": NO_PROMPT}
    )
    assert reading.usage.details.get("cache_write_1h_tokens") == usage.get("cache_write_1h_tokens")
    assert reading.usage.details.get("web_search_count") == usage.get("server_tool_use.web_search_requests")


@pytest.mark.parametrize("cost", [-1, 0, 1e300, float("nan"), "much"])
def test_a_cost_that_cannot_be_loses_no_call(cost: object) -> None:
    found = recorded(OPENAI_V2 | {"gen_ai.usage.cost": cost})

    assert (found["usage"], found["stated_cost_usd"]) == (Usage(1200, 300, 1500), None)


@pytest.mark.parametrize(
    ("told", "first_token_ms"),
    [
        ({"gen_ai.server.time_to_first_token": 0.25}, 250),
        ({"gen_ai.server.time_to_first_token": 250}, 250),  # Strands tells milliseconds
        ({"ttft_ms": 250}, 250),
        ({"gen_ai.server.time_to_first_token": 2000}, None),
        ({"ttft_ms": 2000}, None),
        ({"ttft_ms": -1}, None),
    ],
)
def test_an_answer_begins_before_its_end(told: dict[str, Any], first_token_ms: int | None) -> None:
    found = recorded(OPENAI_V2 | told, started_ns=ENDED_NS - 10**9)

    assert (found["latency_ms"], found["time_to_first_token_ms"]) == (1000, first_token_ms)


def test_a_time_that_cannot_be_is_left_out() -> None:
    for ended_ns in (None, 0, 2**200):
        found = read_span(FinishedSpan(attributes=OPENAI_V2, ended_ns=ended_ns))
        assert isinstance(found, dict)
        assert found["created_at"] is None


@pytest.mark.parametrize(
    ("attributes", "name", "expected"),
    [
        (OPENAI_V2 | {"gen_ai.operation.name": "invoke_agent"}, "", PassedOver("invoke_agent", IS_SUM, True)),
        ({"gen_ai.operation.name": "chat"}, "", PassedOver("chat", NO_MODEL)),
        (
            {"gen_ai.operation.name": "list_models", "gen_ai.request.model": "gpt-4o"},
            "",
            PassedOver("list_models", NO_USAGE),
        ),
        ({"llm.prompts": "[]"}, "ask", PassedOver("ask", NO_MODEL)),
        ({"llm.prompts": "[]"}, "ask 5511999999999", PassedOver("ask ***9999", NO_MODEL)),
        ({"db.system": "postgresql"}, "select", None),
    ],
)
def test_what_is_passed_over_and_why(
    attributes: dict[str, Any], name: str, expected: PassedOver | None
) -> None:
    assert read(attributes, name=name) == expected


def test_it_needs_no_opentelemetry() -> None:
    code = """
import sys, analytics.tracking.spans
print([name for name in sys.modules if name.partition(".")[0] in ("opentelemetry", "google")])
"""
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_DIRECTORY, capture_output=True, text=True, check=True
    )
    assert json.loads(loaded.stdout) == []
