"""What is read from the usage objects of the real packages, and from what looks like them."""

import json
from collections import namedtuple
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType, SimpleNamespace
from typing import Any

import groq.types
import numpy
import openai.types
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from groq.types.chat import ChatCompletionChunk as GroqChunk
from openai.types.audio import Transcription, TranscriptionVerbose
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.create_embedding_response import Usage as EmbeddingsUsage
from openai.types.responses import ResponseUsage

from analytics.calls.row import Facts
from analytics.calls.usage_objects import UsageReading, read_usage
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
RESPONSE_READ = Usage(
    *(1500, 800, 2300, None), {"cached_tokens": 1024, "cache_write_tokens": 0, "reasoning_tokens": 320}
)
# What is told as 0 is known to be 0.
GUIDE_READ = Usage(
    *(150, 80, 230, None),
    dict.fromkeys(("cached_tokens", "prompt_audio_tokens", "reasoning_tokens", "completion_audio_tokens"), 0),
)
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
        (openai.types.CompletionUsage(**llm_wire.CHAT_USAGE), GUIDE_READ),
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
    # OpenAI's usage of no other call has a type.
    facts = Facts(operation="transcription" if hasattr(usage, "type") else None)
    as_read = UsageReading(usage=expected, metadata={}, missing=None, facts=facts)

    assert read_usage(usage) == as_read
    assert read_usage(usage.model_dump()) == as_read
    assert read_usage(usage.model_dump(exclude_none=True)) == as_read


@pytest.mark.parametrize("package", [groq.types.CompletionUsage, openai.types.CompletionUsage, dict])
def test_groqs_times_are_kept_whichever_package_asked(package: Any) -> None:
    usage = package(**llm_wire.GROQ_USAGE)

    assert read_usage(usage) == UsageReading(Usage(150, 80, 230), TIMES, None)


def test_odd_times_are_left_out_and_told() -> None:
    usage = {"total_tokens": 5, "prompt_time": None, "total_time": "0.2", "queue_time": float("nan")}
    usage["completion_time"] = 10**400

    reading = read_usage(usage)

    assert reading.usage == Usage(0, 0, 5)
    assert reading.metadata.keys() == {"usage"}
    assert reading.not_understood == {
        "total_time": "'0.2' cannot be: left out",
        "queue_time": "nan cannot be: left out",
        "completion_time": f"{str(10**400)[:57]}... cannot be: left out",
    }


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (CHAT, CHAT_READ),
        (RESPONSE, RESPONSE_READ),
        (REALTIME, REALTIME_READ),
        ({"prompt_tokens": 150, "completion_tokens": 80}, Usage(150, 80, 230)),
        ({"prompt_tokens": 150, "completion_tokens": 80, "total_tokens": None}, Usage(150, 80, 230)),
        ({"prompt_tokens": 150, "completion_tokens": 80, "total_tokens": 0}, Usage(150, 80, 230)),
        ({"total_tokens": 230}, Usage(0, 0, 230)),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 230}, Usage(0, 0, 230)),
        ({"prompt_tokens": 150, "total_tokens": 230}, Usage(150, 80, 230)),
        ({"completion_tokens": 80, "total_tokens": 230}, Usage(150, 80, 230)),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, Usage()),
        ({"prompt_tokens": 1, "prompt_tokens_details": None}, Usage(1, 0, 1)),
        ({"prompt_tokens": 1, "prompt_tokens_details": {}}, Usage(1, 0, 1)),
        ({"prompt_tokens": 1, "prompt_tokens_details": {"cached_tokens": None}}, Usage(1, 0, 1)),
        ({"prompt_tokens": 150.0, "completion_tokens": Decimal(80)}, Usage(150, 80, 230)),
        ({"prompt_tokens": numpy.int64(150), "completion_tokens": numpy.float64(80)}, Usage(150, 80, 230)),
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
        (
            {"prompt_tokens": 1250, "cache_read_input_tokens": 1000},
            Usage(1250, 0, 1250, None, {"cached_tokens": 1000}),
        ),
    ],
)
def test_dicts(usage: dict[str, Any], expected: Usage) -> None:
    assert read_usage(usage) == UsageReading(expected, {}, None)


