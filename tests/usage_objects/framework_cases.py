"""LangChain, LiteLLM, pydantic-ai and Vercel's AI SDK.

In all of their prompts the cached tokens are in: langchain_core.messages.ai.UsageMetadata ("sum of all input
token types"), litellm's calculate_usage(), pydantic_ai.usage.UsageBase ("inclusive"). The AI SDK up to 5
passes on what the provider has, and from 6 counts all of it (ai_sdk/recorded.json, made by record.mjs).
"""

import os
import warnings
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from analytics.calls.row import Facts
from tests.usage_objects.anthropic_cases import (
    BY_LIFETIME,
    BY_LIFETIME_READ,
    BY_LIFETIME_USD,
    CACHED_READ,
    CACHED_USD,
    SONNET,
)
from tests.usage_objects.case import Case, Make, tokens, usd
from tests.usage_objects.google_cases import FLASH

# gpt-5: $1.25, cached $0.125, output $10
GPT_5_READ = tokens(1500, 800, cached_tokens=1024, reasoning_tokens=320)
GPT_5_USD = usd((476, "1.25"), (1024, "0.125"), (800, "10"))

LC_USAGE = {
    "input_tokens": 1500,
    "output_tokens": 800,
    "total_tokens": 2300,
    "input_token_details": {"cache_read": 1024},
    "output_token_details": {"reasoning": 320},
}
LC_FACTS = Facts(response_id="chatcmpl-1", operation="chat", outcome="ok", service_tier="default")
LC_METADATA = {
    "token_usage": {
        "prompt_tokens": 1500,
        "completion_tokens": 800,
        "total_tokens": 2300,
        "prompt_tokens_details": {"cached_tokens": 1024},
        "completion_tokens_details": {"reasoning_tokens": 320},
    },
    "model_provider": "openai",
    "model_name": "gpt-5",
    "system_fingerprint": None,
    "id": "chatcmpl-1",
    "service_tier": "default",
    "finish_reason": "stop",
    "logprobs": None,
}


def ai_message(usage: Any, metadata: Mapping[str, Any], **more: Any) -> Make:
    def make() -> object:
        from langchain_core.messages import AIMessage

        return AIMessage(
            content="Paid.", id="run--1f3a", usage_metadata=usage, response_metadata=dict(metadata), **more
        )

    return make


def llm_result() -> object:
    from langchain_core.outputs import ChatGeneration, LLMResult

    made: Any = ai_message(LC_USAGE, LC_METADATA)()
    return LLMResult(generations=[[ChatGeneration(message=made)]], llm_output=None)


def litellm(name: str, fields: Mapping[str, Any], **hidden: Any) -> Make:
    def make() -> object:
        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else its import asks the network
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pydantic, about classes of litellm's
            from litellm.types import utils

            made: Any = getattr(utils, name)(**fields)
        if hidden:
            made._hidden_params = hidden
        return made

    return make


# As litellm makes it of Anthropic's: Anthropic's own fields beside a prompt that has them in it.
LITELLM_CACHED = {
    "prompt_tokens": 1250,
    "completion_tokens": 20,
    "total_tokens": 1270,
    "prompt_tokens_details": {
        "cached_tokens": 1000,
        "cache_creation_tokens": 200,
        "cache_creation_token_details": {"ephemeral_5m_input_tokens": 150, "ephemeral_1h_input_tokens": 50},
        "text_tokens": 50,
    },
    "cache_read_input_tokens": 1000,
    "cache_creation_input_tokens": 200,
    "inference_geo": "global",
    "speed": None,
    "service_tier": "standard",
    "iterations": None,
}
LITELLM_RESPONSE = {
    "id": "chatcmpl-1",
    "model": SONNET,
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Paid."}}],
    "usage": LITELLM_CACHED,
}


def pydantic_ai(name: str, **fields: Any) -> Make:
    def make() -> object:
        from pydantic_ai import usage

        made: object = getattr(usage, name)(**fields)
        return made

    return make


