"""DeepSeek, Mistral, Cohere, Ollama, Together, Moonshot, DashScope, and others with a way of their own."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from analytics.calls.row import Facts
from analytics.pricing.price_list import Usage
from tests.usage_objects.case import Case, tokens, usd
from tests.usage_objects.gateway_cases import PLAIN, chat

_PARTS_TOLD = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "total_tokens": 120,
    "prompt_tokens_details": {"cached_tokens": 50},
}
PREVIEW = "with this model it costs more than web_search, which is counted"

_OTHERS: tuple[tuple[str, str, str, Mapping[str, Any], Usage, Decimal | None], ...] = (
    (
        "deepseek: hit and missed",  # $0.27, hit $0.07, output $1.10
        "deepseek",
        "deepseek-chat",
        {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "total_tokens": 120,
            "prompt_tokens_details": {"cached_tokens": 64},
            "prompt_cache_hit_tokens": 64,
            "prompt_cache_miss_tokens": 36,
        },
        tokens(100, 20, cached_tokens=64),
        usd((36, "0.27"), (64, "0.07"), (20, "1.1")),
    ),
    (
        "deepseek: the prompt is what was hit and what was missed",
        "deepseek",
        "deepseek-chat",
        {"completion_tokens": 20, "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36},
        tokens(100, 20, cached_tokens=64),
        usd((36, "0.27"), (64, "0.07"), (20, "1.1")),
    ),
    (
        "mistral",  # $2, output $6
        "mistral",
        "mistral-large-latest",
        PLAIN,
        tokens(150, 80),
        usd((150, "2"), (80, "6")),
    ),
    (
        "mistral: cached",  # $0.15, cached $0.015, output $0.60
        "mistral",
        "mistral-small-latest",
        PLAIN | {"num_cached_tokens": 100, "prompt_audio_seconds": None},
        tokens(150, 80, cached_tokens=100),
        usd((50, "0.15"), (100, "0.015"), (80, "0.6")),
    ),
    (
        "cohere: it bills less than it counts",  # $2.50, output $10
        "cohere",
        "command-a-03-2025",
        {
            "billed_units": {"input_tokens": 5.0, "output_tokens": 80.0},
            "tokens": {"input_tokens": 215.0, "output_tokens": 84.0},
        },
        tokens(5, 80),
        usd((5, "2.5"), (80, "10")),
    ),
    (
        "cohere: without what it bills",
        "cohere",
        "command-a-03-2025",
        {"tokens": {"input_tokens": 215.0, "output_tokens": 84.0}},
        tokens(215, 84),
        usd((215, "2.5"), (84, "10")),
    ),
    (
        "together: cached beside the details",  # $0.88
        "together",
        "meta-llama/Llama-3.3-70B-Instruct-Turbo",
        PLAIN | {"cached_tokens": 0},
        tokens(150, 80, cached_tokens=0),
        usd((230, "0.88")),
    ),
    (
        "moonshot: cached beside the details",  # $0.60, cached $0.15, output $2.50
        "moonshotai",
        "kimi-k2-0905-preview",
        PLAIN | {"cached_tokens": 100},
        tokens(150, 80, cached_tokens=100),
        usd((50, "0.6"), (100, "0.15"), (80, "2.5")),
    ),
    (
        "fireworks",
        "fireworks",
        "accounts/fireworks/models/deepseek-v3p1",
        PLAIN | {"prompt_tokens_details": {"cached_tokens": 0}},
        tokens(150, 80, cached_tokens=0),
        None,
    ),
    (
        "dashscope: written to its cache",
        "alibaba",
        "qwen3-max",
        {
            "prompt_tokens": 1500,
            "completion_tokens": 80,
            "total_tokens": 1580,
            "prompt_tokens_details": {
                "cached_tokens": 0,
                "cache_creation_input_tokens": 1400,
                "cache_creation": {"ephemeral_5m_input_tokens": 1400},
                "cache_type": "ephemeral",
            },
        },
        tokens(1500, 80, cached_tokens=0, cache_write_tokens=1400),
        None,
    ),
    (
        "langfuse's names",
        "openai",
        "gpt-4o",
        {"input": 150, "output": 80, "total": 230, "unit": "TOKENS"},
        tokens(150, 80),
        usd((150, "2.5"), (80, "10")),
    ),
    (
        "vertex: embeddings",
        "google",
        "text-embedding-005",
        {"token_count": 12.0, "truncated": False},
        tokens(12, 0),
        None,
    ),
    (
        "openai's agents, one request",
        "openai",
        "gpt-4o",
        {
            "requests": 1,
            "input_tokens": 150,
            "output_tokens": 80,
            "total_tokens": 230,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
            "request_usage_entries": [{"input_tokens": 150, "output_tokens": 80, "total_tokens": 230}],
        },
        tokens(150, 80, cached_tokens=0, reasoning_tokens=0),
        usd((150, "2.5"), (80, "10")),
    ),
    (
        "spring-ai, with the provider's own beside its own",
        "openai",
        "gpt-4o",
        {
            "promptTokens": 150,
            "completionTokens": 80,
            "totalTokens": 230,
            "nativeUsage": PLAIN | {"prompt_tokens_details": {"cached_tokens": 100}},
        },
        tokens(150, 80, cached_tokens=100),
        usd((50, "2.5"), (100, "1.25"), (80, "10")),
    ),
    (
        "titan on bedrock",
        "bedrock",
        "amazon.titan-embed-text-v2:0",
        {"inputTextTokenCount": 150},
        tokens(150, 0),
        usd((150, "0.02")),
    ),
)

OLLAMA = {
    "model": "llama3.2",
    "created_at": "2026-03-18T12:00:00Z",
    "message": {"role": "assistant", "content": "Paid."},
    "done": True,
    "done_reason": "stop",
    "total_duration": 5191566416,
    "load_duration": 2154458,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 383809000,
    "eval_count": 298,
    "eval_duration": 4799921000,
}
_DURATIONS = {name: OLLAMA[name] for name in OLLAMA if name.endswith("_duration")}
_MORE = (
    Case(
        name="ollama: an answer, with its durations in nanoseconds",
        make=lambda: OLLAMA,
        source="ollama",
        answered_by="llama3.2",
        usage=tokens(26, 298),
        facts=Facts(latency_ms=5192, operation="chat", outcome="ok"),
        metadata=_DURATIONS,
    ),
    Case(
        name="ollama by OpenAI's SDK: its ids are not unique",
        make=lambda: chat("llama3.2", PLAIN, id="chatcmpl-417", system_fingerprint="fp_ollama"),
        source="ollama",
        answered_by="llama3.2",
        usage=tokens(150, 80),
        facts=Facts(operation="chat", outcome="ok"),
    ),
    Case(
        name="cohere: an answer",
        make=lambda: {
            "id": "c14c80c3",
            "finish_reason": "MAX_TOKENS",
            "message": {"role": "assistant", "content": [{"type": "text", "text": "Paid."}]},
            "usage": {
                "billed_units": {"input_tokens": 5, "output_tokens": 80},
                "tokens": {"input_tokens": 215, "output_tokens": 84},
                "cached_tokens": 0,
            },
        },
        source="cohere",
        model="command-a-03-2025",
        usage=tokens(5, 80, cached_tokens=0),
        facts=Facts(response_id="c14c80c3", outcome="ok"),
        usd=usd((5, "2.5"), (80, "10")),
    ),
    Case(
        name="cohere: an answer of its first API",
        make=lambda: {
            "generation_id": "c14c80c3",
            "text": "Paid.",
            "finish_reason": "ERROR_TOXIC",
            "meta": {
                "api_version": {"version": "1"},
                "billed_units": {"input_tokens": 5, "output_tokens": 80},
            },
        },
        source="cohere",
        model="command-a-03-2025",
        usage=tokens(5, 80),
        facts=Facts(response_id="c14c80c3", outcome="refused"),
        usd=usd((5, "2.5"), (80, "10")),
    ),
    Case(
        name="cohere: a search of documents has no meter",
        make=lambda: {"billed_units": {"input_tokens": 5, "search_units": 1}},
        source="cohere",
        model="rerank-v3.5",
        usage=tokens(5, 0),
        told={"billed_units.search_units": "not known"},
    ),
    Case(
        name="sambanova: speeds are kept with the times",
        make=lambda: PLAIN | {"total_latency": 0.2, "total_tokens_per_sec": 1150.5, "is_last_response": True},
        source="sambanova",
        model="Meta-Llama-3.3-70B-Instruct",
        usage=tokens(150, 80),
        metadata={"total_latency": 0.2, "total_tokens_per_sec": 1150.5},
    ),
    Case(
        name="an error instead of an answer",
        make=lambda: {
            "error": {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}
        },
        source="openai",
        model="gpt-4o",
        usage=Usage(),
        facts=Facts(outcome="error"),
    ),
    Case(
        name="mistral: seconds of audio beside its tokens",
        make=lambda: PLAIN | {"prompt_audio_seconds": 60},
        source="mistral",
        model="voxtral-small-latest",
        usage=Usage(150, 80, 230, Decimal(60), {}),
    ),
    # docs.mistral.ai, "Audio": the tokens of the audio are in the total only, and are paid for by the minute.
    Case(
        name="mistral: tokens of audio in the total only",
        make=lambda: {
            "prompt_audio_seconds": 60,
            "prompt_tokens": 4,
            "completion_tokens": 635,
            "total_tokens": 1389,
        },
        source="mistral",
        model="voxtral-small-latest",
        usage=Usage(754, 635, 1389, Decimal(60), {"prompt_audio_tokens": 750}),
        usd=usd((4, "0.10"), (635, "0.30"), fees="0.004"),
    ),
    Case(
        name="anthropic batches: a request that expired was not billed",
        make=lambda: {"custom_id": "a", "result": {"type": "expired"}},
        source="anthropic",
        model="claude-sonnet-4-5",
        usage=Usage(),
        facts=Facts(outcome="error", service_tier="batch"),
    ),
    Case(
        name="anthropic batches: nor was one that was canceled",
        make=lambda: {"custom_id": "a", "result": {"type": "canceled"}},
        source="anthropic",
        model="claude-sonnet-4-5",
        usage=Usage(),
        facts=Facts(outcome="error", service_tier="batch"),
    ),
    # ai.google.dev, "Pricing": grounding with Google Maps is $25 per 1,000 prompts, beside the tokens.
    Case(
        name="gemini: grounded in maps",
        make=lambda: {
            "candidates": [
                {
                    "finishReason": "STOP",
                    "groundingMetadata": {
                        "groundingChunks": [{"maps": {"uri": "x"}}, {"maps": {"uri": "y"}}]
                    },
                }
            ],
            "usageMetadata": {"promptTokenCount": 100, "candidatesTokenCount": 50, "totalTokenCount": 150},
        },
        source="google",
        model="gemini-2.5-flash",
        usage=Usage(100, 50, 150),
        facts=Facts(operation="generate_content", outcome="ok"),
        told={"groundingMetadata.maps": "has a fee that is not known: not counted"},
        usd=usd((100, "0.30"), (50, "2.50")),
        basis="estimated",
    ),
    # developers.openai.com, "Pricing": web search preview with models that do not reason is $25 per 1,000.
    *(
        Case(
            name=f"openai responses: {kind} with {model}",
            make=lambda kind=kind, model=model: {
                "id": "resp_1",
                "object": "response",
                "model": model,
                "status": "completed",
                "tools": [{"type": kind}],
                "output": [{"type": "web_search_call", "status": "completed", "action": {"type": "search"}}],
                "usage": {"input_tokens": 100, "output_tokens": 50, "total_tokens": 150},
            },
            source="openai",
            answered_by=model,
            usage=Usage(100, 50, 150, None, {"web_search_count": 1}),
            facts=Facts(operation="chat", outcome="ok", response_id="resp_1"),
            told={"tools.web_search_preview": PREVIEW} if is_guess else {},
        )
        for kind, model, is_guess in (
            ("web_search_preview", "gpt-4o-2024-08-06", True),
            ("web_search_preview_2025_03_11", "gpt-4.1-mini", True),
            ("web_search_preview", "gpt-5", False),
            ("web_search", "gpt-4o", False),
        )
    ),
    # docs.litellm.ai, "StandardLoggingPayload": its own counts have no parts.
    *(
        Case(
            name=f"litellm: a logged call, its parts in {place}",
            make=lambda more=more: {
                "id": "chatcmpl-1",
                "call_type": "acompletion",
                "status": "success",
                "model": "gpt-4o",
                "response_cost": 0.0003875,
                "prompt_tokens": 100,
                "completion_tokens": 20,
                "total_tokens": 120,
                **more,
            },
            source="openai",
            answered_by="gpt-4o",
            usage=tokens(100, 20, cached_tokens=50),
            facts=Facts(response_id="chatcmpl-1", outcome="ok", stated_cost_usd=Decimal("0.0003875")),
            told=told,
            usd=usd((50, "2.50"), (50, "1.25"), (20, "10")),
            basis="estimated" if told else "priced",
        )
        for place, more, told in (
            ("the response", {"response": {"usage": _PARTS_TOLD}}, {}),
            ("the metadata", {"metadata": {"usage_object": _PARTS_TOLD}, "response": None}, {}),
            (
                "the response, of a cache",
                {"response": {"usage": _PARTS_TOLD}, "cache_hit": True},
                {"cache_hit": "a gateway's cache answered: the provider may not have been paid"},
            ),
        )
    ),
    Case(
        name="crewai: a run of one request",
        make=lambda: {
            "prompt_tokens": 100,
            "cached_prompt_tokens": 50,
            "completion_tokens": 20,
            "total_tokens": 120,
            "successful_requests": 1,
        },
        source="openai",
        model="gpt-4o",
        usage=tokens(100, 20, cached_tokens=50),
        usd=usd((50, "2.50"), (50, "1.25"), (20, "10")),
    ),
    Case(
        name="llama-index: a response around the provider's",
        make=lambda: {
            "message": {"role": "assistant"},
            "raw": {"id": "c1", "model": "gpt-4o", "usage": PLAIN},
        },
        source="openai",
        answered_by="gpt-4o",
        usage=Usage(150, 80, 230),
        facts=Facts(response_id="c1"),
        usd=usd((150, "2.50"), (80, "10")),
    ),
    Case(
        name="litellm: a cost of 0 for a model that its list does not know",
        make=lambda: {
            "id": "chatcmpl-1",
            "model": "ours",
            "response_cost": 0.0,
            "usage": {"prompt_tokens": 150, "completion_tokens": 80, "total_tokens": 230},
        },
        source="ours",
        answered_by="ours",
        usage=Usage(150, 80, 230),
        facts=Facts(response_id="chatcmpl-1"),
        usd=usd(),
        basis="unpriced",
    ),
)

CASES = (
    *(
        Case(
            name=name, make=lambda fields=fields: fields, source=source, model=model, usage=usage, usd=amount
        )
        for name, source, model, fields, usage, amount in _OTHERS
    ),
    *_MORE,
)
