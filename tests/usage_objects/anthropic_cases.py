"""Anthropic's messages, also as Bedrock's invoke has them, and Bedrock's Converse.

Both count what was read from and written to the cache beside their input:
https://docs.claude.com/en/docs/build-with-claude/prompt-caching, "Tracking cache performance", and
https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html. Prices of claude-sonnet-4-5: $3,
read from the cache $0.30, written for 5 minutes $3.75, for an hour $6, output $15; $10 per 1,000 web searches
(https://docs.claude.com/en/docs/about-claude/pricing). Bedrock's regional ones are a tenth higher.
"""

from collections.abc import Mapping
from typing import Any

from analytics.calls.row import Facts
from analytics.pricing.price_list import Usage
from tests.usage_objects.case import Case, Make, tokens, usd

SONNET = "claude-sonnet-4-5-20250929"
ON_BEDROCK = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
CACHED = {
    "input_tokens": 50,
    "cache_creation_input_tokens": 200,
    "cache_read_input_tokens": 1000,
    "output_tokens": 20,
}
CACHED_READ = tokens(1250, 20, cached_tokens=1000, cache_write_tokens=200)
CACHED_USD = usd((50, "3"), (1000, "0.3"), (200, "3.75"), (20, "15"))
BY_LIFETIME = CACHED | {
    "cache_creation": {"ephemeral_5m_input_tokens": 150, "ephemeral_1h_input_tokens": 50},
    "service_tier": "standard",
}
BY_LIFETIME_READ = tokens(1250, 20, cached_tokens=1000, cache_write_tokens=200, cache_write_1h_tokens=50)
BY_LIFETIME_USD = usd((50, "3"), (1000, "0.3"), (150, "3.75"), (50, "6"), (20, "15"))
STANDARD = Facts(service_tier="standard")
SEARCHED = {"web_search_requests": 2, "web_fetch_requests": 1}
CAMEL = {
    "inputTokens": 50,
    "cacheCreationInputTokens": 200,
    "cacheReadInputTokens": 1000,
    "cacheCreation": {"ephemeral5mInputTokens": 150, "ephemeral1hInputTokens": 50},
    "outputTokens": 20,
    "serviceTier": "standard",
    "serverToolUse": {"webSearchRequests": 2, "webFetchRequests": 1},
}
COMPACTED = {
    "type": "compaction",
    "input_tokens": 180,
    "output_tokens": 35,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
}
SAME = {"type": "message", **CACHED}
ADVISED = {"type": "advisor_message", "model": "claude-opus-4-5", **CACHED}


def usage(fields: Mapping[str, Any], name: str = "Usage") -> Make:
    def make() -> object:
        import anthropic.types
        import anthropic.types.beta

        kind = getattr(anthropic.types.beta if name.startswith("Beta") else anthropic.types, name)
        made: object = kind.model_validate(fields)
        return made

    return make


def message(fields: Mapping[str, Any], stop: str = "end_turn") -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": SONNET,
        "content": [{"type": "text", "text": "Paid."}],
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": fields,
    }


def converse(fields: Mapping[str, Any], stop: str = "end_turn", **more: Any) -> dict[str, Any]:
    return {
        "ResponseMetadata": {
            "RequestId": "d0c7",
            "HTTPStatusCode": 200,
            "HTTPHeaders": {},
            "RetryAttempts": 0,
        },
        "output": {"message": {"role": "assistant", "content": [{"text": "Paid."}]}},
        "stopReason": stop,
        "usage": fields,
        "metrics": {"latencyMs": 551},
    } | more