def model_response() -> object:
    from pydantic_ai.messages import ModelResponse, TextPart
    from pydantic_ai.usage import RequestUsage

    return ModelResponse(
        parts=[TextPart("Paid.")],
        usage=RequestUsage(
            input_tokens=1250, cache_read_tokens=1000, cache_write_tokens=200, output_tokens=20
        ),
        model_name=SONNET,
        provider_name="anthropic",
        provider_response_id="msg_1",
        finish_reason="stop",
    )


_LANGCHAIN = (
    Case(
        name="langchain: usage_metadata",
        make=lambda: LC_USAGE,
        source="openai",
        model="gpt-5",
        usage=GPT_5_READ,
        usd=GPT_5_USD,
    ),
    Case(
        name="langchain: a message of OpenAI's",
        make=ai_message(LC_USAGE, LC_METADATA),
        source="openai",
        answered_by="gpt-5",
        usage=GPT_5_READ,
        facts=LC_FACTS,
        usd=GPT_5_USD,
    ),
    Case(
        name="langchain: a message that tells its usage in response_metadata only",
        make=ai_message(None, LC_METADATA),
        source="openai",
        answered_by="gpt-5",
        usage=GPT_5_READ,
        facts=LC_FACTS,
        usd=GPT_5_USD,
    ),
    Case(
        name="langchain: a result",
        make=llm_result,
        source="openai",
        answered_by="gpt-5",
        usage=GPT_5_READ,
        facts=LC_FACTS,
        usd=GPT_5_USD,
    ),
    Case(
        name="langchain: flex has its own names",  # half: platform.openai.com/docs/pricing
        make=ai_message(
            LC_USAGE
            | {
                "input_token_details": {"flex_cache_read": 1024, "flex": 476},
                "output_token_details": {"flex_reasoning": 320, "flex": 480},
            },
            LC_METADATA | {"service_tier": "flex"},
        ),
        source="openai",
        answered_by="gpt-5",
        usage=GPT_5_READ,
        facts=LC_FACTS._replace(service_tier="flex"),
        usd=GPT_5_USD / 2,
    ),
    Case(
        name="langchain: a message of Anthropic's, cached by lifetime",
        make=ai_message(
            {
                "input_tokens": 1250,
                "output_tokens": 20,
                "total_tokens": 1270,
                # The sum is 0 where lifetimes are told, so that nothing is counted twice.
                "input_token_details": {
                    "cache_read": 1000,
                    "cache_creation": 0,
                    "ephemeral_5m_input_tokens": 150,
                    "ephemeral_1h_input_tokens": 50,
                },
            },
            {
                "id": "msg_1",
                "model": SONNET,
                "model_name": SONNET,
                "model_provider": "anthropic",
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": BY_LIFETIME | {"server_tool_use": {"web_search_requests": 2}},
            },
        ),
        source="anthropic",
        answered_by=SONNET,
        usage=BY_LIFETIME_READ._replace(details={"web_search_count": 2, **BY_LIFETIME_READ.details}),
        facts=Facts(response_id="msg_1", operation="chat", outcome="ok"),
        usd=BY_LIFETIME_USD + usd(fees="0.02"),
    ),
    Case(
        name="langchain: spoken",
        make=lambda: {
            "input_tokens": 300,
            "output_tokens": 90,
            "total_tokens": 390,
            "input_token_details": {"audio": 250, "cache_read": 0},
            "output_token_details": {"audio": 70},
        },
        source="openai",
        model="gpt-4o-audio-preview",
        usage=tokens(300, 90, cached_tokens=0, prompt_audio_tokens=250, completion_audio_tokens=70),
        usd=usd((50, "2.5"), (250, "40"), (20, "10"), (70, "80")),
    ),
    Case(
        name="langchain: Gemini's thoughts are in its output",
        make=lambda: {
            "input_tokens": 1200,
            "output_tokens": 400,
            "total_tokens": 1600,
            "input_token_details": {"cache_read": 1000},
            "output_token_details": {"reasoning": 100},
        },
        source="google",
        model=FLASH,
        usage=tokens(1200, 400, cached_tokens=1000, reasoning_tokens=100),
    ),
    Case(
        name="langchain: Bedrock's message",
        make=ai_message(
            {"input_tokens": 50, "output_tokens": 20, "total_tokens": 70},
            {"ResponseMetadata": {"RequestId": "d0c7"}, "stopReason": "max_tokens"}
            | {"metrics": {"latencyMs": [551]}, "model_name": "us.amazon.nova-lite-v1:0"},
        ),
        source="bedrock",
        answered_by="us.amazon.nova-lite-v1:0",
        usage=tokens(50, 20),
        facts=Facts(response_id="d0c7", operation="chat", outcome="ok"),
    ),
)

