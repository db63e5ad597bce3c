"""What a call of each kind costs, to the last digit; each amount is worked out from the price on its source.

OPENAI is https://developers.openai.com/api/docs/pricing and the pages of its models, CLAUDE
https://platform.claude.com/docs/en/about-claude/pricing, GROQ https://groq.com/pricing and
https://console.groq.com/docs, GOOGLE https://ai.google.dev/gemini-api/docs/pricing, OPENROUTER
https://openrouter.ai/docs. Prices are US dollars per million, unless it says.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from analytics.pricing.listed import ListedPrice
from analytics.pricing.price_list import Cost, PriceList, Usage

AT = datetime(2026, 11, 15, tzinfo=UTC)
"""After the day from which the public list has prices of tiers."""
BEFORE_TIERS = datetime(2026, 10, 1, tzinfo=UTC)
PUBLIC = PriceList()


class Case(NamedTuple):
    source: str
    model: str
    used: dict[str, Any]
    usd: str
    basis: str = "priced"
    note: str = ""
    """What the note says, beside the price."""
    tier: str | None = None
    at: datetime = AT


def usage(
    prompt: int = 0,
    completion: int = 0,
    total: int | None = None,
    seconds: str | None = None,
    **details: int,
) -> Usage:
    return Usage(
        prompt,
        completion,
        prompt + completion if total is None else total,
        None if seconds is None else Decimal(seconds),
        details,
    )


def cost(case: Case, prices: PriceList = PUBLIC, client_id: str | None = None) -> Cost:
    return prices.cost(
        source=case.source,
        model=case.model,
        at=case.at,
        usage=usage(**case.used),
        client_id=client_id,
        service_tier=case.tier,
    )


def outcome(answer: Cost) -> tuple[Decimal, str]:
    return answer.amount_usd, answer.basis


def used(prompt: int = 1_000, completion: int = 500, **more: Any) -> dict[str, Any]:
    return {"prompt": prompt, "completion": completion, **more}


PICTURES = [
    # OPENAI: text 5, pictures in 8, pictures out 32: 500 x 5 + 500 x 8 + 4,000 x 32
    Case(
        *("openai", "gpt-image-1.5"),
        used(1_000, 4_000, prompt_image_tokens=500, completion_image_tokens=4_000),
        "0.1345",
    ),
    # 100 of the answer are text, at 10
    Case("openai", "gpt-image-1.5", used(0, 4_000, completion_image_tokens=3_900), "0.1258"),
    # Not told, but a picture model: all of the answer at 32
    Case("openai", "gpt-image-1.5", used(1_000, 4_000), "0.133", "estimated", "counted as pictures"),
    # 300 of the pictures and 100 of the text were cached: 400 x 5 + 100 x 1.25 + 200 x 8 + 300 x 2
    Case(
        *("openai", "gpt-image-1.5"),
        used(1_000, 0, prompt_image_tokens=500, cached_tokens=400, cached_image_tokens=300),
        "0.004325",
    ),
    # All it answers with is pictures, at 40; in: 500 x 5 + 500 x 10
    Case(
        *("openai", "gpt-image-1"),
        used(1_000, 4_000, prompt_image_tokens=500, completion_image_tokens=4_000),
        "0.1675",
    ),
    Case("openai", "gpt-image-1", used(1_000, 4_000), "0.165"),
    Case("openai", "gpt-image-1-mini", used(0, 1_000, completion_image_tokens=1_000), "0.008"),
    Case("openai", "gpt-image-2", used(0, 1_000, completion_image_tokens=1_000), "0.03"),
    # Half in a batch
    Case("openai", "gpt-image-1", used(0, 1_000, completion_image_tokens=1_000), "0.02", tier="batch"),
    # GOOGLE: 0.30 in, 2.50 out, 30 for pictures: 10 x 0.3 + 1,290 x 30
    Case("google", "gemini-2.5-flash-image", used(10, 1_290, completion_image_tokens=1_290), "0.038703"),
    # Pictures to look at are tokens like others: OPENAI 2.5 and 10, GOOGLE 0.30 and 2.50
    Case("openai", "gpt-4o", used(1_000, 500, prompt_image_tokens=765), "0.0075"),
    Case("gemini", "gemini-2.5-flash", used(1_000, 500, prompt_image_tokens=258), "0.00155"),
    # A chat model has no price of pictures that it makes
    Case("openai", "gpt-4o", used(completion_image_tokens=100), "0", "unpriced", "pictures of the answer"),
    # More than there is
    Case("openai", "gpt-image-1.5", used(100, 0, prompt_image_tokens=101), "0", "unpriced", "more than"),
    Case(
        "openai", "gpt-image-1.5", {"image_count": 2}, "0", "unpriced", "only a number of pictures is known"
    ),
]

AUDIO = [
    # OPENAI: text 4 and 16, audio 32 and 64, cached 0.40 of both:
    # text 300 x 4, cached text 50 x 0.4, audio 550 x 32, cached audio 100 x 0.4; 100 x 16 + 400 x 64
    Case(
        *("openai", "gpt-realtime"),
        used(
            *(1_000, 500),
            prompt_audio_tokens=650,
            cached_tokens=150,
            cached_audio_tokens=100,
            completion_audio_tokens=400,
        ),
        "0.04606",
    ),
    # Known to be none: 900 x 4 + 100 x 0.4 + 500 x 16
    Case(
        *("openai", "gpt-realtime"),
        used(prompt_audio_tokens=0, cached_tokens=100, cached_audio_tokens=0, completion_audio_tokens=0),
        "0.01164",
    ),
    # Pictures in a session, at 5: 800 x 4 + 200 x 5 + 500 x 16
    Case(
        *("openai", "gpt-realtime"),
        used(prompt_audio_tokens=0, prompt_image_tokens=200, completion_audio_tokens=0),
        "0.0122",
    ),
    # Of the cached ones it is not told which were audio: as text
    Case(
        *("openai", "gpt-realtime"),
        used(prompt_audio_tokens=600, cached_tokens=100, completion_audio_tokens=0),
        "0.02844",
        *("estimated", "how many of the cached tokens were audio"),
    ),
    Case("openai", "gpt-realtime", used(), "0.012", "estimated", "how many tokens were audio is not told"),
    # Without a price in the list: 40 and 80, of the oldest snapshot 100 and 200
    Case(
        *("openai", "gpt-4o-audio-preview"),
        used(prompt_audio_tokens=600, completion_audio_tokens=300),
        "0.051",
    ),
    Case(
        *("openai", "gpt-4o-audio-preview-2024-10-01"),
        used(prompt_audio_tokens=600, completion_audio_tokens=300),
        "0.123",
    ),
    Case(
        *("openai", "gpt-4o-mini-audio-preview-2024-12-17"),
        used(prompt_audio_tokens=600, completion_audio_tokens=300),
        "0.01218",
    ),
    Case("openai", "gpt-4o", used(prompt_audio_tokens=1), "0", "unpriced", "audio tokens of the prompt"),
    Case("openai", "gpt-4o", used(completion_audio_tokens=1), "0", "unpriced", "audio tokens of the answer"),
    Case("openai", "gpt-4o", used(prompt_audio_tokens=0, completion_audio_tokens=0), "0.0075"),
    # GOOGLE: audio 1.00 beside text 0.30: 400 x 0.3 + 600 x 1 + 500 x 2.5
    Case("google", "gemini-2.5-flash", used(prompt_audio_tokens=600), "0.00197"),
    # One price for all that goes in: 1.25 and 10
    Case("google", "gemini-2.5-pro", used(prompt_audio_tokens=600), "0.00625"),
    # Speech: it answers with audio alone, at 10
    Case("google", "gemini-2.5-flash-tts", used(100, 500, completion_audio_tokens=500), "0.00505"),
    # Groq's GROQ ten seconds, 0.111 an hour
    Case("groq", "whisper-large-v3", {"seconds": "3600"}, "0.111"),
    Case("groq", "whisper-large-v3", {"seconds": "5"}, "0.00030833333333333333"),
    Case("groq", "distil-whisper-large-v3-en", {"seconds": "3600"}, "0.02"),
]

SPEECH = [
    # OPENAI: 15 a million characters, 30 in high definition
    Case("openai", "tts-1", {"character_count": 1_000}, "0.015"),
    Case("openai", "tts-1-hd", {"character_count": 1_000}, "0.03"),
    Case("openai", "tts-1-1106", {"character_count": 0}, "0"),
    Case("openai", "tts-1", {"prompt": 200}, "0", "unpriced", "character_count is needed"),
    # GROQ: 22, in Arabic 40; PlayAI's 50
    Case("groq", "canopylabs/orpheus-v1-english", {"character_count": 1_000}, "0.022"),
    Case("groq", "canopylabs/orpheus-arabic-saudi", {"character_count": 1_000}, "0.04"),
    Case("groq", "playai-tts", {"character_count": 1_000}, "0.05"),
    # By tokens: 0.60 in, 12 for audio out, told or not; 200 x 0.6 + 1,000 x 12
    Case("openai", "gpt-4o-mini-tts", used(200, 1_000), "0.01212"),
    Case("openai", "gpt-4o-mini-tts", used(200, 1_000, completion_audio_tokens=1_000), "0.01212"),
    Case("openai", "gpt-4o-mini-tts", {"character_count": 900}, "0", "unpriced", "a number of characters"),
    # OPENAI estimates 0.015 a minute
    Case("openai", "gpt-4o-mini-tts", {"seconds": "60"}, "0.015", "estimated", "OpenAI's own estimate"),
]

TRANSCRIPTION = [
    # OPENAI: 2.50 for all input, 10 for output: 1,000 x 2.5 + 100 x 10
    Case("openai", "gpt-4o-transcribe", used(1_000, 100, prompt_audio_tokens=900), "0.0035"),
    Case("openai", "gpt-4o-transcribe-diarize", used(1_000, 100, prompt_audio_tokens=900), "0.0035"),
    Case("openai", "gpt-4o-mini-transcribe", used(1_000, 100, prompt_audio_tokens=900), "0.00175"),
    # Tokens are what it is sold by, also where the length is told
    Case("openai", "gpt-4o-transcribe", used(1_000, 100, prompt_audio_tokens=900, seconds="60"), "0.0035"),
    Case("openai", "gpt-4o-transcribe", {"seconds": "60"}, "0.006", "estimated", "OpenAI's own estimate"),
    Case(
        "openai", "gpt-4o-mini-transcribe", {"seconds": "60"}, "0.003", "estimated", "OpenAI's own estimate"
    ),
    Case("openai", "whisper-1", {"seconds": "60"}, "0.006"),
    Case("openai", "whisper-1", used(100, 0), "0", "unpriced", "duration_seconds is needed"),
    # 0.0045 a minute
    Case("openai", "gpt-transcribe", {"seconds": "60"}, "0.0045"),
    Case("openai", "gpt-4o", {"seconds": "60"}, "0", "unpriced", "only a duration is known"),
]

TOOLS = [
    # OPENAI: 10 per 1,000 web searches, 2.50 per 1,000 file searches:
    # 1,000 x 2 + 500 x 8 and 3 x 0.01 + 2 x 0.0025
    Case("openai", "gpt-4.1", used(web_search_count=3, file_search_count=2), "0.041"),
    Case("openai", "gpt-4.1", used(web_search_count=0, file_search_count=0, code_run_count=0), "0.006"),
    # A model of which the list has no fee has that of all: 0.1 and 0.4
    Case("openai", "gpt-4.1-nano", used(web_search_count=1), "0.0103"),
    # 0.03 for a container: as many as there were runs, at the most
    Case("openai", "gpt-4.1", used(code_run_count=2), "0.066", "estimated", "each code run is counted"),
    # Searches in every call, at 25 per 1,000: 1,000 x 2.5 + 500 x 10 + 0.025
    Case("openai", "gpt-4o-search-preview", used(), "0.0325"),
    Case("openai", "gpt-4o-search-preview-2025-03-11", used(web_search_count=2), "0.0575"),
    Case("openai", "gpt-4o-mini-search-preview", used(), "0.02545"),
    Case("openai", "gpt-4o-search-preview", used(web_search_count=0), "0.0075"),
    # 10 per 1,000: 1,000 x 1.25 + 500 x 10 + 0.01
    Case("openai", "gpt-5-search-api", used(), "0.01625"),
    # CLAUDE: 10 per 1,000; 1,000 x 5 + 500 x 25 + 3 x 0.01; also of a model without a fee in the list
    Case("anthropic", "claude-opus-5", used(web_search_count=3), "0.0475"),
    Case("anthropic", "claude-3-haiku-20240307", used(web_search_count=1), "0.010875"),
    # Batches have no discount on searches
    Case("anthropic", "claude-opus-5", used(web_search_count=3), "0.03875", tier="batch"),
    Case(
        "anthropic", "claude-opus-5", used(code_run_count=1), "0.0175", "estimated", "code runs have no price"
    ),
    Case("groq", "openai/gpt-oss-120b", used(web_search_count=2), "0.01045", "estimated", "basic one"),
    Case("x-ai", "grok-4", used(web_search_count=3), "0.0105", "estimated", "web searches have no price"),
    # GOOGLE: 35 per 1,000 prompts that are grounded; code runs at no charge
    Case("google", "gemini-2.5-flash", used(web_search_count=1, code_run_count=4), "0.03655"),
    Case("google", "gemini-2.5-flash", used(web_search_count=3), "0.03655"),
    # From Gemini 3 on 14 per 1,000 queries: 1,000 x 1.5 + 500 x 9 + 3 x 0.014
    Case("google", "gemini-3.5-flash", used(web_search_count=3), "0.048"),
    # Perplexity: a fee of 5 to 12 per 1,000 calls; 1 and 1
    Case("perplexity", "sonar", used(), "0.0135", "estimated", "size of the search"),
]

CACHES = [
    # CLAUDE: 5, five minutes 6.25, an hour 10, read 0.5: 600 x 5 + 60 x 6.25 + 40 x 10 + 300 x 0.5
    Case(
        *("anthropic", "claude-opus-5"),
        used(1_000, 0, cached_tokens=300, cache_write_tokens=100, cache_write_1h_tokens=40),
        "0.003925",
    ),
    Case("anthropic", "claude-opus-5", used(1_000, 0, cache_write_tokens=100), "0.005125"),
    # 2 times the input by rule: the list of Google has the five minutes only. 900 x 0.8 + 100 x 1.6
    Case(
        *("vertex_ai", "claude-3-5-haiku@20241022"),
        used(1_000, 0, cache_write_tokens=100, cache_write_1h_tokens=100),
        "0.00088",
    ),
    # 1.25 and 2 times by rule: 8. 800 x 8 + 100 x 10 + 100 x 16
    Case(
        *("anthropic", "claude-2"),
        used(1_000, 0, cache_write_tokens=200, cache_write_1h_tokens=100),
        "0.009",
    ),
    # OPENAI: no fee for writing; from gpt-5.6 on 1.25 times the input: 900 x 2 + 100 x 2.5
    Case("openai", "gpt-4o", used(1_000, 0, cache_write_tokens=100), "0.0025"),
    Case("openai", "gpt-5.6-terra", used(1_000, 0, cache_write_tokens=100), "0.00205"),
    # Half of all in a batch
    Case(
        *("anthropic", "claude-opus-5"),
        used(1_000, 0, cached_tokens=300, cache_write_tokens=100, cache_write_1h_tokens=40),
        "0.0019625",
        tier="batch",
    ),
    Case(
        "together",
        "minimaxai/minimax-m3",
        used(1_000, 0, cache_write_tokens=100),
        "0.0003",
        "estimated",
        "writes have",
    ),
    Case(
        "openai", "gpt-4o", used(100, 0, cached_tokens=150), "0.000125", "estimated", "more than the prompt"
    ),
]

LONG_PROMPTS = [
    # OPENAI: 2.50 and 15, above 272,000 tokens 5 and 22.5, cached 0.25 and 0.5
    Case("openai", "gpt-5.4", used(272_000, 1_000), "0.695"),
    Case("openai", "gpt-5.4", used(272_001, 1_000), "1.382505"),
    Case("openai", "gpt-5.4", used(272_001, 1_000, cached_tokens=100_000), "0.932505"),
    # CLAUDE: above 100,000 tokens five times: 0.5 and 2.5
    Case("anthropic", "claude-haiku-5-5", used(100_000, 1_000), "0.0105"),
    Case("anthropic", "claude-haiku-5-5", used(100_001, 1_000), "0.0525005"),
    Case("anthropic", "claude-haiku-5-5", used(100_001, 1_000), "0.02625025", tier="batch"),
]

TIERS = [
    # OPENAI: gpt-5 1.25 and 10; gpt-4o 2.5 and 10
    Case("openai", "gpt-5", used(), "0.003125", tier="batch"),
    Case("openai", "gpt-5", used(), "0.003125", tier=" Batch "),
    Case("openai", "gpt-5", used(), "0.003125", tier="FLEX"),
    Case("openai", "gpt-5", used(), "0.0125", tier="priority"),
    Case("openai", "gpt-5", used(), "0.00625", tier="Default"),
    Case("openai", "gpt-5", used(), "0.00625", "estimated", "none is known for the tier scale", tier="scale"),
    # By the rule, where the list has none: before it had prices of tiers, and of o4-mini's kin
    Case("openai", "gpt-5", used(), "0.003125", tier="batch", at=BEFORE_TIERS),
    Case("openai", "o3-deep-research", used(), "0.015", tier="batch"),
    Case(
        *("openai", "gpt-5", used(), "0.0125", "estimated", "only from a later day on"),
        tier="priority",
        at=BEFORE_TIERS,
    ),
    # GROQ: 0.59 and 0.79; half in batches, flex costs the same
    *(
        Case("groq", "llama-3.3-70b-versatile", used(), "0.000985", tier=tier)
        for tier in ("on_demand", "auto", "flex", "ON_DEMAND ", "default")
    ),
    Case("groq", "llama-3.3-70b-versatile", used(), "0.0004925", tier="batch"),
    Case(
        "groq", "llama-3.3-70b-versatile", used(), "0.000985", "estimated", "performance", tier="performance"
    ),
    *(
        Case("groq", "whisper-large-v3", {"seconds": "3600"}, "0.111", tier=tier)
        for tier in ("on_demand", "auto")
    ),
    Case("groq", "whisper-large-v3", {"seconds": "3600"}, "0.0555", tier="batch"),
    Case("groq", "whisper-large-v3", {"seconds": "3600"}, "0.0555", tier="batch", at=BEFORE_TIERS),
    # No second discount for cached input in a batch: as other input of it, 0.075
    Case("groq", "openai/gpt-oss-120b", used(1_000, 0, cached_tokens=1_000), "0.000075", tier="batch"),
    # CLAUDE: 5 and 25, 15 and 75
    *(
        Case("anthropic", "claude-opus-5", used(), "0.0175", tier=tier)
        for tier in ("standard", "standard_only", "auto", "Standard")
    ),
    Case("anthropic", "claude-opus-5", used(), "0.00875", tier="batch"),
    Case("anthropic", "claude-opus-4-1", used(), "0.02625", tier="batch"),
    Case("anthropic", "claude-opus-5", used(), "0.0175", "estimated", "tier priority", tier="priority"),
    Case("anthropic", "claude-opus-5", used(), "0.035", tier="fast"),
    # GOOGLE: half, but cached input: 500 x 0.15 + 500 x 0.03 + 500 x 1.25; priority is 1.8 times
    Case("google", "gemini-2.5-flash", used(cached_tokens=500), "0.000715", tier="batch"),
    Case("google", "gemini-3.5-flash", used(), "0.003", tier="flex"),
    Case("google", "gemini-3.5-flash", used(), "0.0108", tier="priority"),
    Case("vertex_ai", "gemini-3.5-flash", used(), "0.0108", tier="ON_DEMAND_PRIORITY"),
    Case("vertex_ai", "gemini-3.5-flash", used(), "0.006", tier="ON_DEMAND"),
    Case(
        *("vertex_ai", "gemini-3.5-flash", used(), "0.006", "estimated", "provisioned_throughput"),
        tier="PROVISIONED_THROUGHPUT",
    ),
    # A tier that nobody knows, and one of a provider without a rule
    Case("openai", "gpt-5", used(), "0.00625", "estimated", "unheard-of", tier="unheard-of"),
    Case("openrouter", "openai/gpt-4o", used(), "0.0075", "estimated", "tier batch", tier="batch"),
]

NAMES = [
    # OPENAI, fine-tuned: 0.30, cached 0.15, 1.20
    Case("openai", "ft:gpt-4o-mini-2024-07-18:org::id", used(), "0.0009"),
    Case("openai", "ft:gpt-4o-mini-2024-07-18:org:suffix:id:ckpt-step-90", used(), "0.0009"),
    Case("openai", "ft:gpt-4o-mini-2024-07-18:org::id", used(1_000, 0, cached_tokens=1_000), "0.00015"),
    Case("openai", "ft:gpt-4o-2024-08-06:org::id", used(), "0.01125"),
    Case("openai", "ft:gpt-4.1-2025-04-14:org::id", used(), "0.009"),
    Case("openai", "ft:gpt-4.1-mini-2025-04-14:org::id", used(), "0.0024"),
    Case("openai", "ft:gpt-4.1-nano-2025-04-14:org::id", used(), "0.0006"),
    Case("openai", "ft:gpt-3.5-turbo-0125:org::id", used(), "0.006"),
    Case("openai", "ft:o4-mini-2025-04-16:org::id", used(), "0.012"),
    Case("openai", "ft:gpt-4o-mini-2024-07-18:org::id", used(), "0.00045", tier="batch"),
    Case(
        "openai",
        "ft:gpt-4o-2024-08-06:org::id",
        used(),
        "0.005625",
        "estimated",
        "OpenAI's table",
        tier="batch",
    ),
    Case("openai", "ft:gpt-4-0613:org::id", used(), "0", "unpriced", "no price is known for"),
    Case("openai", "ft:gpt-9-2029-01-01:org::id", used(), "0", "unpriced", "no price is known for"),
    # Azure: hosting is billed beside the tokens
    Case("azure", "gpt-4o-mini-2024-07-18.ft-0e2f", used(), "0.0009", "estimated", "hosting by the hour"),
    Case("azure", "gpt-4.1-2025-04-14.ft-0e2f-suffix", used(), "0.006", "estimated", "hosting by the hour"),
    Case("azure", "my-deployment", used(), "0", "unpriced", "no price is known for my-deployment of azure"),
    Case("azure", "gpt-35-turbo", used(), "0.00125"),
    # Gateways
    Case("gateway", "openai/gpt-4o", used(), "0.0075"),
    Case("litellm", "azure/gpt-4o", used(), "0.0075"),
    Case("litellm", "groq/llama-3.3-70b-versatile", used(), "0.000985"),
    Case("litellm", "groq/openai/gpt-oss-120b", used(), "0.00045"),
    Case("gateway", "bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0", used(), "0.00385"),
    Case("litellm", "bedrock/converse/us.anthropic.claude-haiku-4-5-20251001-v1:0", used(), "0.00385"),
    Case("litellm", "bedrock/us-east-1/anthropic.claude-haiku-4-5-20251001-v1:0", used(), "0.00385"),
    Case("gateway", "vertex_ai/gemini-2.5-flash", used(), "0.00155"),
    Case("gateway", "gemini/gemini-2.5-flash", used(), "0.00155"),
    Case("litellm", "openrouter/openai/gpt-4o", used(), "0.0075"),
    Case("gateway", "groq/llama-3.3-70b-versatile", used(), "0.0004925", tier="batch"),
    Case("azure", "azure/gpt-4o", used(), "0.0075"),
    Case("litellm", "azure/global/gpt-4o", used(), "0.0075"),
    Case("litellm", "azure/eu/gpt-4o", used(), "0.0075", "estimated", "data zone"),
    Case("litellm", "openai/responses/gpt-5", used(), "0.00625"),
    Case(
        *(
            "bedrock",
            "arn:aws:bedrock:us-east-1:123:inference-profile/us.anthropic.claude-haiku-4-5-20251001-v1:0",
        ),
        used(),
        "0.00385",
    ),
    Case("vertex_ai", "publishers/google/models/gemini-2.5-flash", used(), "0.00155"),
    Case("gateway", "anthropic/claude-sonnet-4.5", used(), "0.0105"),
    Case("google", "models/gemini-2.5-flash", used(), "0.00155"),
    Case(
        "openai", "anthropic/claude-opus-5", used(), "0.0175", "estimated", "openai is named as the provider"
    ),
    Case("gateway", "gpt-4o", used(), "0", "unpriced", "no price is known for gpt-4o of gateway"),
    Case("gateway", "nobody/gpt-4o", used(), "0", "unpriced", "no price"),
    Case("groq", "openai/gpt-4o", used(), "0", "unpriced", "no price"),
    Case("gateway", "openai/gpt-4o-unheard-of", used(), "0", "unpriced", "no price"),
    # OPENROUTER
    Case("openrouter", "openai/gpt-4o:free", used(), "0"),
    Case("openrouter", "nobody/has-it:free", used(), "0"),
    Case("openrouter", "anthropic/claude-3.7-sonnet:thinking", used(), "0.0105"),
    Case("openrouter", "anthropic/claude-3.7-sonnet:beta", used(), "0.0105"),
    Case("openrouter", "openai/gpt-4o:extended", used(), "0.015"),
    Case("openrouter", "openai/gpt-4o:nitro", used(), "0.0075", "estimated", "whoever answers"),
    Case("openrouter", "openai/gpt-4o:floor", used(), "0.0075", "estimated", "whoever answers"),
    # 0.02 for five results of the web
    Case("openrouter", "openai/gpt-4o:online", used(), "0.0275", "estimated", "web search"),
    Case("openrouter", "openai/gpt-4o:unheard-of", used(), "0", "unpriced", "no price"),
    # Free of charge
    Case("openai", "omni-moderation-latest", used(1_000, 0), "0"),
    # 2.5 and 10 for all that is in neither part
    Case("openai", "gpt-4o", used(1_000, 500, total=1_600), "0.0085", "estimated", "100 tokens of the total"),
]


@pytest.mark.parametrize(
    "case",
    [*PICTURES, *AUDIO, *SPEECH, *TRANSCRIPTION, *TOOLS, *CACHES, *LONG_PROMPTS, *TIERS, *NAMES],
    ids=lambda case: f"{case.source} {case.model} {case.tier or ''}",
)
def test_the_public_price_of_each_kind(case: Case) -> None:
    answer = cost(case)

    assert outcome(answer) == (Decimal(case.usd), case.basis)
    assert case.note in answer.note
    if case.basis == "estimated":
        assert answer.price["list"]
    if case.basis == "unpriced":
        assert answer.price == {"reason": answer.note}


def listed(model: str, **given: Any) -> ListedPrice:
    amounts = {
        name: Decimal(value) if name.endswith(("_usd", "_percent")) else value
        for name, value in given.items()
    }
    return ListedPrice(**{"source": "openai", "model": model, **amounts})


OWN = [
    listed("gpt-4o", input_usd="2", output_usd="8", cached_input_usd="1"),
    listed("gpt-4o", input_usd="1", output_usd="4", service_tier="batch"),
    listed("gpt-4o", input_usd="3", output_usd="9", above_prompt_tokens=10_000),
    listed("gpt-4o", input_usd="1.5", output_usd="4.5", service_tier="batch", above_prompt_tokens=10_000),
    listed(
        "all-kinds",
        **{"input_usd": "1", "output_usd": "2", "cache_write_usd": "3", "cache_write_1h_usd": "4"},
        **{"audio_input_usd": "5", "cached_audio_usd": "6", "audio_output_usd": "7"},
        **{"image_input_usd": "8", "cached_image_usd": "9", "image_output_usd": "10"},
        **{"cached_input_usd": "0.5", "web_search_usd": "11", "file_search_usd": "12", "code_run_usd": "13"},
    ),
    listed("few-kinds", input_usd="1", output_usd="2"),
    listed("few-image", input_usd="1", output_usd="2"),
    listed("few-audio", input_usd="1", output_usd="2"),
    listed("speaks", input_usd="15", unit="1M characters"),
    listed("draws", input_usd="0.04", unit="image", web_search_usd="10"),
    listed("hears", input_usd="0.01", unit="minute"),
    listed("gpt-5", discount_percent="20"),
    listed("gpt-5", discount_percent="50", service_tier="priority"),
    listed("gpt-image-1.5", discount_percent="-10"),
    listed("claude-none", discount_percent="20"),
    listed("my-deploy-*", input_usd="4", output_usd="4"),
    listed("my-deploy-1*", input_usd="5", output_usd="5"),
    listed("my-deploy-123", input_usd="6", output_usd="6"),
    listed("*-of-ours", input_usd="7", output_usd="7"),
    listed("ft:gpt-4.1-2025-04-14", input_usd="9", output_usd="9"),
]
OWN_CASES = [
    Case("openai", "gpt-4o", used(cached_tokens=400), "0.0056"),
    Case("openai", "gpt-4o", used(), "0.003", tier="Batch"),
    Case("openai", "gpt-4o", used(), "0.006", "estimated", "none is known for the tier flex", tier="flex"),
    Case("openai", "gpt-4o", used(10_000, 500), "0.024"),
    Case("openai", "gpt-4o", used(10_001, 500), "0.034503"),
    Case("openai", "gpt-4o", used(10_001, 500), "0.0172515", tier="batch"),
    # text 500 x 1, cached text 50 x 0.5, written 60 x 3 + 40 x 4, audio 150 x 5 + 50 x 6,
    # pictures 130 x 8 + 20 x 9
    Case(
        *("openai", "all-kinds"),
        used(
            *(1_000, 0),
            cached_tokens=120,
            cached_audio_tokens=50,
            cached_image_tokens=20,
            cache_write_tokens=100,
            cache_write_1h_tokens=40,
            prompt_audio_tokens=200,
            prompt_image_tokens=150,
        ),
        "0.003135",
    ),
    # text 300 x 2, audio 150 x 7, pictures 50 x 10; fees 2 x 0.011 + 1 x 0.012 + 3 x 0.013
    Case(
        *("openai", "all-kinds"),
        used(
            *(0, 500),
            completion_audio_tokens=150,
            completion_image_tokens=50,
            web_search_count=2,
            file_search_count=1,
            code_run_count=3,
        ),
        "0.07515",
    ),
    Case("openai", "few-kinds", used(cached_tokens=400), "0.002"),
    Case("openai", "few-kinds", used(prompt_audio_tokens=1), "0", "unpriced", "audio tokens of the prompt"),
    Case(
        "openai", "few-kinds", used(completion_audio_tokens=1), "0", "unpriced", "audio tokens of the answer"
    ),
    Case("openai", "few-kinds", used(completion_image_tokens=1), "0", "unpriced", "pictures of the answer"),
    Case("openai", "few-kinds", used(prompt_image_tokens=9), "0.002", "estimated", "pictures of the prompt"),
    Case(
        "openai", "few-kinds", used(cache_write_tokens=9), "0.002", "estimated", "cache writes have no price"
    ),
    Case("openai", "few-kinds", used(web_search_count=1), "0.002", "estimated", "web searches have no price"),
    Case("openai", "few-kinds", {"character_count": 5}, "0", "unpriced", "only a number of characters"),
    Case("openai", "few-image", used(), "0.002", "estimated", "how much of the output was pictures"),
    Case("openai", "few-image", used(completion_image_tokens=0), "0.002"),
    Case("openai", "few-audio", used(), "0.002", "estimated", "how many tokens were audio"),
    Case("openai", "few-audio", used(completion_audio_tokens=0), "0.002"),
    Case("openai", "speaks", {"character_count": 1_000}, "0.015"),
    Case("openai", "speaks", used(), "0", "unpriced", "character_count is needed"),
    Case("openai", "draws", {"image_count": 3, "web_search_count": 1}, "0.13"),
    Case("openai", "draws", used(), "0", "unpriced", "image_count is needed"),
    Case("openai", "hears", {"seconds": "10"}, "0.00166666666666666667"),
    # 20 percent off 1.25 and 10, and off a web search's 0.01
    Case(
        "openai", "gpt-5", used(web_search_count=1), "0.013", note="20 percent off the public price of gpt-5"
    ),
    Case("openai", "gpt-5-2025-08-07", used(), "0.005"),
    Case("openai", "gpt-5", used(), "0.0025", tier="batch"),
    Case("openai", "gpt-5", used(), "0.00625", tier="priority"),
    Case("openai", "gpt-image-1.5", used(0, 1_000, completion_image_tokens=1_000), "0.0352"),
    Case("openai", "claude-none", used(), "0", "unpriced", "is a discount, and no price is known"),
    Case("openai", "my-deploy-123", used(), "0.009"),
    Case("openai", "my-deploy-12", used(), "0.0075"),
    Case("openai", "my-deploy-2", used(), "0.006"),
    Case("openai", "my-deploy", used(), "0", "unpriced", "no price"),
    Case("openai", "mixtral-of-ours", used(), "0.0105"),
    Case("openai", "ft:gpt-4.1-2025-04-14:org::id", used(), "0.0135"),
    # Of a gateway, the price of who sells it
    Case("gateway", "openai/my-deploy-2", used(), "0.006"),
    Case("openai", "gpt-4o-mini", used(), "0.00045"),  # not covered at all: the public price
]


@pytest.mark.parametrize("case", OWN_CASES, ids=lambda case: f"{case.model} {case.tier or ''}")
@pytest.mark.parametrize("owner", [None, "acme"])
def test_a_price_of_ones_own_of_each_kind(owner: str | None, case: Case) -> None:
    # The installation's price of a base name is not that of a snapshot with a public price of its own.
    if owner is None and case.model == "gpt-5-2025-08-07":
        return
    prices = PriceList(ListedPrice(**{**_fields(price), "client_id": owner}) for price in OWN)

    answer = cost(case, prices, client_id="acme")

    assert outcome(answer) == (Decimal(case.usd), case.basis)
    assert case.note in answer.note


def _fields(price: ListedPrice) -> dict[str, Any]:
    return {name: getattr(price, name) for name in ListedPrice.__dataclass_fields__}


def test_a_discount_of_all_models_and_another_of_one() -> None:
    prices = PriceList(
        [listed("*", discount_percent="10", client_id="acme"), listed("gpt-5", discount_percent="30")]
    )
    case = Case("openai", "gpt-5", used(), "")

    # The client's goes before the installation's, whatever it is of.
    assert outcome(cost(case, prices, "acme")) == (Decimal("0.005625"), "priced")
    assert outcome(cost(case, prices)) == (Decimal("0.004375"), "priced")
    answer = cost(case, prices, "acme")
    assert answer.price["list"] == "client"
    assert answer.price["discount_percent"] == "10"
    assert answer.price["of"].startswith("genai-prices ")


def test_a_price_of_a_tier_alone_leaves_others_to_the_next_list() -> None:
    prices = PriceList([listed("gpt-4o", input_usd="1", output_usd="1", service_tier="batch")])

    assert cost(Case("openai", "gpt-4o", used(), ""), prices).price["list"].startswith("genai-prices ")
    assert outcome(cost(Case("openai", "gpt-4o", used(), "", tier="batch"), prices)) == (
        Decimal("0.0015"),
        "priced",
    )


def test_the_price_that_is_kept_with_a_call_says_where_it_is_from() -> None:
    by_list = cost(Case("openai", "gpt-5", used(), "", tier="Batch")).price
    by_rule = cost(Case("anthropic", "claude-opus-4-1", used(), "", tier="batch")).price
    corrected = cost(Case("openai", "gpt-4o-transcribe", used(prompt_audio_tokens=9), "")).price
    own = cost(Case("openai", "gpt-4o", used(20_000), "", tier="batch"), PriceList(OWN)).price

    assert {"list": by_list["list"], "model": "gpt-5", "tier": "batch"} == by_list
    assert (by_rule["tier"], by_rule["rule"]) == ("batch", "0.5 of the standard tier, as published")
    assert corrected["corrected"].startswith(
        "https://developers.openai.com/api/docs/models/gpt-4o-transcribe, "
    )
    assert own == {
        "list": "installation",
        "model": "gpt-4o",
        "tier": "batch",
        "above_prompt_tokens": "10000",
    }


def test_a_discount_has_its_dates() -> None:
    end = datetime(2026, 11, 1, tzinfo=UTC)
    prices = PriceList([listed("gpt-5", discount_percent="20", effective_until=end)])

    assert outcome(cost(Case("openai", "gpt-5", used(), ""), prices)) == (Decimal("0.00625"), "priced")
    before = Case("openai", "gpt-5", used(), "", at=BEFORE_TIERS)
    assert outcome(cost(before, prices)) == (Decimal("0.005"), "priced")


def test_a_free_plan_is_free_of_all() -> None:
    prices = PriceList([ListedPrice(source="groq", model="*")])
    for case in (
        Case("groq", "openai/gpt-oss-120b", used(web_search_count=3, cached_tokens=5), "", tier="batch"),
        Case("groq", "whisper-large-v3", {"seconds": "60"}, ""),
        Case("groq", "playai-tts", {"character_count": 60}, ""),
    ):
        assert outcome(cost(case, prices)) == (Decimal(0), "priced")
