"""OpenAI's chat completions, responses, embeddings, images, audio and realtime.

Prices: https://platform.openai.com/docs/pricing. A prompt has its cached tokens in it, and a completion its
reasoning: openai.types.CompletionUsage, openai.types.responses.ResponseUsage.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from analytics.calls.row import Facts
from analytics.pricing.price_list import Usage
from tests.usage_objects.case import Case, Make, tokens, usd

NO_PARTS = {"cached_tokens": 0, "prompt_audio_tokens": 0, "reasoning_tokens": 0, "completion_audio_tokens": 0}


def chat_usage(
    prompt: int,
    completion: int,
    of_prompt: Any = None,
    of_completion: Any = None,
    *,
    total: int | None = None,
    **more: Any,
) -> Make:
    def make() -> object:
        from openai.types import CompletionUsage

        return CompletionUsage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=prompt + completion if total is None else total,
            prompt_tokens_details=of_prompt,
            completion_tokens_details=of_completion,
            **more,
        )

    return make


def of(path: str, name: str, fields: Mapping[str, Any]) -> Make:
    """An object of a class of OpenAI's package."""

    def make() -> object:
        from importlib import import_module

        made: object = getattr(import_module(f"openai.types.{path}"), name).model_validate(fields)
        return made

    return make


def plain(fields: object) -> Make:
    return lambda: fields


