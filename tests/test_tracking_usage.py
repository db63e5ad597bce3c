"""What is read from the usage objects of the real packages, and from what looks like them."""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType, SimpleNamespace
from typing import Any

import groq.types
import openai.types
import pytest
from groq.types.chat import ChatCompletionChunk as GroqChunk
from openai.types.audio import Transcription, TranscriptionVerbose
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.create_embedding_response import Usage as EmbeddingsUsage
from openai.types.responses import ResponseUsage

from analytics.calls.usage_objects import UsageReading, read_usage
from analytics.errors import InvalidInput
from analytics.pricing.price_list import DETAILS, Usage
from tests import llm_wire

CHAT = {
    "prompt_tokens": 1500,
    "completion_tokens": 800,
    "total_tokens": 2300,
    "prompt_tokens_details": {
        "cached_tokens": 1024,
        "cache_write_tokens": 200,
        "audio_tokens": 30,
        "image_tokens": 20,
        "text_tokens": 1450,
    },
    "completion_tokens_details": {
        "reasoning_tokens": 320,
        "audio_tokens": 40,
        "accepted_prediction_tokens": 7,
        "rejected_prediction_tokens": 9,
    },
}
CHAT_READ = Usage(
    prompt_tokens=1500,
    completion_tokens=800,
    total_tokens=2300,
    details={
        "cached_tokens": 1024,
        "cache_write_tokens": 200,
        "prompt_audio_tokens": 30,
        "prompt_image_tokens": 20,
        "reasoning_tokens": 320,
        "completion_audio_tokens": 40,
    },
)
RESPONSE = {
    "input_tokens": 1500,
    "output_tokens": 800,
    "total_tokens": 2300,
    "input_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 0},
    "output_tokens_details": {"reasoning_tokens": 320},
}
RESPONSE_READ = Usage(1500, 800, 2300, None, {"cached_tokens": 1024, "reasoning_tokens": 320})
REALTIME = {
    "input_tokens": 300,
    "output_tokens": 90,
    "total_tokens": 390,
    "input_token_details": {
        "audio_tokens": 250,
        "cached_tokens": 120,
        "text_tokens": 50,
        "cached_tokens_details": {"audio_tokens": 100, "text_tokens": 20},
    },
    "output_token_details": {"audio_tokens": 70, "text_tokens": 20},
}
REALTIME_READ = Usage(
    *(300, 90, 390, None),
    {
        "cached_tokens": 120,
        "prompt_audio_tokens": 250,
        "cached_audio_tokens": 100,
        "completion_audio_tokens": 70,
    },
)
AUDIO_READ = Usage(300, 40, 340, None, {"prompt_audio_tokens": 290})
DURATION_READ = Usage(duration_seconds=Decimal("30.0"))
TIMES = {"prompt_time": 0.002, "completion_time": 0.25, "total_time": 0.252, "queue_time": 0.011}


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (openai.types.CompletionUsage(**CHAT), CHAT_READ),
        (openai.types.CompletionUsage.construct(**CHAT), CHAT_READ),
        (openai.types.CompletionUsage(**llm_wire.CHAT_USAGE), Usage(150, 80, 230)),
        (
            openai.types.CompletionUsage(prompt_tokens=150, completion_tokens=80, total_tokens=230),
            Usage(150, 80, 230),
        ),
        (ResponseUsage(**RESPONSE), RESPONSE_READ),
        (EmbeddingsUsage(prompt_tokens=8, total_tokens=8), Usage(8, 0, 8)),
        (Transcription(text="", usage=llm_wire.AUDIO_TOKENS_USAGE).usage, AUDIO_READ),
        (Transcription(text="", usage=llm_wire.DURATION_USAGE).usage, DURATION_READ),
        (
            groq.types.CompletionUsage(
                prompt_tokens=150,
                completion_tokens=80,
                total_tokens=230,
                prompt_tokens_details={"cached_tokens": 100},
                completion_tokens_details={"reasoning_tokens": 50},
            ),
            Usage(150, 80, 230, None, {"cached_tokens": 100, "reasoning_tokens": 50}),
        ),
    ],
    ids=lambda value: None if isinstance(value, Usage) else type(value).__name__,
)
def test_usage_objects_of_the_packages(usage: Any, expected: Usage) -> None:
    as_read = UsageReading(usage=expected, metadata={}, missing=None)

    assert read_usage(usage) == as_read
    assert read_usage(usage.model_dump()) == as_read
    assert read_usage(usage.model_dump(exclude_none=True)) == as_read