_LITELLM = (
    Case(
        name="litellm: Anthropic's fields are not counted twice",
        make=litellm("Usage", LITELLM_CACHED),
        source="anthropic",
        model=SONNET,
        usage=BY_LIFETIME_READ,
        facts=Facts(service_tier="standard"),
        usd=BY_LIFETIME_USD,
    ),
    Case(
        name="litellm: a response, with what it says that it costs",
        make=litellm("ModelResponse", LITELLM_RESPONSE, response_cost=0.001457),
        source="anthropic",
        answered_by=SONNET,
        usage=BY_LIFETIME_READ,
        facts=Facts(
            response_id="chatcmpl-1",
            operation="chat",
            outcome="ok",
            service_tier="standard",
            stated_cost_usd=Decimal("0.001457"),
        ),
        usd=BY_LIFETIME_USD,
    ),
    Case(
        name="litellm: OpenAI's",
        make=litellm(
            "Usage",
            {
                "prompt_tokens": 1500,
                "completion_tokens": 800,
                "total_tokens": 2300,
                "prompt_tokens_details": {"cached_tokens": 1024},
                "completion_tokens_details": {"reasoning_tokens": 320},
            },
        ),
        source="openai",
        model="gpt-5",
        usage=GPT_5_READ,
        usd=GPT_5_USD,
    ),
    Case(
        name="litellm: DeepSeek's",  # $0.27, cached $0.07, output $1.10
        make=litellm(
            "Usage",
            {
                "prompt_tokens": 100,
                "completion_tokens": 20,
                "total_tokens": 120,
                "prompt_cache_hit_tokens": 64,
                "prompt_cache_miss_tokens": 36,
            },
        ),
        source="deepseek",
        model="deepseek-chat",
        usage=tokens(100, 20, cached_tokens=64),
        usd=usd((36, "0.27"), (64, "0.07"), (20, "1.1")),
    ),
    Case(
        name="litellm: searches",
        make=litellm("Usage", LITELLM_CACHED | {"server_tool_use": {"web_search_requests": 2}}),
        source="anthropic",
        model=SONNET,
        usage=BY_LIFETIME_READ._replace(details={**BY_LIFETIME_READ.details, "web_search_count": 2}),
        facts=Facts(service_tier="standard"),
        usd=BY_LIFETIME_USD + usd(fees="0.02"),
    ),
    Case(
        name="litellm: embeddings",
        make=litellm(
            "EmbeddingResponse",
            {
                "model": "text-embedding-3-small",
                "object": "list",
                "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
                "usage": {"prompt_tokens": 8, "total_tokens": 8, "completion_tokens": 0},
            },
        ),
        source="openai",
        answered_by="text-embedding-3-small",
        usage=tokens(8, 0),
        facts=Facts(operation="embeddings"),
        usd=usd((8, "0.02")),
    ),
    Case(
        name="litellm: a line of its log",
        make=lambda: {
            "id": "chatcmpl-1",
            "call_type": "acompletion",
            "response_cost": 0.001457,
            "status": "success",
            "model": "gpt-4o",
            "prompt_tokens": 150,
            "completion_tokens": 80,
            "total_tokens": 230,
        },
        source="openai",
        answered_by="gpt-4o",
        usage=tokens(150, 80),
        facts=Facts(response_id="chatcmpl-1", outcome="ok", stated_cost_usd=Decimal("0.001457")),
        usd=usd((150, "2.5"), (80, "10")),
    ),
)

