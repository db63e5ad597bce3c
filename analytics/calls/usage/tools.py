"""Calls of the provider's own tools that a response tells, and pictures: what is sold by the piece."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from analytics.calls.usage.fields import fields_of, is_empty, snake, text_in
from analytics.calls.validation import number_in

_TOOLS = {
    "web_search_call": "web_search_count",
    "file_search_call": "file_search_count",
    "code_interpreter_call": "code_run_count",
}


def tools_in(
    by_name: Mapping[str, Any], model: str | None, told: dict[str, str], *, is_pictures: bool
) -> dict[str, int]:
    """The calls that a response tells, by the names of Usage.details; `told` takes what is not understood."""
    tools: dict[str, int] = {}
    extra = fields_of(by_name.get("additional_kwargs")) or {}
    for items in (by_name.get("output"), by_name.get("content"), extra.get("tool_outputs")):
        for item in items if isinstance(items, (list, tuple)) else ():
            fields = fields_of(item) or {}
            count = _TOOLS.get(text_in(fields.get("type")) or "")
            if count is not None and _costs(fields):
                tools[count] = tools.get(count, 0) + 1
    raw = fields_of((fields_of(by_name.get("usage")) or {}).get("server_tool_use")) or {}
    searches = number_in(raw.get("web_search_requests"))  # in LangChain's response_metadata
    if searches is not None and searches >= 0:
        tools["web_search_count"] = int(searches)
    used = fields_of(by_name.get("tool_usage"))
    if used is not None:  # OpenAI: of what is billed, without opened pages
        searches = number_in((fields_of(used.get("web_search")) or {}).get("num_requests"))
        if searches is not None and searches >= 0:
            tools["web_search_count"] = int(searches)
        if not is_empty((fields_of(used.get("image_gen")) or {}).get("total_tokens")):
            told["tool_usage.image_gen"] = "tokens of another model: not counted"
    for name in ("svg_usage", "usage_breakdown"):
        if not is_empty(by_name.get(name)):
            told[name] = "tokens of other models: not known"
    if "web_search_count" in tools and _searches_by_preview(by_name.get("tools"), model or ""):
        told["tools.web_search_preview"] = "with this model it costs more than web_search, which is counted"
    for source in _other_grounding(by_name.get("candidates")):
        told[f"groundingMetadata.{source}"] = "has a fee that is not known: not counted"
    if (queries := _queries(by_name.get("candidates"))) is not None:
        # ai.google.dev, "Pricing": since Gemini 3 each query costs, before each prompt that is grounded.
        is_per_query = not (model or "").startswith(("gemini-1", "gemini-2"))
        tools["web_search_count"] = queries if is_per_query else min(queries, 1)
    data = by_name.get("data")
    if is_pictures and isinstance(data, (list, tuple)):
        tools["image_count"] = len(data)
    return tools


def _costs(item: Mapping[str, Any]) -> bool:
    """Whether the call of a tool is billed: a search is; opening a page or looking in it is not."""
    action = fields_of(item.get("action")) or {}
    return (
        text_in(item.get("status")) not in ("failed", "incomplete")
        and (text_in(action.get("type")) or "search") == "search"
    )


# $25 per 1,000 with these, and $10 with those that reason: developers.openai.com, "Pricing".
_DO_NOT_REASON = re.compile(r"(?:.*/)?(?:chatgpt|gpt-[34])")


def _searches_by_preview(tools: Any, model: str) -> bool:
    kinds = [
        text_in((fields_of(tool) or {}).get("type")) or ""
        for tool in (tools if isinstance(tools, (list, tuple)) else ())
    ]
    return _DO_NOT_REASON.match(model) is not None and any(
        kind.startswith("web_search_preview") for kind in kinds
    )


def _groundings(candidates: Any) -> Iterator[dict[str, Any]]:
    """Gemini's groundingMetadata of all candidates, in snake case."""
    for candidate in candidates if isinstance(candidates, (list, tuple)) else ():
        by_name = {snake(str(name)): value for name, value in (fields_of(candidate) or {}).items()}
        grounding = fields_of(by_name.get("grounding_metadata")) or {}
        yield {snake(str(name)): value for name, value in grounding.items()}


def _other_grounding(candidates: Any) -> set[str]:
    """What answers were grounded in that is no search of the web, and has a fee of its own."""
    found = set()
    for grounding in _groundings(candidates):
        chunks = grounding.get("grounding_chunks")
        for chunk in chunks if isinstance(chunks, (list, tuple)) else ():
            by_name = {snake(str(name)): value for name, value in (fields_of(chunk) or {}).items()}
            for name, called in (("maps", "maps"), ("retrieved_context", "retrievedContext")):
                if not is_empty(by_name.get(name)):
                    found.add(called)
    return found


def _queries(candidates: Any) -> int | None:
    """Of Google's search, in all candidates; None where none was made."""
    count = 0
    for grounding in _groundings(candidates):
        queries = grounding.get("web_search_queries")
        if isinstance(queries, (list, tuple)):
            count += len(queries)
    return count or None