@pytest.mark.parametrize("package", [groq.types.CompletionUsage, openai.types.CompletionUsage, dict])
def test_groqs_times_are_kept_whichever_package_asked(package: Any) -> None:
    usage = package(**llm_wire.GROQ_USAGE)

    assert read_usage(usage) == UsageReading(Usage(150, 80, 230), TIMES, None)


def test_odd_times_are_left_out() -> None:
    usage = {"total_tokens": 5, "prompt_time": None, "total_time": "0.2", "queue_time": float("nan")}
    usage["completion_time"] = 10**400

    assert read_usage(usage) == UsageReading(Usage(0, 0, 5), {}, None)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (CHAT, CHAT_READ),
        (RESPONSE, RESPONSE_READ),
        (REALTIME, REALTIME_READ),
        ({"prompt_tokens": 150, "completion_tokens": 80}, Usage(150, 80, 230)),
        ({"prompt_tokens": 150, "completion_tokens": 80, "total_tokens": None}, Usage(150, 80, 230)),
        ({"prompt_tokens": 150, "completion_tokens": 80, "total_tokens": 0}, Usage(150, 80, 230)),
        # Some providers count more into the total than the two; it is kept as told.
        ({"prompt_tokens": 150, "completion_tokens": 80, "total_tokens": 400}, Usage(150, 80, 400)),
        ({"total_tokens": 230}, Usage(0, 0, 230)),
        ({"prompt_tokens": 150, "total_tokens": 230}, Usage(150, 80, 230)),
        ({"completion_tokens": 80, "total_tokens": 230}, Usage(150, 80, 230)),
        ({"completion_tokens": 80}, Usage(0, 80, 80)),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, Usage()),
        ({"prompt_tokens": 1, "prompt_tokens_details": None}, Usage(1, 0, 1)),
        ({"prompt_tokens": 1, "prompt_tokens_details": {}}, Usage(1, 0, 1)),
        ({"prompt_tokens": 1, "prompt_tokens_details": {"cached_tokens": None}}, Usage(1, 0, 1)),
        ({"prompt_tokens": 1, "prompt_tokens_details": "none"}, Usage(1, 0, 1)),
        ({"prompt_tokens": 150.0, "completion_tokens": Decimal(80)}, Usage(150, 80, 230)),
        ({"prompt_tokens": 10**12}, Usage(10**12, 0, 10**12)),
        ({"seconds": 0.1}, Usage(duration_seconds=Decimal("0.1"))),
        ({"seconds": 0}, Usage(duration_seconds=Decimal(0))),
        # Anthropic's input_tokens are those that no cache had a part in.
        (
            {
                "input_tokens": 50,
                "output_tokens": 20,
                "cache_read_input_tokens": 1000,
                "cache_creation_input_tokens": 200,
            },
            Usage(1250, 20, 1270, None, {"cached_tokens": 1000, "cache_write_tokens": 200}),
        ),
        # Others tell the same fields beside a prompt_tokens that has them in it.
        ({"prompt_tokens": 1250, "cache_read_input_tokens": 1000}, Usage(1250, 0, 1250)),
    ],
)
def test_dicts(usage: dict[str, Any], expected: Usage) -> None:
    assert read_usage(usage) == UsageReading(expected, {}, None)


@pytest.mark.parametrize("make", [MappingProxyType, lambda fields: SimpleNamespace(**fields)])
def test_whatever_holds_the_fields(make: Any) -> None:
    details = make(CHAT["prompt_tokens_details"]), make(CHAT["completion_tokens_details"])
    usage = make(CHAT | {"prompt_tokens_details": details[0], "completion_tokens_details": details[1]})

    assert read_usage(usage) == UsageReading(CHAT_READ, {}, None)


def test_parts_are_never_counted_twice() -> None:
    usage = read_usage(CHAT).usage

    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert set(usage.details) < set(DETAILS)
    assert set(read_usage(REALTIME).usage.details) < set(DETAILS)


def test_our_own_usage_is_taken_as_it_is() -> None:
    usage = Usage(1500, 800, 2300, Decimal("1.5"), {"cached_tokens": 1024})

    assert read_usage(usage) == UsageReading(usage, {}, None)
    assert read_usage(Usage(150, 80)).usage.total_tokens == 230


def chat_completion(usage: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [], "usage": usage}


@pytest.mark.parametrize(
    "response",
    [
        chat_completion(CHAT),
        ChatCompletion(**chat_completion(CHAT)),
        ChatCompletionChunk(**chat_completion(CHAT) | {"object": "chat.completion.chunk"}),
        GroqChunk(**chat_completion(None) | {"object": "chat.completion.chunk", "x_groq": {"usage": CHAT}}),
        {"x_groq": {"usage": CHAT}},
    ],
    ids=["dict", "completion", "last chunk", "Groq's last chunk", "Groq's last chunk as a dict"],
)
def test_a_whole_response_will_do(response: object) -> None:
    usage = read_usage(response).usage

    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (1500, 800, 2300)
    assert usage.details["cached_tokens"] == 1024


