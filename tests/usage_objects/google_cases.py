"""Gemini, by its own API, Vertex, and OpenAI's protocol.

prompt_token_count has the cached content in it; thoughts and the results of tools are beside candidates and
prompt: total_token_count is the sum of the four (google.genai.types.GenerateContentResponseUsageMetadata).
Prices of gemini-2.5-flash: $0.30, audio $1, cached $0.03, output and thoughts $2.50 (https://ai.google.dev/pricing).
"""

from collections.abc import Mapping
from typing import Any

from analytics.calls.row import Facts
from analytics.pricing.price_list import Usage
from tests.usage_objects.case import Case, Make, tokens, usd

FLASH = "gemini-2.5-flash"
THOUGHT = {
    "promptTokenCount": 1200,
    "cachedContentTokenCount": 1000,
    "candidatesTokenCount": 300,
    "thoughtsTokenCount": 100,
    "totalTokenCount": 1600,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1200}],
    "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 1000}],
}
THOUGHT_READ = tokens(
    *(1200, 400),
    cached_tokens=1000,
    reasoning_tokens=100,
    prompt_audio_tokens=0,
    prompt_image_tokens=0,
    cached_audio_tokens=0,
    cached_image_tokens=0,
)
THOUGHT_USD = usd((200, "0.3"), (1000, "0.03"), (400, "2.5"))
HEARD = {
    "promptTokenCount": 1000,
    "candidatesTokenCount": 100,
    "totalTokenCount": 1100,
    "promptTokensDetails": [
        {"modality": "TEXT", "tokenCount": 100},
        {"modality": "AUDIO", "tokenCount": 600},
        {"modality": "IMAGE", "tokenCount": 258},
        {"modality": "VIDEO", "tokenCount": 42},
    ],
    "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 100}],
}
HEARD_READ = tokens(
    *(1000, 100),
    prompt_audio_tokens=600,
    prompt_image_tokens=258,
    completion_audio_tokens=0,
    completion_image_tokens=0,
)


def metadata(fields: Mapping[str, Any], name: str = "GenerateContentResponseUsageMetadata") -> Make:
    def make() -> object:
        from google.genai import types

        made: object = getattr(types, name).model_validate(fields)
        return made

    return make


def answer(finish: str = "STOP", *, model: str = FLASH, **candidate: Any) -> dict[str, Any]:
    content = {"role": "model", "parts": [{"text": "Paid."}]}
    return {
        "candidates": [{"content": content, "finishReason": finish, "index": 0} | candidate],
        "usageMetadata": THOUGHT,
        "modelVersion": model,
        "responseId": "CjEXaPzSEp6Tz7IPk5mN0Ac",
    }


def whole(fields: Mapping[str, Any]) -> Make:
    return metadata(fields, "GenerateContentResponse")


ANSWERED = Facts(response_id="CjEXaPzSEp6Tz7IPk5mN0Ac", operation="generate_content", outcome="ok")
GROUNDED = {"groundingMetadata": {"webSearchQueries": ["invoice", "invoice paid"]}}

_USAGES: tuple[tuple[str, Make, Usage, Any], ...] = (
    ("thoughts beside the candidates", metadata(THOUGHT), THOUGHT_READ, THOUGHT_USD),
    ("camel case, as the API sends it", lambda: THOUGHT, THOUGHT_READ, THOUGHT_USD),
    (
        "snake case",
        lambda: {
            "prompt_token_count": 1200,
            "cached_content_token_count": 1000,
            "candidates_token_count": 300,
            "thoughts_token_count": 100,
            "total_token_count": 1600,
        },
        tokens(1200, 400, cached_tokens=1000, reasoning_tokens=100),
        # How much of the cached content is audio is not told.
        None,
    ),
    (
        "only thoughts, no candidates",
        metadata({"promptTokenCount": 12, "thoughtsTokenCount": 100, "totalTokenCount": 112}),
        tokens(12, 100, reasoning_tokens=100),
        usd((12, "0.3"), (100, "2.5")),
    ),
    (
        "what its tools read is prompt",
        metadata(
            {
                "promptTokenCount": 100,
                "toolUsePromptTokenCount": 400,
                "candidatesTokenCount": 50,
                "totalTokenCount": 550,
                "toolUsePromptTokensDetails": [{"modality": "TEXT", "tokenCount": 400}],
            }
        ),
        tokens(500, 50, prompt_audio_tokens=0, prompt_image_tokens=0),
        usd((500, "0.3"), (50, "2.5")),
    ),
    (
        "audio has a price of its own; pictures and videos that of text",
        metadata(HEARD),
        HEARD_READ,
        usd((400, "0.3"), (600, "1"), (100, "2.5")),
    ),
    (
        "live",
        metadata(
            {
                "promptTokenCount": 100,
                "responseTokenCount": 50,
                "totalTokenCount": 150,
                "responseTokensDetails": [{"modality": "TEXT", "tokenCount": 50}],
            },
            "UsageMetadata",
        ),
        tokens(100, 50, completion_audio_tokens=0, completion_image_tokens=0),
        usd((100, "0.3"), (50, "2.5")),
    ),
    (
        "nothing was answered",
        metadata({"promptTokenCount": 100, "totalTokenCount": 100}),
        tokens(100, 0),
        usd((100, "0.3")),
    ),
)