class Slotted:
    """An object without a dict of its own."""

    __slots__ = (*CHAT, *CHAT["prompt_tokens_details"], *CHAT["completion_tokens_details"])  # type: ignore[misc]

    def __init__(self, **fields: Any) -> None:
        for name, value in fields.items():
            setattr(self, name, value)


def named_tuple(**fields: Any) -> object:
    return namedtuple("named_tuple", fields)(**fields)  # type: ignore[misc]


@pytest.mark.parametrize(
    "make",
    [
        MappingProxyType,
        lambda fields: SimpleNamespace(**fields),
        lambda fields: Slotted(**fields),
        lambda fields: named_tuple(**fields),
    ],
    ids=["mapping", "attributes", "slots", "named tuple"],
)
def test_whatever_holds_the_fields(make: Any) -> None:
    details = make(CHAT["prompt_tokens_details"]), make(CHAT["completion_tokens_details"])
    usage = make(CHAT | {"prompt_tokens_details": details[0], "completion_tokens_details": details[1]})

    assert read_usage(usage) == UsageReading(CHAT_READ, {}, None)


class Listless:
    """An object that tells what it is asked for only."""

    __slots__ = ()
    prompt_tokens = property(lambda self: 150)
    completion_tokens = property(lambda self: 80)


def test_an_object_that_cannot_list_its_fields() -> None:
    assert read_usage(Listless()) == UsageReading(Usage(150, 80, 230), {}, None)


class Broken:
    """An object that fails when it is asked."""

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        raise ConnectionError


def test_an_object_that_fails_loses_no_call() -> None:
    reading = read_usage(Broken())

    assert reading.not_understood == {"usage": "Broken cannot be read: ConnectionError"}
    assert reading.missing == "the usage cannot be read: Broken cannot be read: ConnectionError"


def test_a_message_of_protobuf() -> None:
    # xAI's SDK has its usage so: docs.x.ai, xai_sdk.proto, SamplingUsage. What is 0 is not sent.
    fields = ("prompt_tokens", "completion_tokens", "reasoning_tokens", "total_tokens", "num_sources_used")
    file = descriptor_pb2.FileDescriptorProto(name="usage.proto", syntax="proto3")
    described = file.message_type.add(name="SamplingUsage")
    for number, name in enumerate(fields, start=1):
        described.field.add(name=name, number=number, type="TYPE_INT32", label="LABEL_OPTIONAL")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName("SamplingUsage"))

    usage = kind(prompt_tokens=32, completion_tokens=9, reasoning_tokens=321, total_tokens=362)

    assert read_usage(usage, "xai") == UsageReading(
        Usage(32, 330, 362, None, {"reasoning_tokens": 321}), {}, None
    )


def test_parts_are_never_counted_twice() -> None:
    usage = read_usage(CHAT).usage

    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert set(usage.details) < set(DETAILS)
    assert set(read_usage(REALTIME).usage.details) < set(DETAILS)


def test_our_own_usage_is_taken_as_it_is() -> None:
    usage = Usage(1500, 800, 2300, Decimal("1.5"), {"cached_tokens": 1024})

    assert read_usage(usage) == UsageReading(usage, {}, None)
    assert read_usage(Usage(150, 80)).usage.total_tokens == 230
    assert read_usage(Usage(total_tokens=1500)) == UsageReading(Usage(total_tokens=1500), {}, None)


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
UNKNOWN = "no field of the usage can be read: "
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
        (openai.types.CompletionUsage.construct(), NO_COUNTS),
        # A part of nothing is nothing known, and no $0.
        ({"prompt_tokens": None, "prompt_tokens_details": {"cached_tokens": 0}}, NO_COUNTS),
    ],
)
def test_nothing_to_read(usage: object, reason: str) -> None:
    reading = read_usage(usage)

    assert (reading.usage, reading.metadata, reading.missing) == (Usage(), {}, reason)
    assert not reading.not_understood


