"""What OpenAI, Groq and Anthropic answer, as it goes over the wire."""

import base64
import itertools
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Usage = Mapping[str, Any] | Literal["usual"] | None
"""Of an answer: as given, or what belongs to the request, or left out."""

CREATED = 1_773_835_200
TEXT = ("The invoice ", "is paid.")

# The guide's example. OpenAI sends the details of every call, zeros included.
CHAT_USAGE = {
    "prompt_tokens": 150,
    "completion_tokens": 80,
    "total_tokens": 230,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 0,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}
GROQ_USAGE = {
    "prompt_tokens": 150,
    "completion_tokens": 80,
    "total_tokens": 230,
    "queue_time": 0.011,
    "prompt_time": 0.002,
    "completion_time": 0.25,
    "total_time": 0.252,
}
RESPONSE_USAGE = {
    "input_tokens": 150,
    "output_tokens": 80,
    "total_tokens": 230,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens_details": {"reasoning_tokens": 0},
}
MESSAGE_USAGE = {
    "input_tokens": 50,
    "cache_read_input_tokens": 100,
    "cache_creation_input_tokens": 0,
    "output_tokens": 80,
}
EMBEDDINGS_USAGE = {"prompt_tokens": 8, "total_tokens": 8}
DURATION_USAGE = {"type": "duration", "seconds": 30.0}
AUDIO_TOKENS_USAGE = {
    "type": "tokens",
    "input_tokens": 300,
    "output_tokens": 40,
    "total_tokens": 340,
    "input_token_details": {"audio_tokens": 290, "text_tokens": 10},
}


@dataclass(frozen=True, kw_only=True)
class Request:
    path: str
    body: dict[str, Any]

    @property
    def is_groqs(self) -> bool:
        return self.path.startswith("/openai/v1/")

    @property
    def streams(self) -> bool:
        return self.body.get("stream") in (True, "true")


def error_content(status: int) -> dict[str, Any]:
    kind = "rate_limit_exceeded" if status == 429 else "server_error"
    return {"error": {"message": f"Asked to answer {status}.", "type": kind, "param": None, "code": kind}}


_ids = itertools.count(1)


def _with_usage(content: dict[str, Any], usage: Usage, usual: Mapping[str, Any]) -> dict[str, Any]:
    if usage is None:
        return content
    return content | {"usage": usual if usage == "usual" else dict(usage)}


def _chat(request: Request, usage: Usage) -> dict[str, Any]:
    message = {"role": "assistant", "content": "".join(TEXT)}
    content: dict[str, Any] = {
        "id": f"chatcmpl-{next(_ids)}",
        "object": "chat.completion",
        "created": CREATED,
        "model": request.body["model"],
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "service_tier": request.body.get("service_tier") or "default",
    }
    if request.is_groqs:
        content["x_groq"] = {"id": f"req_{content['id']}"}
    return _with_usage(content, usage, GROQ_USAGE if request.is_groqs else CHAT_USAGE)


def _chat_stream(request: Request, usage: Usage) -> Iterator[dict[str, Any]]:
    whole = _chat(request, usage)
    usage = whole.pop("usage", None)
    wants_usage = (request.body.get("stream_options") or {}).get("include_usage", False)
    chunk = whole | {"object": "chat.completion.chunk"} | ({"usage": None} if wants_usage else {})

    def with_choice(delta: dict[str, Any], reason: str | None, **more: Any) -> dict[str, Any]:
        return chunk | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]} | more

    yield with_choice({"role": "assistant", "content": ""}, None)
    chunk.pop("x_groq", None)
    for part in TEXT:
        yield with_choice({"content": part}, None)
    if request.is_groqs:  # says it asked or not, in a field of its own
        yield with_choice({}, "stop", x_groq={"id": f"req_{whole['id']}", "usage": usage})
    else:
        yield with_choice({}, "stop")
    if wants_usage and usage is not None:
        yield chunk | {"choices": [], "usage": usage}