CASES = (
    *(
        Case(name=f"gemini: {name}", make=make, source="google", model=FLASH, usage=usage, usd=amount)
        for name, make, usage, amount in _USAGES
    ),
    Case(
        name="gemini: cached audio",
        make=metadata(
            {
                "promptTokenCount": 1000,
                "cachedContentTokenCount": 700,
                "candidatesTokenCount": 0,
                "totalTokenCount": 1000,
                "promptTokensDetails": [
                    {"modality": "TEXT", "tokenCount": 200},
                    {"modality": "AUDIO", "tokenCount": 800},
                ],
                "cacheTokensDetails": [
                    {"modality": "TEXT", "tokenCount": 100},
                    {"modality": "AUDIO", "tokenCount": 600},
                ],
            }
        ),
        source="google",
        model=FLASH,
        usage=tokens(
            *(1000, 0),
            cached_tokens=700,
            prompt_audio_tokens=800,
            prompt_image_tokens=0,
            cached_audio_tokens=600,
            cached_image_tokens=0,
        ),
        # Cached audio: $0.10
        usd=usd((100, "0.3"), (200, "1"), (100, "0.03"), (600, "0.1")),
    ),
    Case(
        name="gemini: a picture is answered",  # $0.30, pictures $30
        make=metadata(
            {
                "promptTokenCount": 10,
                "candidatesTokenCount": 1290,
                "totalTokenCount": 1300,
                "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}],
            }
        ),
        source="google",
        model="gemini-2.5-flash-image",
        usage=tokens(10, 1290, completion_audio_tokens=0, completion_image_tokens=1290),
        usd=usd((10, "0.3"), (1290, "30")),
    ),
    *(
        Case(
            name=f"gemini: finished by {finish}",
            make=whole(answer(finish)),
            source="google",
            answered_by=FLASH,
            usage=THOUGHT_READ,
            facts=ANSWERED._replace(outcome=outcome),
            usd=THOUGHT_USD,
        )
        for finish, outcome in (
            ("STOP", "ok"),
            ("MAX_TOKENS", "ok"),
            ("SAFETY", "refused"),
            ("PROHIBITED_CONTENT", "refused"),
            ("MALFORMED_FUNCTION_CALL", "error"),
            ("OTHER", None),
        )
    ),
    Case(
        name="gemini: whole, as the API sends it",
        make=lambda: answer(),
        source="google",
        answered_by=FLASH,
        usage=THOUGHT_READ,
        facts=ANSWERED,
        usd=THOUGHT_USD,
    ),
    Case(
        name="gemini 2: a prompt that is grounded costs once",
        make=whole(answer(**GROUNDED)),
        source="google",
        answered_by=FLASH,
        usage=THOUGHT_READ._replace(details={"web_search_count": 1, **THOUGHT_READ.details}),
        facts=ANSWERED,
    ),
    Case(
        name="gemini 3: each query costs",
        make=whole(answer(**GROUNDED, model="gemini-3-pro-preview")),
        source="google",
        answered_by="gemini-3-pro-preview",
        usage=THOUGHT_READ._replace(details={"web_search_count": 2, **THOUGHT_READ.details}),
        facts=ANSWERED,
    ),
    Case(
        name="gemini: the prompt was blocked",
        make=whole(
            {
                "promptFeedback": {"blockReason": "SAFETY"},
                "usageMetadata": {"promptTokenCount": 100, "totalTokenCount": 100},
                "modelVersion": FLASH,
            }
        ),
        source="google",
        answered_by=FLASH,
        usage=tokens(100, 0),
        facts=Facts(operation="generate_content", outcome="refused"),
        usd=usd((100, "0.3")),
    ),
    *(
        Case(
            name=f"vertex: {traffic}",
            make=metadata({"promptTokenCount": 100, "totalTokenCount": 100, "trafficType": traffic}),
            source="google",
            model=FLASH,
            usage=tokens(100, 0),
            facts=Facts(service_tier=tier),
        )
        for traffic, tier in (
            ("ON_DEMAND", "on_demand"),
            ("ON_DEMAND_FLEX", "flex"),
            ("ON_DEMAND_PRIORITY", "priority"),
            ("PROVISIONED_THROUGHPUT", "provisioned_throughput"),
        )
    ),
    Case(
        name="gemini by OpenAI's SDK: thoughts are in the total only",
        make=lambda: __import__("openai.types").types.CompletionUsage(
            prompt_tokens=12, completion_tokens=30, total_tokens=142
        ),
        source="google",
        model=FLASH,
        usage=tokens(12, 130),
        usd=usd((12, "0.3"), (130, "2.5")),
        basis="estimated",
        told={"total_tokens": "142 is more than its parts, 42: 100 counted as completion"},
    ),
    Case(
        name="gemini by OpenAI's SDK: thoughts are told",
        make=lambda: __import__("openai.types").types.CompletionUsage(
            prompt_tokens=12,
            completion_tokens=30,
            total_tokens=142,
            completion_tokens_details={"reasoning_tokens": 100},
        ),
        source="google",
        model=FLASH,
        usage=tokens(12, 130, reasoning_tokens=100),
        usd=usd((12, "0.3"), (130, "2.5")),
    ),
)