def test_a_verbose_transcription_will_do() -> None:
    response = TranscriptionVerbose(
        duration=30.2, language="english", text="", usage={"type": "duration", "seconds": 31.0}
    )

    assert read_usage(response).usage == Usage(duration_seconds=Decimal("31.0"))


NO_USAGE = "the response has no usage"
NO_COUNTS = "the usage has neither token counts nor seconds"


@pytest.mark.parametrize(
    ("usage", "reason"),
    [
        (None, NO_USAGE),
        (ChatCompletion(**chat_completion(None)), NO_USAGE),
        ({"usage": None}, NO_USAGE),
        ({"usage": {}}, NO_USAGE),
        ({"x_groq": {"id": "req_1"}}, NO_USAGE),
        ({}, NO_COUNTS),
        ({"prompt_tokens": None, "completion_tokens": None, "total_tokens": None}, NO_COUNTS),
        ({"prompt_token_count": 12}, NO_COUNTS),
        (openai.types.CompletionUsage.construct(), NO_COUNTS),
        ("230 tokens", NO_COUNTS),
        (230, NO_COUNTS),
    ],
)
def test_nothing_to_read(usage: object, reason: str) -> None:
    assert read_usage(usage) == UsageReading(Usage(), {}, reason)


def test_usage_within_itself() -> None:
    usage: dict[str, Any] = {}
    usage["usage"] = usage

    assert read_usage(usage).missing == NO_USAGE


TOKENS_MUST_BE = "must be a whole number between 0 and 1,000,000,000,000"


@pytest.mark.parametrize(
    ("usage", "message"),
    [
        ({"prompt_tokens": -1}, f"prompt_tokens {TOKENS_MUST_BE}, not -1"),
        ({"input_tokens": -1}, f"input_tokens {TOKENS_MUST_BE}, not -1"),
        ({"completion_tokens": 10**12 + 1}, f"completion_tokens {TOKENS_MUST_BE}, not 1000000000001"),
        ({"output_tokens": True}, f"output_tokens {TOKENS_MUST_BE}, not True"),
        ({"total_tokens": "230"}, f"total_tokens {TOKENS_MUST_BE}, not '230'"),
        ({"total_tokens": 230.5}, f"total_tokens {TOKENS_MUST_BE}, not 230.5"),
        ({"total_tokens": float("nan")}, f"total_tokens {TOKENS_MUST_BE}, not nan"),
        ({"total_tokens": float("inf")}, f"total_tokens {TOKENS_MUST_BE}, not inf"),
        ({"prompt_tokens": [1]}, f"prompt_tokens {TOKENS_MUST_BE}, not [1]"),
        (
            {"prompt_tokens": 10**12, "completion_tokens": 1},
            f"total_tokens {TOKENS_MUST_BE}, not 1000000000001",
        ),
        (
            {"prompt_tokens": 1, "prompt_tokens_details": {"cached_tokens": -5}},
            f"cached_tokens {TOKENS_MUST_BE}, not -5",
        ),
        (
            {"output_tokens": 1, "output_tokens_details": {"reasoning_tokens": True}},
            f"reasoning_tokens {TOKENS_MUST_BE}, not True",
        ),
        (
            openai.types.CompletionUsage.construct(prompt_tokens="9"),
            f"prompt_tokens {TOKENS_MUST_BE}, not '9'",
        ),
        (Usage(prompt_tokens=-1), f"prompt_tokens {TOKENS_MUST_BE}, not -1"),
        (Usage(details={"cached_tokens": -1}), f"cached_tokens {TOKENS_MUST_BE}, not -1"),
        ({"seconds": -1}, "seconds must be between 0 and 1,000,000,000, not -1"),
        ({"seconds": "30"}, "seconds must be a number, not the text '30'"),
        ({"seconds": float("inf")}, "seconds must be between 0 and 1,000,000,000, not inf"),
        (
            Usage(duration_seconds=Decimal("NaN")),
            "duration_seconds must be between 0 and 1,000,000,000, not NaN",
        ),
    ],
)
def test_what_cannot_be(usage: object, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        read_usage(usage)

    assert str(raised.value) == message


def test_a_message_stays_short() -> None:
    with pytest.raises(InvalidInput) as raised:
        read_usage({"prompt_tokens": "9" * 100_000})

    assert len(str(raised.value)) < 200
