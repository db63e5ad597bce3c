"""Those who speak OpenAI's protocol in their own way, or state a cost: Groq, OpenRouter, Perplexity, xAI."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from analytics.calls.row import Facts
from tests import llm_wire
from tests.usage_objects.case import Case, Make, tokens, usd

PLAIN = {"prompt_tokens": 150, "completion_tokens": 80, "total_tokens": 230}
TIMES = {"queue_time": 0.011, "prompt_time": 0.002, "completion_time": 0.25, "total_time": 0.252}


def chat(model: str, usage: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": "gen-1",
        "object": "chat.completion",
        "created": llm_wire.CREATED,
        "model": model,
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Paid."}}
        ],
        "usage": usage,
    } | more


def sdk(package: str, name: str, fields: Mapping[str, Any]) -> Make:
    def make() -> object:
        from importlib import import_module

        made: object = getattr(import_module(package), name).model_validate(fields)
        return made

    return make


CHAT = Facts(response_id="gen-1", operation="chat", outcome="ok")

# groq.com/pricing: llama-3.1-8b-instant $0.05, output $0.08; gpt-oss-120b $0.15, cached $0.075, output $0.60
_GROQ = (
    Case(
        name="groq: usage with its times",
        make=sdk("groq.types", "CompletionUsage", llm_wire.GROQ_USAGE),
        source="groq",
        model="llama-3.1-8b-instant",
        usage=tokens(150, 80),
        metadata=TIMES,
        usd=usd((150, "0.05"), (80, "0.08")),
    ),
    Case(
        name="groq: by OpenAI's SDK",
        make=sdk("openai.types", "CompletionUsage", llm_wire.GROQ_USAGE),
        source="groq",
        model="llama-3.1-8b-instant",
        usage=tokens(150, 80),
        metadata=TIMES,
        usd=usd((150, "0.05"), (80, "0.08")),
    ),
    Case(
        name="groq: cached and reasoning",
        make=sdk(
            "groq.types",
            "CompletionUsage",
            llm_wire.GROQ_USAGE
            | {"prompt_tokens_details": {"cached_tokens": 100}}
            | {"completion_tokens_details": {"reasoning_tokens": 50}},
        ),
        source="groq",
        model="openai/gpt-oss-120b",
        usage=tokens(150, 80, cached_tokens=100, reasoning_tokens=50),
        metadata=TIMES,
        usd=usd((50, "0.15"), (100, "0.075"), (80, "0.6")),
    ),
    Case(
        name="groq: whole, on demand",
        make=sdk(
            "groq.types.chat",
            "ChatCompletion",
            chat(
                "llama-3.1-8b-instant", llm_wire.GROQ_USAGE, service_tier="on_demand", x_groq={"id": "req_1"}
            ),
        ),
        source="groq",
        answered_by="llama-3.1-8b-instant",
        usage=tokens(150, 80),
        facts=CHAT._replace(service_tier="on_demand"),
        metadata=TIMES,
        usd=usd((150, "0.05"), (80, "0.08")),
    ),
    Case(
        name="groq: the last chunk of a stream",
        make=sdk(
            "groq.types.chat",
            "ChatCompletionChunk",
            chat("llama-3.1-8b-instant", {}, object="chat.completion.chunk")
            | {"usage": None, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
            | {"x_groq": {"id": "req_1", "usage": llm_wire.GROQ_USAGE}},
        ),
        source="groq",
        answered_by="llama-3.1-8b-instant",
        usage=tokens(150, 80),
        facts=CHAT,
        metadata=TIMES,
        usd=usd((150, "0.05"), (80, "0.08")),
    ),
    Case(
        name="groq: compound is several models",
        make=lambda: chat(
            "groq/compound",
            PLAIN,
            usage_breakdown={"models": [{"model": "llama-3.3-70b-versatile", "usage": PLAIN}]},
        ),
        source="groq",
        answered_by="groq/compound",
        usage=tokens(150, 80),
        facts=CHAT,
        told={"usage_breakdown": "tokens of other models: not known"},
    ),
)

_OPENROUTER_USAGE = {
    "prompt_tokens": 1500,
    "completion_tokens": 800,
    "total_tokens": 2300,
    "cost": 0.008723,
    "is_byok": False,
    "prompt_tokens_details": {
        "cached_tokens": 1024,
        "cache_write_tokens": 0,
        "audio_tokens": 0,
        "video_tokens": 0,
    },
    "cost_details": {
        "upstream_inference_cost": None,
        "upstream_inference_prompt_cost": 0.000723,
        "upstream_inference_completions_cost": 0.008,
    },
    "completion_tokens_details": {"reasoning_tokens": 320, "image_tokens": 0},
}
_OPENROUTER_READ = tokens(
    *(1500, 800),
    cached_tokens=1024,
    cache_write_tokens=0,
    prompt_audio_tokens=0,
    reasoning_tokens=320,
    completion_image_tokens=0,
)
# gpt-5: $1.25, cached $0.125, output $10
_OPENROUTER_USD = usd((476, "1.25"), (1024, "0.125"), (800, "10"))
_OPENROUTER = (
    Case(
        name="openrouter: states its cost",
        make=sdk("openai.types", "CompletionUsage", _OPENROUTER_USAGE),
        source="openrouter",
        model="openai/gpt-5",
        usage=_OPENROUTER_READ,
        facts=Facts(stated_cost_usd=Decimal("0.008723")),
        usd=_OPENROUTER_USD,
    ),
    Case(
        name="openrouter: whole",
        make=sdk(
            "openai.types.chat", "ChatCompletion", chat("openai/gpt-5", _OPENROUTER_USAGE, provider="OpenAI")
        ),
        source="openrouter",
        answered_by="openai/gpt-5",
        usage=_OPENROUTER_READ,
        facts=CHAT._replace(stated_cost_usd=Decimal("0.008723")),
        usd=_OPENROUTER_USD,
    ),
    Case(
        # openrouter.ai/docs, "Usage Accounting": cost is the fee, the provider bills the owner of the key.
        name="openrouter: with a key of one's own the provider's cost is on top",
        make=lambda: (
            _OPENROUTER_USAGE
            | {"cost": 0.000436, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.008723}}
        ),
        source="openrouter",
        model="openai/gpt-5",
        usage=_OPENROUTER_READ,
        facts=Facts(stated_cost_usd=Decimal("0.009159")),
        usd=_OPENROUTER_USD,
    ),
    Case(
        name="openrouter: free is a cost of 0",
        make=lambda: PLAIN | {"cost": 0, "is_byok": False},
        source="openrouter",
        model="openai/gpt-4o",
        usage=tokens(150, 80),
        facts=Facts(stated_cost_usd=Decimal(0)),
        usd=usd((150, "2.5"), (80, "10")),
    ),
    Case(
        name="openrouter: searches",
        make=lambda: PLAIN | {"server_tool_use": {"web_search_requests": 3}},
        source="openrouter",
        model="openai/gpt-4o",
        usage=tokens(150, 80, web_search_count=3),
    ),
    Case(
        name="openrouter: an error in the answer",
        make=lambda: chat("openai/gpt-5", PLAIN, error={"code": 502, "message": "Provider returned error"}),
        source="openrouter",
        answered_by="openai/gpt-5",
        usage=tokens(150, 80),
        facts=CHAT._replace(outcome="error"),
    ),
)

_PERPLEXITY = (
    Case(
        name="perplexity: states its cost, by parts",
        make=lambda: chat(
            "sonar",
            PLAIN
            | {
                "search_context_size": "low",
                "cost": {
                    "input_tokens_cost": 0.00015,
                    "output_tokens_cost": 0.00008,
                    "request_cost": 0.005,
                    "total_cost": 0.00523,
                },
            },
            citations=["https://example.com"],
            search_results=[{"title": "a"}],
        ),
        source="perplexity",
        answered_by="sonar",
        usage=tokens(150, 80),
        facts=CHAT._replace(stated_cost_usd=Decimal("0.00523")),
    ),
    Case(
        # docs.perplexity.ai, "Pricing": citations at the price of input, searches at $5 per 1,000; the total
        # is of prompt and completion only.
        name="perplexity: deep research counts citations and reasoning beside",
        make=lambda: {
            "prompt_tokens": 33,
            "completion_tokens": 7163,
            "total_tokens": 7196,
            "citation_tokens": 20016,
            "num_search_queries": 18,
            "reasoning_tokens": 73997,
            "search_context_size": "low",
            "cost": {"total_cost": 0.409, "currency": "USD"},
        },
        source="perplexity",
        model="sonar-deep-research",
        usage=tokens(33 + 20016, 7163 + 73997, reasoning_tokens=73997, web_search_count=18),
        facts=Facts(stated_cost_usd=Decimal("0.409")),
    ),
    Case(
        name="perplexity: another currency is told",
        make=lambda: PLAIN | {"cost": {"total_cost": 0.4, "currency": "EUR"}},
        source="perplexity",
        model="sonar",
        usage=tokens(150, 80),
        told={"cost": "in EUR: left out"},
    ),
    Case(
        name="perplexity: its agents",
        make=lambda: {
            "id": "gen-1",
            "object": "response",
            "status": "completed",
            "model": "openai/gpt-5",
            "output": [],
            "usage": {
                "input_tokens": 1500,
                "output_tokens": 800,
                "total_tokens": 2300,
                "tool_calls_details": {"web_search": {"invocation": 2}},
                "cost": {"currency": "USD", "input_cost": 0.0019, "output_cost": 0.008, "total_cost": 0.0199},
            },
        },
        source="perplexity",
        answered_by="openai/gpt-5",
        usage=tokens(1500, 800, web_search_count=2),
        facts=CHAT._replace(stated_cost_usd=Decimal("0.0199")),
    ),
)

_XAI_DETAILS = {
    "prompt_tokens_details": {"text_tokens": 32, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 8},
    "completion_tokens_details": {
        "reasoning_tokens": 321,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}
_XAI_PARTS = {"prompt_audio_tokens": 0, "prompt_image_tokens": 0, "completion_audio_tokens": 0}
# grok-3-mini: $0.30, cached $0.075, output $0.50 (docs.x.ai/docs/models)
_XAI_USD = usd((24, "0.3"), (8, "0.075"), (330, "0.5"))
_XAI = (
    Case(
        name="xai: reasoning is beside the completion",
        make=sdk(
            "openai.types",
            "CompletionUsage",
            {"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 362, "num_sources_used": 0}
            | _XAI_DETAILS,
        ),
        source="xai",
        model="grok-3-mini",
        usage=tokens(32, 330, cached_tokens=8, reasoning_tokens=321, **_XAI_PARTS),
        usd=_XAI_USD,
    ),
    Case(
        name="xai: responses have reasoning in their output",
        make=lambda: {
            "input_tokens": 32,
            "input_tokens_details": {"cached_tokens": 8},
            "output_tokens": 330,
            "output_tokens_details": {"reasoning_tokens": 321},
            "total_tokens": 362,
            "num_sources_used": 0,
            "num_server_side_tools_used": 0,
        },
        source="xai",
        model="grok-3-mini",
        usage=tokens(32, 330, cached_tokens=8, reasoning_tokens=321),
        usd=_XAI_USD,
    ),
    Case(
        name="xai: states its cost, in ticks",  # docs.x.ai, "Cost Tracking": 10^10 are a dollar
        make=lambda: PLAIN | {"cost_in_usd_ticks": 37756000},
        source="xai",
        model="grok-3-mini",
        usage=tokens(150, 80),
        facts=Facts(stated_cost_usd=Decimal("0.0037756")),
        usd=usd((150, "0.3"), (80, "0.5")),
    ),
    Case(
        name="xai: sources of a live search are told",
        make=lambda: PLAIN | {"num_sources_used": 7},
        source="xai",
        model="grok-3-mini",
        usage=tokens(150, 80),
        usd=usd((150, "0.3"), (80, "0.5")),
        basis="estimated",
        told={"num_sources_used": "not known"},
    ),
    Case(
        name="xai: tools at its side",
        make=lambda: (
            PLAIN
            | {
                "num_server_side_tools_used": 3,
                "server_side_tool_usage_details": {
                    "web_search_calls": 2,
                    "x_search_calls": 0,
                    "code_interpreter_calls": 1,
                    "file_search_calls": 0,
                },
            }
        ),
        source="xai",
        model="grok-3-mini",
        usage=tokens(150, 80, web_search_count=2, file_search_count=0, code_run_count=1),
    ),
    Case(
        name="xai: its own SDK, as a dict",
        make=lambda: {
            "prompt_tokens": 32,
            "completion_tokens": 9,
            "reasoning_tokens": 321,
            "total_tokens": 362,
            "prompt_text_tokens": 32,
            "cached_prompt_text_tokens": 8,
            "prompt_image_tokens": 0,
        },
        source="xai",
        model="grok-3-mini",
        usage=tokens(32, 330, cached_tokens=8, reasoning_tokens=321, prompt_image_tokens=0),
        usd=_XAI_USD,
    ),
)

CASES = (*_GROQ, *_OPENROUTER, *_PERPLEXITY, *_XAI)
