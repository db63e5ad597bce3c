"""OpenAI's chat completions, responses, embeddings, images, audio and realtime.

Prices: https://platform.openai.com/docs/pricing. A prompt has its cached tokens in it, and a completion its
reasoning: openai.types.CompletionUsage, openai.types.responses.ResponseUsage.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from analytics.calls.row import Facts
from analytics.pricing.price_list import Usage
from tests import llm_wire
from tests.usage_objects.case import Case, Make, tokens, usd

NO_PARTS = {"cached_tokens": 0, "prompt_audio_tokens": 0, "reasoning_tokens": 0, "completion_audio_tokens": 0}
CHAT_FACTS = Facts(response_id="chatcmpl-1", operation="chat", outcome="ok", service_tier="default")
RESPONSE_FACTS = Facts(response_id="resp_1", operation="chat", outcome="ok", service_tier="default")


def chat_usage(
    prompt: int, completion: int, of_prompt: Any = None, of_completion: Any = None, **more: Any
) -> Make:
    def make() -> object:
        from openai.types import CompletionUsage

        return CompletionUsage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=more.pop("total", prompt + completion),
            prompt_tokens_details=of_prompt,
            completion_tokens_details=of_completion,
            **more,
        )

    return make


def chat(
    usage: Mapping[str, Any] | None, *, finish: str = "stop", model: str = "gpt-4o", **more: Any
) -> Make:
    def make() -> object:
        from openai.types.chat import ChatCompletion

        message = {"role": "assistant", "content": "Paid."} | more.pop("message", {})
        choice = {"index": 0, "finish_reason": finish, "message": message, "logprobs": None}
        return ChatCompletion.model_validate(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": llm_wire.CREATED,
                "model": model,
                "choices": [choice],
                "service_tier": "default",
                "usage": usage,
            }
            | more
        )

    return make


def response(usage: Mapping[str, Any] | None, *, model: str = "gpt-5", **more: Any) -> Make:
    def make() -> object:
        from openai.types.responses import Response

        return Response.model_validate(
            {
                "id": "resp_1",
                "object": "response",
                "created_at": llm_wire.CREATED,
                "model": model,
                "status": "completed",
                "output": [],
                "parallel_tool_calls": True,
                "tool_choice": "auto",
                "tools": [],
                "service_tier": "default",
                "usage": usage,
            }
            | more
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
TEXT = {"type": "output_text", "text": "Paid.", "annotations": []}
MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [TEXT]}
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
QUERY = {"type": "search", "query": "the invoice"}
OPENED = {"type": "open_page", "url": "https://example.com"}
FILE_SEARCH = {"type": "file_search_call", "id": "fs_1", "status": "completed", "queries": ["invoice"]}
CODE = {
    "type": "code_interpreter_call",
    "id": "ci_1",
    "status": "completed",
    "container_id": "c",
    "code": "1",
}
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

_RESPONSES = (
    ("chat", chat(llm_wire.CHAT_USAGE), tokens(150, 80, **NO_PARTS), CHAT_FACTS),
    (
        "cut by its length",
        chat(llm_wire.CHAT_USAGE, finish="length"),
        tokens(150, 80, **NO_PARTS),
        CHAT_FACTS,
    ),
    ("tools", chat(llm_wire.CHAT_USAGE, finish="tool_calls"), tokens(150, 80, **NO_PARTS), CHAT_FACTS),
    (
        "filtered",
        chat(llm_wire.CHAT_USAGE, finish="content_filter"),
        tokens(150, 80, **NO_PARTS),
        CHAT_FACTS._replace(outcome="refused"),
    ),
    (
        "refused",
        chat(llm_wire.CHAT_USAGE, message={"refusal": "I can't.", "content": None}),
        tokens(150, 80, **NO_PARTS),
        CHAT_FACTS._replace(outcome="refused"),
    ),
    (
        "flex",
        chat(llm_wire.CHAT_USAGE, service_tier="flex"),
        tokens(150, 80, **NO_PARTS),
        CHAT_FACTS._replace(service_tier="flex"),
    ),
    (
        "a chat of a search model",
        chat(llm_wire.CHAT_USAGE, model="gpt-4o-search-preview"),
        tokens(150, 80, web_search_count=1, **NO_PARTS),
        CHAT_FACTS,
    ),
    ("responses, whole", response(RESPONSES, output=[MESSAGE]), RESPONSES_READ, RESPONSE_FACTS),
    (
        "a web search; pages that were opened cost nothing",
        response(RESPONSES, output=[SEARCH | {"action": QUERY}, SEARCH | {"action": OPENED}, MESSAGE]),
        RESPONSES_READ._replace(details={"web_search_count": 1, **RESPONSES_READ.details}),
        RESPONSE_FACTS,
    ),
    (
        "a search that failed",
        response(RESPONSES, output=[SEARCH | {"action": QUERY, "status": "failed"}, MESSAGE]),
        RESPONSES_READ,
        RESPONSE_FACTS,
    ),
    (
        "searches of files and code",
        response(RESPONSES, output=[FILE_SEARCH, FILE_SEARCH, CODE, MESSAGE]),
        RESPONSES_READ._replace(
            details={"file_search_count": 2, "code_run_count": 1, **RESPONSES_READ.details}
        ),
        RESPONSE_FACTS,
    ),
    (
        "the provider's own count of searches",
        plain(
            {
                "id": "resp_1",
                "object": "response",
                "status": "completed",
                "model": "gpt-5",
                "service_tier": "default",
                "output": [SEARCH, SEARCH],
                "tool_usage": {"web_search": {"num_requests": 1}, "image_gen": {"total_tokens": 0}},
                "usage": RESPONSES,
            }
        ),
        RESPONSES_READ._replace(details={"web_search_count": 1, **RESPONSES_READ.details}),
        RESPONSE_FACTS,
    ),
    (
        "failed",
        response(None, status="failed", error={"code": "server_error", "message": "Oops."}),
        Usage(),
        RESPONSE_FACTS._replace(outcome="error"),
    ),
    (
        "incomplete by its length",
        response(RESPONSES, status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
        RESPONSES_READ,
        RESPONSE_FACTS,
    ),
    (
        "incomplete by a filter",
        response(RESPONSES, status="incomplete", incomplete_details={"reason": "content_filter"}),
        RESPONSES_READ,
        RESPONSE_FACTS._replace(outcome="refused"),
    ),
    (
        "cancelled",
        response(RESPONSES, status="cancelled"),
        RESPONSES_READ,
        RESPONSE_FACTS._replace(outcome="cut"),
    ),
    (
        "the last event of a stream",
        lambda: {"type": "response.completed", "sequence_number": 9, "response": response(RESPONSES)()},
        RESPONSES_READ,
        RESPONSE_FACTS,
    ),
    (
        "a line of a batch",
        plain(
            {
                "id": "batch_req_1",
                "custom_id": "invoice 17",
                "response": {
                    "status_code": 200,
                    "request_id": "req_1",
                    "body": {"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o"}
                    | {"choices": [{"finish_reason": "stop"}], "usage": llm_wire.CHAT_USAGE},
                },
                "error": None,
            }
        ),
        tokens(150, 80, **NO_PARTS),
        Facts(response_id="chatcmpl-1", operation="chat", outcome="ok", service_tier="batch"),
    ),
)

_MORE = (
    Case(
        name="openai: embeddings, whole",
        make=of(
            "create_embedding_response",
            "CreateEmbeddingResponse",
            {
                "object": "list",
                "model": "text-embedding-3-small",
                "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
                "usage": {"prompt_tokens": 8, "total_tokens": 8},
            },
        ),
        source="openai",
        answered_by="text-embedding-3-small",
        usage=tokens(8, 0),
        facts=Facts(operation="embeddings"),
        usd=usd((8, "0.02")),
    ),
    Case(
        name="openai: pictures, whole",
        make=of(
            "images_response",
            "ImagesResponse",
            {"created": 1, "data": [{"b64_json": "iVBORw0K"}], "usage": IMAGE},
        ),
        source="openai",
        model="gpt-image-1",
        usage=IMAGE_READ._replace(details={"image_count": 1, **IMAGE_READ.details}),
        facts=Facts(operation="image_generation"),
        usd=IMAGE_USD,
    ),
    Case(
        name="openai: pictures without usage are counted",
        make=of("images_response", "ImagesResponse", {"created": 1, "data": [{"url": "https://a"}] * 2}),
        source="openai",
        model="dall-e-3",
        usage=Usage(details={"image_count": 2}),
        facts=Facts(operation="image_generation"),
    ),
    Case(
        name="openai: a drawing has tokens of another model",
        make=plain(
            {
                "created": 1,
                "data": [{"b64_json": "PHN2Zz4="}],
                "usage": IMAGE,
                "svg_usage": {
                    "input_tokens": 5,
                    "model": "gpt-5.4",
                    "output_tokens": 700,
                    "total_tokens": 705,
                },
            }
        ),
        source="openai",
        model="gpt-image-1",
        usage=IMAGE_READ._replace(details={"image_count": 1, **IMAGE_READ.details}),
        facts=Facts(operation="image_generation"),
        usd=IMAGE_USD,
        basis="estimated",
        told={"svg_usage": "tokens of other models: not known"},
    ),
    Case(
        name="openai: a transcription, whole",
        make=of("audio.transcription", "Transcription", {"text": "Paid.", "usage": SPOKEN}),
        source="openai",
        model="gpt-4o-transcribe",
        usage=SPOKEN_READ,
        facts=Facts(operation="transcription"),
        usd=SPOKEN_USD,
    ),
    Case(
        name="openai: a verbose transcription",
        make=of(
            "audio",
            "TranscriptionVerbose",
            {"text": "Paid.", "language": "english", "duration": 59.2}
            | {"usage": {"type": "duration", "seconds": 60.0}},
        ),
        source="openai",
        model="whisper-1",
        usage=MINUTE,
        facts=Facts(operation="transcription"),
        usd=Decimal("0.006"),
    ),
    Case(
        name="openai: a verbose transcription without usage",
        make=of("audio", "TranscriptionVerbose", {"text": "Paid.", "language": "english", "duration": 60.0}),
        source="openai",
        model="whisper-1",
        usage=MINUTE,
        facts=Facts(operation="transcription"),
        usd=Decimal("0.006"),
    ),
    Case(
        name="openai: the end of a realtime response",
        make=plain(
            {
                "type": "response.done",
                "event_id": "event_1",
                "response": {
                    "object": "realtime.response",
                    "id": "resp_1",
                    "status": "cancelled",
                    "status_details": {"type": "cancelled", "reason": "turn_detected"},
                    "usage": REALTIME,
                },
            }
        ),
        source="openai",
        model="gpt-realtime",
        usage=REALTIME_READ,
        facts=Facts(response_id="resp_1", operation="chat", outcome="cut"),
        usd=REALTIME_USD,
    ),
    Case(
        name="openai: the picture tool's tokens are another model's",
        make=plain(
            {"object": "response", "status": "completed", "usage": RESPONSES}
            | {"tool_usage": {"image_gen": {"total_tokens": 1306}, "web_search": {"num_requests": 0}}}
        ),
        source="openai",
        model="gpt-5",
        usage=RESPONSES_READ._replace(details={"web_search_count": 0, **RESPONSES_READ.details}),
        facts=Facts(operation="chat", outcome="ok"),
        usd=RESPONSES_USD,
        basis="estimated",
        told={"tool_usage.image_gen": "tokens of another model: not counted"},
    ),
    Case(
        name="openai: a cache that is kept for twelve hours has a price that is not known",
        make=plain(
            {"input_tokens": 1000, "output_tokens": 0, "total_tokens": 1000}
            | {
                "input_tokens_details": {
                    "cached_tokens": 0,
                    "cache_write_tokens": 900,
                    "cache_write_tokens_details": {"ttl_12h_tokens": 300, "ttl_30m_tokens": 600},
                }
            }
        ),
        source="openai",
        model="gpt-5",
        usage=tokens(1000, 0, cached_tokens=0, cache_write_tokens=900),
        told={"input_tokens_details.cache_write_tokens_details.ttl_12h_tokens": "not known"},
    ),
)

CASES = (
    *(
        Case(name=f"openai: {name}", make=make, source="openai", model=model, usage=usage, usd=amount)
        for name, make, usage, model, amount in _USAGES
    ),
    *(
        Case(
            name=f"openai: {name}",
            make=make,
            source="openai",
            answered_by="gpt-4o-search-preview"
            if "search model" in name
            else "gpt-5"
            if facts.response_id == "resp_1"
            else "gpt-4o",
            usage=usage,
            facts=facts,
        )
        for name, make, usage, facts in _RESPONSES
    ),
    *_MORE,
)
