"""What the answer itself tells, where an instrumentor keeps it as JSON: usage, id, tier."""

import ast
from collections.abc import Mapping
from typing import Any

from analytics import bounded_json

_MAX_CHARACTERS = 10_000_000
_MAX_LITERAL = 20_000
# Of a response, without what people wrote.
_KEPT = (
    *(
        "id",
        "object",
        "type",
        "model",
        "usage",
        "service_tier",
        "status",
        "created",
        "stop_reason",
        "tool_usage",
    ),
    *("usageMetadata", "usage_metadata", "modelVersion", "model_version", "responseId", "response_id"),
)
_USAGES = ("usage", "usageMetadata", "usage_metadata")


def json_object(text: object) -> Mapping[str, Any]:
    """The object that the text is as JSON; {} where it is none."""
    if isinstance(text, Mapping):
        return text
    if not isinstance(text, str) or len(text) > _MAX_CHARACTERS or not text.lstrip().startswith("{"):
        return {}
    try:
        value = bounded_json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def object_in(text: object) -> Mapping[str, Any]:
    """The object that the text is, as JSON or as Python writes a dict (LiteLLM)."""
    if found := json_object(text):
        return found
    if isinstance(text, str) and text.startswith("{'") and len(text) < _MAX_LITERAL:
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}
    return {}


def response_of(output: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The response without its texts, for read_usage(); None where it has no usage."""
    if not any(isinstance(output.get(name), Mapping) and output[name] for name in _USAGES):
        if isinstance(output.get("text"), str) and isinstance(output.get("duration"), (int, float)):
            return {"type": "duration", "seconds": output["duration"]}
        return None
    response = {name: output[name] for name in _KEPT if name in output}
    for name in ("output", "content"):
        if isinstance(items := output.get(name), list):
            response[name] = [_without_texts(item) for item in items if isinstance(item, Mapping)]
    if isinstance(images := output.get("data"), list) and "created" in output:
        response["data"] = [dict.fromkeys(image, "") for image in images if isinstance(image, Mapping)]
    if isinstance(choices := output.get("choices"), list):
        response["choices"] = [
            {"finish_reason": choice.get("finish_reason")}
            for choice in choices
            if isinstance(choice, Mapping)
        ]
    return response


def _without_texts(item: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: item[name] for name in ("type", "status") if name in item}
    if isinstance(action := item.get("action"), Mapping):
        kept["action"] = {"type": action.get("type")}
    return kept


def facts_of(output: Mapping[str, Any]) -> Mapping[str, Any]:
    """Response id and tier of an answer, LangChain's included, and whether it says anything at all."""
    if "generations" in output or "llm_output" in output:
        return _facts_of_langchain(output)
    if not output.keys() & {"choices", "output", "content", "candidates", *_USAGES}:
        return {"has_answer": bool(output)}
    return _named(output) | {"has_answer": True}


def _named(response: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for field, names in (
        ("response_id", ("id", "responseId", "response_id")),
        ("service_tier", ("service_tier",)),
    ):
        for name in names:
            if isinstance(text := response.get(name), str) and text and not text.startswith(("run-", "lc_")):
                found[field] = text
                break
    return found


def _facts_of_langchain(output: Mapping[str, Any]) -> Mapping[str, Any]:
    generation = output.get("generations")
    while isinstance(generation, list) and generation:
        generation = generation[0]
    generation = generation if isinstance(generation, Mapping) else {}
    message = generation.get("message")
    fields = message.get("kwargs", message) if isinstance(message, Mapping) else {}
    fields = fields if isinstance(fields, Mapping) else {}
    found: dict[str, Any] = {"has_answer": bool(generation.get("text") or fields.get("tool_calls"))}
    for level in (fields.get("response_metadata"), output.get("llm_output")):
        if isinstance(level, Mapping):
            found = _named(level) | found
    return found
