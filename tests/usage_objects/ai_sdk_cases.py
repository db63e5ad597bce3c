"""Vercel's AI SDK 4 to 7: what ai_sdk/record.mjs recorded of it, against the answers of ai_sdk/server.mjs.

Up to 5 it passes on what the provider has, from 6 it counts all that was cached. What a usage leaves out is
in the result's providerMetadata.
"""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path

from analytics.calls.row import Facts
from analytics.pricing.price_list import Usage
from tests.usage_objects.anthropic_cases import (
    BY_LIFETIME_READ,
    BY_LIFETIME_USD,
    CACHED_READ,
    CACHED_USD,
    SONNET,
)
from tests.usage_objects.case import Case, tokens, usd
from tests.usage_objects.framework_cases import GPT_5_READ, GPT_5_USD
from tests.usage_objects.google_cases import FLASH

_AI_SDK = {
    "chat": ("openai", "gpt-5", "gpt-5-2025-08-07", "chatcmpl-BQ2hYJ5zVw3uM8kXcT1nLrPq"),
    "responses": ("openai", "gpt-5", "gpt-5-2025-08-07", "resp_68c8a1f0b7a48190a9d2c3e4f5061728"),
    "anthropic": ("anthropic", SONNET, SONNET, "msg_01XFDUDYJgAACzvnptvVoYEL"),
    "google": ("google", FLASH, FLASH, None),
}
_LISTED = {"prompt_audio_tokens": 0, "prompt_image_tokens": 0}
GOOGLE_READ = tokens(1200, 400, cached_tokens=1000, reasoning_tokens=100)


def _in_usage(version: str, provider: str) -> tuple[Usage, Decimal | None]:
    """What the usage alone tells in this version."""
    if provider == "anthropic":
        if version == "4":  # without what was cached
            return tokens(50, 20), usd((50, "3"), (20, "15"))
        if version == "5":  # without what was written
            return tokens(1050, 20, cached_tokens=1000), usd((50, "3"), (1000, "0.3"), (20, "15"))
        return BY_LIFETIME_READ, BY_LIFETIME_USD
    if provider == "google":
        return (GOOGLE_READ if version == "5" else _with(GOOGLE_READ, _LISTED)), None
    if version == "4":
        return tokens(1500, 800), usd((1500, "1.25"), (800, "10"))
    return GPT_5_READ, GPT_5_USD


def _in_result(version: str, provider: str) -> tuple[Usage, Decimal | None]:
    """What a result tells, with the provider's metadata."""
    if provider == "anthropic":
        return (CACHED_READ, CACHED_USD) if version == "4" else (BY_LIFETIME_READ, BY_LIFETIME_USD)
    if provider == "google":
        return _with(GOOGLE_READ, _LISTED), None
    return GPT_5_READ, GPT_5_USD


def _with(usage: Usage, details: Mapping[str, int]) -> Usage:
    return usage._replace(details={**usage.details, **details})


def _ai_sdk() -> Iterator[Case]:
    recorded = json.loads((Path(__file__).parent / "ai_sdk" / "recorded.json").read_text(encoding="utf-8"))
    for version, results in recorded.items():
        for provider, result in results.items():
            if provider not in _AI_SDK:
                continue
            source, asked, answered_by, response_id = _AI_SDK[provider]
            # Anthropic's tier is in the usage that the SDK passes on.
            tier = "standard" if provider == "anthropic" else None
            read, amount = _in_usage(version, provider)
            yield Case(
                name=f"ai-sdk {version}: usage of {provider}",
                make=lambda usage=result["usage"]: usage,
                source=source,
                model=asked,
                usage=read,
                facts=Facts(service_tier=tier if version in "67" else None),
                usd=amount,
            )
            read, amount = _in_result(version, provider)
            told_id = result["response"]["id"] if response_id is None else response_id
            yield Case(
                name=f"ai-sdk {version}: result of {provider}",
                make=lambda result=result: result,
                source=source,
                answered_by=answered_by,
                usage=read,
                facts=Facts(response_id=told_id, outcome="ok", service_tier=tier if version != "4" else None),
                usd=amount,
            )
            inner = result["doGenerate"]
            yield Case(
                name=f"ai-sdk {version}: what the provider of {provider} answers",
                make=lambda inner=inner: inner,
                source=source,
                model=asked,
                answered_by=inner["response"].get("modelId"),
                usage=read,
                facts=Facts(
                    response_id=inner["response"].get("id"),
                    outcome="ok",
                    service_tier=tier if version != "4" else None,
                ),
                usd=amount,
            )
        yield Case(
            name=f"ai-sdk {version}: embeddings",
            make=lambda usage=results["embed"]["usage"]: usage,
            source="openai",
            model="text-embedding-3-small",
            usage=tokens(8, 0),
            usd=usd((8, "0.02")),
        )


_GATEWAY = Case(
    name="ai-sdk 6: Vercel's gateway states a cost, as a text",
    make=lambda: {
        "usage": {"inputTokens": 150, "outputTokens": 80, "totalTokens": 230},
        "finishReason": {"unified": "content-filter", "raw": "content_filter"},
        "providerMetadata": {"gateway": {"cost": "0.001175", "generationId": "gen_1"}},
        "response": {"id": "resp_1", "modelId": "openai/gpt-4o"},
    },
    source="openai",
    answered_by="openai/gpt-4o",
    usage=tokens(150, 80),
    facts=Facts(response_id="resp_1", outcome="refused", stated_cost_usd=Decimal("0.001175")),
    usd=usd((150, "2.5"), (80, "10")),
)
_ON_VERTEX = Case(
    name="ai-sdk 5: Claude by Vertex, as Anthropic counts",
    make=lambda: {"inputTokens": 1500, "outputTokens": 20, "totalTokens": 1520, "cachedInputTokens": 1000},
    source="google",
    model="claude-sonnet-4-5",
    usage=tokens(2500, 20, cached_tokens=1000),
)
_STEPS = Case(
    name="ai-sdk 5: all steps of a result are paid for",
    make=lambda: {
        "usage": {"inputTokens": 50, "outputTokens": 20, "totalTokens": 70},
        "totalUsage": {"inputTokens": 150, "outputTokens": 80, "totalTokens": 230},
        "finishReason": "stop",
        "response": {"id": "resp_1", "modelId": "gpt-4o"},
    },
    source="openai",
    answered_by="gpt-4o",
    usage=tokens(150, 80),
    facts=Facts(response_id="resp_1", outcome="ok"),
    usd=usd((150, "2.5"), (80, "10")),
)
_MISSING = Case(
    name="ai-sdk 4: a stream without usage says NaN",
    make=lambda: {"promptTokens": 150, "completionTokens": float("nan"), "totalTokens": float("nan")},
    source="openai",
    model="gpt-4o",
    usage=tokens(150, 0),
    usd=usd((150, "2.5")),
    basis="estimated",
    told={"completionTokens": "nan cannot be: left out", "totalTokens": "nan cannot be: left out"},
)

CASES = (*_ai_sdk(), _GATEWAY, _ON_VERTEX, _STEPS, _MISSING)
