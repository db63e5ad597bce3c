"""OpenAI's Agents SDK: agents.add_trace_processor(UsageProcessor())."""

from typing import Any

from analytics.integrations.calls import WatchedCall
from analytics.tracking.context import UsageContext, current_context

try:
    from agents import Span, Trace, TracingProcessor
except ImportError as error:
    raise ImportError(f'{error}: pip install "usage-analytics[openai-agents]"') from None

__all__ = ["UsageProcessor"]

_SCOPE = "openai.agents"
_MAX_OPEN = 10_000


class UsageProcessor(TracingProcessor):  # type: ignore[misc]
    """Logs each call of a model, for whom usage_context() says when it begins.

    A trace's `group_id` is the conversation where usage_context() names none.
    """

    def __init__(self) -> None:
        self._groups: dict[str, str] = {}
        self._calls: dict[str, WatchedCall] = {}

    def on_trace_start(self, trace: Trace) -> None:
        group = (trace.export() or {}).get("group_id")
        if isinstance(group, str) and len(self._groups) < _MAX_OPEN:
            self._groups[trace.trace_id] = group

    def on_trace_end(self, trace: Trace) -> None:
        self._groups.pop(trace.trace_id, None)

    def on_span_start(self, span: Span[Any]) -> None:
        if span.span_data.type not in ("response", "generation") or len(self._calls) >= _MAX_OPEN:
            return
        context = current_context()
        if context.conversation_id is None and (group := self._groups.get(span.trace_id)) is not None:
            context = UsageContext(
                client_id=context.client_id, conversation_id=group, phone=context.phone, tags=context.tags
            )
        self._calls[span.span_id] = WatchedCall(_SCOPE, provider="openai", operation="chat", context=context)

    def on_span_end(self, span: Span[Any]) -> None:
        if (call := self._calls.pop(span.span_id, None)) is None:
            return
        told = span.span_data
        response = getattr(told, "response", None)
        usage = getattr(told, "usage", None) if response is None else response
        has_failed = span.error is not None and usage is None
        model = getattr(response, "model", None) or getattr(told, "model", None)
        response_id = (told.export() or {}).get("response_id")
        call.end(usage, outcome="error" if has_failed else None, model=model, response_id=response_id)

    def shutdown(self) -> None:
        """The tracker goes on: it has other users."""

    def force_flush(self) -> None:
        """The tracker ships by itself."""