@pytest.mark.parametrize(
    ("usage", "kept", "reason", "not_understood"),
    [
        (
            {"tokens_in": 12, "tokens_out": 5, "cost_eur": None},
            {"tokens_in": 12, "tokens_out": 5},
            f"{UNKNOWN}tokens_in (not known), tokens_out (not known)",
            {"tokens_in": "not known", "tokens_out": "not known"},
        ),
        (
            {"prompt_tokens": -1, "prompt_tokens_details": {"cached_tokens": 0}},
            {"prompt_tokens": -1, "prompt_tokens_details": {"cached_tokens": 0}},
            f"{UNKNOWN}prompt_tokens (-1 cannot be: left out)",
            {"prompt_tokens": "-1 cannot be: left out"},
        ),
        (
            {"prompt_tokens": -1},
            {"prompt_tokens": -1},
            f"{UNKNOWN}prompt_tokens (-1 cannot be: left out)",
            {"prompt_tokens": "-1 cannot be: left out"},
        ),
        (
            "230 tokens",
            "230 tokens",
            "the usage is no object",
            {"usage": "'230 tokens' is no object with fields"},
        ),
        (230, 230, "the usage is no object", {"usage": "230 is no object with fields"}),
        (
            {"usage": "230 tokens"},
            "230 tokens",
            f"{UNKNOWN}usage ('230 tokens' is no object with fields)",
            {"usage": "'230 tokens' is no object with fields"},
        ),
    ],
)
def test_an_object_of_which_no_field_is_known(
    usage: object, kept: object, reason: str, not_understood: Mapping[str, str]
) -> None:
    reading = read_usage(usage)

    assert (reading.usage, reading.missing, reading.not_understood) == (Usage(), reason, not_understood)
    assert reading.metadata == {"usage": kept}


def test_usage_within_itself() -> None:
    usage: dict[str, Any] = {}
    usage["usage"] = usage

    assert read_usage(usage).missing == f"{UNKNOWN}usage (not known)"


