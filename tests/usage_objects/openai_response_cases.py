"""Whole responses of OpenAI's: what they say of their calls beside the usage."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from analytics.calls.row import Facts
from analytics.pricing.price_list import Usage
from tests import llm_wire
from tests.usage_objects.case import Case, Make, tokens, usd
from tests.usage_objects.openai_cases import (
    IMAGE,
    IMAGE_READ,
    IMAGE_USD,
    MINUTE,
    NO_PARTS,
    REALTIME,
    REALTIME_READ,
    REALTIME_USD,
    RESPONSES,
    RESPONSES_READ,
    RESPONSES_USD,
    SPOKEN,
    SPOKEN_READ,
    SPOKEN_USD,
    of,
    plain,
)

RESPONSE_FACTS = Facts(response_id="resp_1", operation="chat", outcome="ok", service_tier="default")
CHAT_FACTS = Facts(response_id="chatcmpl-1", operation="chat", outcome="ok", service_tier="default")
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


def chat(
    usage: Mapping[str, Any] | None, *, finish: str = "stop", model: str = "gpt-4o", **more: Any
) -> Make:
    def make() -> object:
        from openai.types.chat import ChatCompletion

        others = dict(more)
        message = {"role": "assistant", "content": "Paid."} | others.pop("message", {})
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
            | others
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


def _model(name: str, facts: Facts) -> str:
    if "search model" in name:
        return "gpt-4o-search-preview"
    return "gpt-5" if facts.response_id == "resp_1" else "gpt-4o"


CASES = (
    *(
        Case(
            name=f"openai: {name}",
            make=make,
            source="openai",
            answered_by=_model(name, facts),
            usage=usage,
            facts=facts,
        )
        for name, make, usage, facts in _RESPONSES
    ),
    *_MORE,
)
