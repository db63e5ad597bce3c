"""LangChain and LangGraph: chain.invoke(..., config={"callbacks": [UsageCallback()]})."""

import logging
from typing import Any
from uuid import UUID

from analytics.integrations.calls import WatchedCall
from analytics.tracking.context import UsageContext, current_context

try:
    from langchain_core.callbacks import BaseCallbackHandler
except ImportError as error:
    raise ImportError(f'{error}: pip install "usage-analytics[langchain]"') from None

__all__ = ["UsageCallback"]

_SCOPE = "langchain.callback"
_MAX_OPEN_CALLS = 10_000

log = logging.getLogger("analytics.tracking")


class UsageCallback(BaseCallbackHandler):  # type: ignore[misc]
    """Logs each call of a model, for whom usage_context() says when it begins.

    LangGraph's `thread_id` is the conversation where usage_context() names none.
    """

    # In the caller's thread, where its usage_context() is.
    run_inline = True

    def __init__(self) -> None:
        self._calls: dict[UUID, WatchedCall] = {}

    def on_chat_model_start(self, serialized: Any, messages: Any, *, run_id: UUID, **told: Any) -> None:
        self._begin(run_id, "chat", told)

    def on_llm_start(self, serialized: Any, prompts: Any, *, run_id: UUID, **told: Any) -> None:
        self._begin(run_id, "text_completion", told)

    def on_llm_new_token(self, token: Any, *, run_id: UUID, **told: Any) -> None:
        if (call := self._calls.get(run_id)) is not None:
            call.answers()

    def on_llm_end(self, response: Any, *, run_id: UUID, **told: Any) -> None:
        if (call := self._calls.pop(run_id, None)) is None:
            return
        message = None
        for choices in response.generations:
            for choice in choices:
                message = message or getattr(choice, "message", None)
        # Of a model that makes texts, and no messages, the whole result tells.
        call.end(response if message is None else message)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **told: Any) -> None:
        if (call := self._calls.pop(run_id, None)) is not None:
            has_failed = isinstance(error, Exception)
            # A stream that its reader leaves, or that is cancelled, was cut.
            call.end(None, outcome="error" if has_failed else "cut", error=error)

    def _begin(self, run_id: UUID, operation: str, told: dict[str, Any]) -> None:
        if len(self._calls) >= _MAX_OPEN_CALLS:
            log.error("a call of LangChain is not logged: %s have not ended", _MAX_OPEN_CALLS)
            return
        metadata = told.get("metadata") or {}
        context = current_context()
        thread = metadata.get("thread_id")
        if context.conversation_id is None and isinstance(thread, (str, UUID)):
            context = UsageContext(
                client_id=context.client_id, conversation_id=thread, phone=context.phone, tags=context.tags
            )
        self._calls[run_id] = WatchedCall(
            _SCOPE,
            provider=metadata.get("ls_provider"),
            model=metadata.get("ls_model_name"),
            operation=operation,
            context=context,
        )