RESPONSES = {
    "input_tokens": 1500,
    "input_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 0},
    "output_tokens": 800,
    "output_tokens_details": {"reasoning_tokens": 320},
    "total_tokens": 2300,
}
RESPONSES_READ = tokens(1500, 800, cached_tokens=1024, cache_write_tokens=0, reasoning_tokens=320)
# gpt-5: $1.25, cached $0.125, output $10
RESPONSES_USD = usd((476, "1.25"), (1024, "0.125"), (800, "10"))
REALTIME = {
    "total_tokens": 390,
    "input_tokens": 300,
    "output_tokens": 90,
    "input_token_details": {
        "text_tokens": 50,
        "audio_tokens": 250,
        "image_tokens": 0,
        "cached_tokens": 120,
        "cached_tokens_details": {"text_tokens": 20, "audio_tokens": 100, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 20, "audio_tokens": 70},
}
REALTIME_READ = tokens(
    300,
    90,
    cached_tokens=120,
    prompt_audio_tokens=250,
    cached_audio_tokens=100,
    completion_audio_tokens=70,
    prompt_image_tokens=0,
    cached_image_tokens=0,
)
# gpt-realtime: text $4, cached $0.40, output $16; audio $32, cached $0.40, output $64
REALTIME_USD = usd((30, "4"), (20, "0.4"), (150, "32"), (100, "0.4"), (20, "16"), (70, "64"))
# No audio was cached: told as 0, so the price is known.
REALTIME_TEXT = {
    "total_tokens": 120,
    "input_tokens": 100,
    "output_tokens": 20,
    "input_token_details": {
        "text_tokens": 100,
        "audio_tokens": 0,
        "cached_tokens": 64,
        "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 0},
    },
    "output_token_details": {"text_tokens": 20, "audio_tokens": 0},
}
IMAGE = {
    "input_tokens": 250,
    "input_tokens_details": {"text_tokens": 50, "image_tokens": 200},
    "output_tokens": 1056,
    "output_tokens_details": {"text_tokens": 0, "image_tokens": 1056},
    "total_tokens": 1306,
}
IMAGE_READ = tokens(250, 1056, prompt_image_tokens=200, completion_image_tokens=1056)
# gpt-image-1: text $5, pictures $10, output $40
IMAGE_USD = usd((50, "5"), (200, "10"), (1056, "40"))
SPOKEN = {
    "type": "tokens",
    "input_tokens": 300,
    "input_token_details": {"audio_tokens": 290, "text_tokens": 10},
    "output_tokens": 40,
    "total_tokens": 340,
}
SPOKEN_READ = tokens(300, 40, prompt_audio_tokens=290)
# gpt-4o-transcribe: $2.50, also for audio; output $10
SPOKEN_USD = usd((300, "2.5"), (40, "10"))
MINUTE = Usage(duration_seconds=Decimal("60.0"))

_USAGES = (
    ("the guide's example", chat_usage(150, 80), tokens(150, 80), "gpt-4o", usd((150, "2.5"), (80, "10"))),
    (
        "zeros are known",
        chat_usage(
            150, 80, {"cached_tokens": 0, "audio_tokens": 0}, {"reasoning_tokens": 0, "audio_tokens": 0}
        ),
        tokens(150, 80, **NO_PARTS),
        "gpt-4o",
        usd((150, "2.5"), (80, "10")),
    ),
    (
        "cached and reasoning",
        chat_usage(1500, 800, {"cached_tokens": 1024}, {"reasoning_tokens": 320}),
        tokens(1500, 800, cached_tokens=1024, reasoning_tokens=320),
        "gpt-5",
        RESPONSES_USD,
    ),
    (
        "rejected predictions are completion",
        chat_usage(100, 80, None, {"accepted_prediction_tokens": 30, "rejected_prediction_tokens": 20}),
        tokens(100, 80),
        "gpt-4o",
        usd((100, "2.5"), (80, "10")),
    ),
    (
        "spoken chat",  # gpt-4o-audio-preview: text $2.50 and $10, audio $40 and $80
        chat_usage(
            300, 90, {"audio_tokens": 250, "cached_tokens": 0}, {"audio_tokens": 70, "text_tokens": 20}
        ),
        tokens(300, 90, cached_tokens=0, prompt_audio_tokens=250, completion_audio_tokens=70),
        "gpt-4o-audio-preview",
        usd((50, "2.5"), (250, "40"), (20, "10"), (70, "80")),
    ),
    (
        "a search model",  # each call is a search at $25 per 1,000
        chat_usage(100, 80),
        tokens(100, 80, web_search_count=1),
        "gpt-4o-search-preview",
        usd((100, "2.5"), (80, "10"), fees="0.025"),
    ),
    (
        "embeddings",
        of("create_embedding_response", "Usage", {"prompt_tokens": 8, "total_tokens": 8}),
        tokens(8, 0),
        "text-embedding-3-small",
        usd((8, "0.02")),
    ),
    ("responses", of("responses", "ResponseUsage", RESPONSES), RESPONSES_READ, "gpt-5", RESPONSES_USD),
    (
        "responses as a dict without details",
        plain({"input_tokens": 150, "output_tokens": 80, "total_tokens": 230}),
        tokens(150, 80),
        "gpt-4.1",
        usd((150, "2"), (80, "8")),
    ),
    (
        "realtime",
        of("realtime", "RealtimeResponseUsage", REALTIME),
        REALTIME_READ,
        "gpt-realtime",
        REALTIME_USD,
    ),
    (
        "realtime without audio",
        of("realtime", "RealtimeResponseUsage", REALTIME_TEXT),
        tokens(
            100,
            20,
            cached_tokens=64,
            prompt_audio_tokens=0,
            cached_audio_tokens=0,
            completion_audio_tokens=0,
        ),
        "gpt-realtime",
        usd((36, "4"), (64, "0.4"), (20, "16")),
    ),
    ("a picture", of("images_response", "Usage", IMAGE), IMAGE_READ, "gpt-image-1", IMAGE_USD),
    (
        "a batch",
        of("batch_usage", "BatchUsage", RESPONSES),
        tokens(1500, 800, cached_tokens=1024, cache_write_tokens=0, reasoning_tokens=320),
        "gpt-5",
        RESPONSES_USD,
    ),
    (
        "a text completion without completion_tokens",
        plain({"prompt_tokens": 150, "total_tokens": 230}),
        tokens(150, 80),
        "gpt-4o",
        usd((150, "2.5"), (80, "10")),
    ),
    (
        "speech, the last event of its stream",
        plain({"input_tokens": 10, "output_tokens": 200, "total_tokens": 210}),
        tokens(10, 200),
        "gpt-4o",
        usd((10, "2.5"), (200, "10")),
    ),
    ("transcription by tokens", plain(SPOKEN), SPOKEN_READ, "gpt-4o-transcribe", SPOKEN_USD),
    (
        "transcription by duration",
        of("audio.transcription", "UsageDuration", {"type": "duration", "seconds": 60.0}),
        MINUTE,
        "whisper-1",
        Decimal("0.006"),
    ),
    (
        "a live session",
        of("live", "SessionUsage", {"seconds": 60.0, "active_seconds": 40, "paused_seconds": 0}),
        MINUTE,
        "whisper-1",
        Decimal("0.006"),
    ),
)

CASES = tuple(
    Case(
        name=f"openai: {name}",
        make=make,
        source="openai",
        model=model,
        usage=usage,
        # The usage of no other call has a type.
        facts=Facts(operation="transcription" if name.startswith("transcription") else None),
        usd=amount,
    )
    for name, make, usage, model, amount in _USAGES
)