@pytest.mark.parametrize(
    ("usage", "expected", "not_understood"),
    [
        (
            {"prompt_tokens": -1, "completion_tokens": 5},
            Usage(0, 5, 5),
            {"prompt_tokens": "-1 cannot be: left out"},
        ),
        (
            {"input_tokens": 5, "output_tokens": True},
            Usage(5, 0, 5),
            {"output_tokens": "True cannot be: left out"},
        ),
        (
            {"prompt_tokens": 150, "completion_tokens": 10**12 + 1},
            Usage(150, 0, 150),
            {"completion_tokens": "1000000000001 cannot be: left out"},
        ),
        (
            {"prompt_tokens": 150, "total_tokens": "230"},
            Usage(150, 80, 230),
            {"total_tokens": "'230' is a text: read as 230"},
        ),
        (
            {"prompt_tokens": "150", "completion_tokens": " 80 "},
            Usage(150, 80, 230),
            {
                "prompt_tokens": "'150' is a text: read as 150",
                "completion_tokens": "' 80 ' is a text: read as 80",
            },
        ),
        (
            {"prompt_tokens": 150, "completion_tokens": 80, "total_tokens": 230.5},
            Usage(150, 80, 230),
            {"total_tokens": "230.5 cannot be: left out"},
        ),
        (
            {"prompt_tokens": 150, "completion_tokens": float("nan")},
            Usage(150, 0, 150),
            {"completion_tokens": "nan cannot be: left out"},
        ),
        (
            {"prompt_tokens": 150, "completion_tokens": float("inf")},
            Usage(150, 0, 150),
            {"completion_tokens": "inf cannot be: left out"},
        ),
        (
            {"prompt_tokens": [1], "completion_tokens": 80},
            Usage(0, 80, 80),
            {"prompt_tokens": "not known"},
        ),
        (
            {"prompt_tokens": 10**12, "completion_tokens": 1},
            Usage(10**12, 0, 10**12),
            {"completion_tokens": "1 with the prompt 1000000000001, more than is stored: left out"},
        ),
        (
            {"prompt_tokens": 1, "prompt_tokens_details": {"cached_tokens": -5}},
            Usage(1, 0, 1),
            {"prompt_tokens_details.cached_tokens": "-5 cannot be: left out"},
        ),
        (
            {"prompt_tokens": 1, "prompt_tokens_details": "none"},
            Usage(1, 0, 1),
            {"prompt_tokens_details": "not known"},
        ),
        (
            {"output_tokens": 1, "output_tokens_details": {"reasoning_tokens": True}},
            Usage(0, 1, 1),
            {"output_tokens_details.reasoning_tokens": "True cannot be: left out"},
        ),
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 11}},
            Usage(10, 5, 15),
            {"prompt_tokens_details.cached_tokens": "11 exceeds prompt_tokens, 10: left out"},
        ),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 80, "cache_write_tokens": 30},
            },
            Usage(100, 5, 105, None, {"cached_tokens": 80}),
            {
                "prompt_tokens_details.cache_write_tokens": (
                    "30 has no room beside the others in prompt_tokens, 100: left out"
                )
            },
        ),
        (
            openai.types.CompletionUsage.construct(prompt_tokens="9"),
            Usage(9, 0, 9),
            {"prompt_tokens": "'9' is a text: read as 9"},
        ),
        (
            Usage(prompt_tokens=-1, completion_tokens=4),
            Usage(0, 4, 4),
            {"prompt_tokens": "-1 cannot be: left out"},
        ),
        (
            Usage(prompt_tokens=3, details={"cached_tokens": -1}),
            Usage(3, 0, 3),
            {"cached_tokens": "-1 cannot be: left out"},
        ),
        (
            {"prompt_tokens": 1, "seconds": -1},
            Usage(1, 0, 1),
            {"seconds": "-1 cannot be: left out"},
        ),
        (
            {"seconds": "30"},
            Usage(duration_seconds=Decimal(30)),
            {"seconds": "'30' is a text: read as 30"},
        ),
        (
            Usage(prompt_tokens=1, duration_seconds=Decimal("NaN")),
            Usage(1, 0, 1),
            {"duration_seconds": "NaN cannot be: left out"},
        ),
        # Some providers count more into the total than the two: tokens that somebody billed.
        (
            {"prompt_tokens": 150, "completion_tokens": 80, "total_tokens": 400},
            Usage(150, 250, 400),
            {"total_tokens": "400 is more than its parts, 230: 170 counted as completion"},
        ),
        (
            {"prompt_tokens": 150, "completion_tokens": 80, "total_tokens": 200},
            Usage(150, 80, 230),
            {"total_tokens": "200 is less than its parts, 230: left out"},
        ),
        # The last event of a stream of Anthropic's: nobody said what was asked.
        ({"output_tokens": 80}, Usage(0, 80, 80), {"prompt": "not told: its cost is missing"}),
    ],
)
def test_what_cannot_be_is_left_out_or_read_and_told(
    usage: object, expected: Usage, not_understood: Mapping[str, str]
) -> None:
    reading = read_usage(usage)

    assert reading.usage == expected
    assert reading.missing is None
    assert reading.not_understood == not_understood
    assert "usage" in reading.metadata


def test_what_is_told_and_kept_stays_short() -> None:
    unknown = {f"field {number}" * 50: "9" * 1_000 for number in range(1_000)}

    reading = read_usage({"prompt_tokens": "9" * 100_000, "total_tokens": 5, **unknown})

    assert reading.usage == Usage(0, 0, 5)
    assert len(reading.not_understood["prompt_tokens"]) < 100
    assert len(json.dumps(dict(reading.not_understood))) < 10_000
    assert len(json.dumps(reading.metadata)) < 10_000