_PYDANTIC_AI = (
    Case(
        name="pydantic-ai: a request",
        make=pydantic_ai(
            "RequestUsage",
            input_tokens=1250,
            cache_read_tokens=1000,
            cache_write_tokens=200,
            output_tokens=20,
            details={"cache_read_input_tokens": 1000, "input_tokens": 50},
        ),
        source="anthropic",
        model=SONNET,
        usage=CACHED_READ,
        usd=CACHED_USD,
    ),
    Case(
        name="pydantic-ai: written for an hour",
        make=pydantic_ai(
            "RequestUsage",
            input_tokens=1250,
            cache_read_tokens=1000,
            cache_write_tokens=200,
            cache_write_1h_tokens=50,
            output_tokens=20,
        ),
        source="anthropic",
        model=SONNET,
        usage=BY_LIFETIME_READ,
        usd=BY_LIFETIME_USD,
    ),
    Case(
        name="pydantic-ai: reasoning in its details",
        make=pydantic_ai(
            "RequestUsage",
            input_tokens=1500,
            cache_read_tokens=1024,
            output_tokens=800,
            details={"reasoning_tokens": 320},
        ),
        source="openai",
        model="gpt-5",
        usage=GPT_5_READ,
        usd=GPT_5_USD,
    ),
    Case(
        name="pydantic-ai: spoken",
        make=pydantic_ai(
            "RequestUsage",
            input_tokens=300,
            input_audio_tokens=250,
            output_tokens=90,
            output_audio_tokens=70,
        ),
        source="openai",
        model="gpt-4o-audio-preview",
        usage=tokens(300, 90, prompt_audio_tokens=250, completion_audio_tokens=70),
        usd=usd((50, "2.5"), (250, "40"), (20, "10"), (70, "80")),
    ),
    Case(
        name="pydantic-ai: what it, or its gateway, says that it costs",
        make=pydantic_ai("RequestUsage", input_tokens=150, output_tokens=80, cost=Decimal("0.001175")),
        source="openai",
        model="gpt-4o",
        usage=tokens(150, 80),
        facts=Facts(stated_cost_usd=Decimal("0.001175")),
        usd=usd((150, "2.5"), (80, "10")),
    ),
    Case(
        name="pydantic-ai: a run of one request",
        make=pydantic_ai("RunUsage", requests=1, input_tokens=150, output_tokens=80),
        source="openai",
        model="gpt-4o",
        usage=tokens(150, 80),
        usd=usd((150, "2.5"), (80, "10")),
    ),
    Case(
        name="pydantic-ai: a run of several requests is told",
        make=pydantic_ai("RunUsage", requests=3, tool_calls=2, input_tokens=150, output_tokens=80),
        source="openai",
        model="gpt-4o",
        usage=tokens(150, 80),
        usd=usd((150, "2.5"), (80, "10")),
        basis="estimated",
        told={"requests": "3: the usage is the sum of several requests, kept as one call"},
    ),
    Case(
        name="pydantic-ai: details that are not known",
        make=pydantic_ai("RequestUsage", input_tokens=150, output_tokens=80, details={"tiles": 4}),
        source="openai",
        model="gpt-4o",
        usage=tokens(150, 80),
        usd=usd((150, "2.5"), (80, "10")),
        basis="estimated",
        told={"details.tiles": "not known"},
    ),
    Case(
        name="pydantic-ai: a response",
        make=model_response,
        source="anthropic",
        answered_by=SONNET,
        usage=CACHED_READ,
        facts=Facts(response_id="msg_1", outcome="ok"),
        usd=CACHED_USD,
    ),
    Case(
        name="pydantic-ai before 1.0",
        make=lambda: {"request_tokens": 150, "response_tokens": 80, "total_tokens": 230, "requests": 1},
        source="openai",
        model="gpt-4o",
        usage=tokens(150, 80),
        usd=usd((150, "2.5"), (80, "10")),
    ),
)

CASES = (*_LANGCHAIN, *_LITELLM, *_PYDANTIC_AI)