_USAGES: tuple[tuple[str, Make, Usage, Facts, Any], ...] = (
    (
        "nothing cached",
        usage({"input_tokens": 50, "output_tokens": 20}),
        tokens(50, 20),
        Facts(),
        usd((50, "3"), (20, "15")),
    ),
    (
        "known not to be cached",
        usage(
            {"input_tokens": 50, "output_tokens": 20}
            | {"cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
        ),
        tokens(50, 20, cached_tokens=0, cache_write_tokens=0),
        Facts(),
        usd((50, "3"), (20, "15")),
    ),
    ("cached", usage(CACHED), CACHED_READ, Facts(), CACHED_USD),
    ("cached by lifetime", usage(BY_LIFETIME), BY_LIFETIME_READ, STANDARD, BY_LIFETIME_USD),
    (
        "lifetimes without their sum",
        lambda: {name: value for name, value in BY_LIFETIME.items() if name != "cache_creation_input_tokens"},
        BY_LIFETIME_READ,
        STANDARD,
        BY_LIFETIME_USD,
    ),
    (
        "searched; what was fetched costs nothing",
        usage(CACHED | {"server_tool_use": SEARCHED}),
        tokens(1250, 20, cached_tokens=1000, cache_write_tokens=200, web_search_count=2),
        Facts(),
        CACHED_USD + usd(fees="0.02"),
    ),
    (
        "camel case",
        lambda: CAMEL,
        tokens(
            *(1250, 20),
            cached_tokens=1000,
            cache_write_tokens=200,
            cache_write_1h_tokens=50,
            web_search_count=2,
        ),
        STANDARD,
        BY_LIFETIME_USD + usd(fees="0.02"),
    ),
    (
        "thought",
        usage(CACHED | {"output_tokens_details": {"thinking_tokens": 12}}),
        tokens(1250, 20, cached_tokens=1000, cache_write_tokens=200, reasoning_tokens=12),
        Facts(),
        CACHED_USD,
    ),
    (
        "batch is half",
        usage(CACHED | {"service_tier": "batch"}),
        CACHED_READ,
        Facts(service_tier="batch"),
        CACHED_USD / 2,
    ),
    (
        "everywhere is no place",
        usage(CACHED | {"inference_geo": "global", "speed": "standard"}),
        CACHED_READ,
        Facts(),
        CACHED_USD,
    ),
    (
        "the last event of a stream",
        usage({**CACHED, "input_tokens": 50}, "MessageDeltaUsage"),
        CACHED_READ,
        Facts(),
        CACHED_USD,
    ),
    (
        "iterations are in the sums; a compaction is not",
        usage(CACHED | {"iterations": [SAME, COMPACTED]}, "BetaUsage"),
        tokens(1250 + 180, 20 + 35, cached_tokens=1000, cache_write_tokens=200),
        Facts(),
        CACHED_USD + usd((180, "3"), (35, "15")),
    ),
)

_BEDROCK_CACHED = {
    "inputTokens": 50,
    "outputTokens": 20,
    "totalTokens": 1270,
    "cacheReadInputTokens": 1000,
    "cacheWriteInputTokens": 200,
}
_BEDROCK_USD = usd((50, "3.3"), (1000, "0.33"), (200, "4.125"), (20, "16.5"))

_ANTHROPIC = dict[str, Any](source="anthropic")
_BEDROCK = dict[str, Any](source="bedrock", model=ON_BEDROCK)

CASES = (
    *(
        Case(
            name=f"anthropic: {name}",
            make=make,
            model=SONNET,
            usage=read,
            facts=facts,
            usd=amount,
            **_ANTHROPIC,
        )
        for name, make, read, facts, amount in _USAGES
    ),
    *(
        Case(
            name=f"anthropic: stopped by {stop}",
            make=lambda stop=stop: __import__("anthropic.types").types.Message.model_validate(
                message(BY_LIFETIME, stop)
            ),
            answered_by=SONNET,
            usage=BY_LIFETIME_READ,
            facts=Facts(response_id="msg_1", operation="chat", outcome=outcome, service_tier="standard"),
            usd=BY_LIFETIME_USD,
            **_ANTHROPIC,
        )
        for stop, outcome in (
            ("end_turn", "ok"),
            ("max_tokens", "ok"),
            ("tool_use", "ok"),
            ("refusal", "refused"),
        )
    ),
    Case(
        name="anthropic: the first event of a stream",
        make=lambda: {"type": "message_start", "message": message(CACHED | {"output_tokens": 1}, "")},
        answered_by=SONNET,
        usage=tokens(1250, 1, cached_tokens=1000, cache_write_tokens=200),
        facts=Facts(response_id="msg_1", operation="chat"),
        usd=usd((50, "3"), (1000, "0.3"), (200, "3.75"), (1, "15")),
        **_ANTHROPIC,
    ),
    Case(
        name="anthropic: the last event of a stream, whole",
        make=lambda: {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": CACHED},
        model=SONNET,
        usage=CACHED_READ,
        facts=Facts(operation="chat", outcome="ok"),
        usd=CACHED_USD,
        **_ANTHROPIC,
    ),
    Case(
        name="anthropic: a line of a batch",
        make=lambda: {
            "custom_id": "invoice 17",
            "result": {"type": "succeeded", "message": message(CACHED)},
        },
        answered_by=SONNET,
        usage=CACHED_READ,
        facts=Facts(response_id="msg_1", operation="chat", outcome="ok", service_tier="batch"),
        usd=CACHED_USD / 2,
        **_ANTHROPIC,
    ),
    Case(
        name="anthropic: the end of an agent of its SDK states a cost",
        make=lambda: {
            "type": "result",
            "subtype": "success",
            "total_cost_usd": 0.00145,
            "usage": BY_LIFETIME,
        },
        model=SONNET,
        usage=BY_LIFETIME_READ,
        facts=Facts(service_tier="standard", stated_cost_usd=usd(fees="0.00145")),
        usd=BY_LIFETIME_USD,
        **_ANTHROPIC,
    ),
    Case(
        name="anthropic: an adviser is another model",
        make=usage(CACHED | {"iterations": [SAME, ADVISED]}, "BetaUsage"),
        model=SONNET,
        usage=CACHED_READ,
        usd=CACHED_USD,
        basis="estimated",
        told={"iterations.advisor_message": "not known"},
        **_ANTHROPIC,
    ),
    Case(
        name="anthropic: a region of its own costs more than is known",
        make=usage(CACHED | {"inference_geo": "us"}),
        model=SONNET,
        usage=CACHED_READ,
        usd=CACHED_USD,
        basis="estimated",
        told={"inference_geo": "'us' is not known"},
        **_ANTHROPIC,
    ),
    Case(
        name="anthropic: fast has a price of its own",
        make=usage(CACHED | {"speed": "fast"}),
        model=SONNET,
        usage=CACHED_READ,
        facts=Facts(service_tier="fast"),
        **_ANTHROPIC,
    ),
    Case(
        name="bedrock: converse, nothing cached",
        make=lambda: {"inputTokens": 50, "outputTokens": 20, "totalTokens": 70},
        usage=tokens(50, 20),
        usd=usd((50, "3.3"), (20, "16.5")),
        **_BEDROCK,
    ),
    Case(
        name="bedrock: converse, cached",
        make=lambda: _BEDROCK_CACHED,
        usage=CACHED_READ,
        usd=_BEDROCK_USD,
        **_BEDROCK,
    ),
    Case(
        name="bedrock: converse, with a total of what was not cached",
        make=lambda: _BEDROCK_CACHED | {"totalTokens": 70},
        usage=CACHED_READ,
        usd=_BEDROCK_USD,
        **_BEDROCK,
    ),
    Case(
        name="bedrock: converse, cached by lifetime",
        make=lambda: (
            _BEDROCK_CACHED
            | {"cacheDetails": [{"ttl": "1h", "inputTokens": 50}, {"ttl": "5m", "inputTokens": 150}]}
        ),
        usage=BY_LIFETIME_READ,
        usd=usd((50, "3.3"), (1000, "0.33"), (150, "4.125"), (50, "6.6"), (20, "16.5")),
        **_BEDROCK,
    ),
    Case(
        name="bedrock: converse, whole",
        make=lambda: converse(_BEDROCK_CACHED),
        usage=CACHED_READ,
        facts=Facts(latency_ms=551, response_id="d0c7", operation="chat", outcome="ok"),
        usd=_BEDROCK_USD,
        **_BEDROCK,
    ),
    Case(
        name="bedrock: converse, stopped by a guardrail",
        make=lambda: converse(_BEDROCK_CACHED, "guardrail_intervened", serviceTier={"type": "priority"}),
        usage=CACHED_READ,
        facts=Facts(
            latency_ms=551,
            response_id="d0c7",
            operation="chat",
            outcome="refused",
            service_tier="priority",
        ),
        **_BEDROCK,
    ),
    Case(
        name="bedrock: converse, the last event of a stream",
        make=lambda: {"metadata": {"usage": _BEDROCK_CACHED, "metrics": {"latencyMs": 551}}},
        usage=CACHED_READ,
        facts=Facts(latency_ms=551),
        usd=_BEDROCK_USD,
        **_BEDROCK,
    ),
    Case(
        name="bedrock: invoke, Anthropic's message",
        make=lambda: message(BY_LIFETIME),
        answered_by=SONNET,
        usage=BY_LIFETIME_READ,
        facts=Facts(response_id="msg_1", operation="chat", outcome="ok", service_tier="standard"),
        usd=usd((50, "3.3"), (1000, "0.33"), (150, "4.125"), (50, "6.6"), (20, "16.5")),
        **_BEDROCK,
    ),
    Case(
        name="bedrock: invoke, the metrics of a stream",
        make=lambda: {
            "type": "message_stop",
            "amazon-bedrock-invocationMetrics": {
                "inputTokenCount": 50,
                "outputTokenCount": 20,
                "invocationLatency": 551,
                "firstByteLatency": 120,
                "cacheReadInputTokenCount": 1000,
                "cacheWriteInputTokenCount": 200,
            },
        },
        usage=CACHED_READ,
        facts=Facts(latency_ms=551, time_to_first_token_ms=120),
        usd=_BEDROCK_USD,
        **_BEDROCK,
    ),
    Case(
        name="bedrock: invoke, Llama",
        make=lambda: {"prompt_token_count": 50, "generation_token_count": 20},
        source="bedrock",
        usage=tokens(50, 20),
    ),
)