def _response(request: Request, usage: Usage) -> dict[str, Any]:
    part = {"type": "output_text", "text": "".join(TEXT), "annotations": []}
    content = {
        "id": f"resp_{next(_ids)}",
        "object": "response",
        "created_at": CREATED,
        "model": request.body["model"],
        "status": "completed",
        "output": [
            {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}
        ],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "service_tier": request.body.get("service_tier") or "default",
    }
    return _with_usage(content, usage, RESPONSE_USAGE)


def _response_stream(request: Request, usage: Usage) -> Iterator[dict[str, Any]]:
    whole = _response(request, usage)
    begun = whole | {"status": "in_progress", "output": [], "usage": None}
    item = whole["output"][0]
    part = item["content"][0]
    place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": item | {"content": []}},
        {"type": "response.content_part.added", "part": part | {"text": ""}} | place,
        *({"type": "response.output_text.delta", "delta": text, "logprobs": []} | place for text in TEXT),
        {"type": "response.output_text.done", "text": part["text"], "logprobs": []} | place,
        {"type": "response.content_part.done", "part": part} | place,
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    ]
    for number, event in enumerate(events):
        yield event | {"sequence_number": number}


def _embeddings(request: Request, usage: Usage) -> dict[str, Any]:
    texts = request.body["input"] if isinstance(request.body["input"], list) else [request.body["input"]]
    vector: Any = [0.25, -0.5, 1.0]
    if request.body.get("encoding_format") == "base64":
        vector = base64.b64encode(struct.pack("<3f", *vector)).decode()
    data = [{"object": "embedding", "index": index, "embedding": vector} for index in range(len(texts))]
    content = {"object": "list", "data": data, "model": request.body["model"]}
    return _with_usage(content, usage, EMBEDDINGS_USAGE)


def _transcription(request: Request, usage: Usage) -> dict[str, Any]:
    usual = DURATION_USAGE if "whisper" in request.body["model"] else AUDIO_TOKENS_USAGE
    whole = _with_usage({"text": "".join(TEXT)}, usage, usual)
    if request.body.get("response_format") == "verbose_json":
        seconds = whole.get("usage", DURATION_USAGE)["seconds"]
        whole |= {"task": "transcribe", "language": "english", "duration": seconds, "segments": []}
    if request.is_groqs:  # tells no usage, only the duration where it is asked for all it knows
        whole.pop("usage", None)
        whole["x_groq"] = {"id": f"req_{next(_ids)}"}
    return whole


def _transcription_stream(request: Request, usage: Usage) -> Iterator[dict[str, Any]]:
    for text in TEXT:
        yield {"type": "transcript.text.delta", "delta": text}
    yield {"type": "transcript.text.done"} | _transcription(request, usage)


def _message(request: Request, usage: Usage) -> dict[str, Any]:
    content = {
        "id": f"msg_{next(_ids)}",
        "type": "message",
        "role": "assistant",
        "model": request.body["model"],
        "content": [{"type": "text", "text": "".join(TEXT)}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
    }
    return _with_usage(content, usage, MESSAGE_USAGE)


def _message_stream(request: Request, usage: Usage) -> Iterator[dict[str, Any]]:
    whole = _message(request, usage)
    counted = whole["usage"]
    begun = {"content": [], "stop_reason": None, "usage": counted | {"output_tokens": 1}}
    yield {"type": "message_start", "message": whole | begun}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    for text in TEXT:
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
    yield {"type": "content_block_stop", "index": 0}
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    yield {"type": "message_delta", "delta": end, "usage": {"output_tokens": counted["output_tokens"]}}
    yield {"type": "message_stop"}


def _no_stream(request: Request, usage: Usage) -> Iterator[dict[str, Any]]:
    raise NotImplementedError(f"{request.path} does not stream")


ROUTES = {
    "/v1/chat/completions": (_chat, _chat_stream),
    "/v1/responses": (_response, _response_stream),
    "/v1/messages": (_message, _message_stream),
    "/v1/embeddings": (_embeddings, _no_stream),
    "/v1/audio/transcriptions": (_transcription, _transcription_stream),
}
