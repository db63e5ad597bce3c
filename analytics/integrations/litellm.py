"""LiteLLM in this process: litellm.callbacks = [UsageLogger()]."""

import logging
from typing import Any

from analytics import tracking
from analytics.tracking.context import NO_CONTEXT, UsageContext, current_context, within
from analytics.tracking.litellm import call_of_litellm

try:
    from litellm.integrations.custom_logger import CustomLogger
except ImportError as error:
    raise ImportError(f'{error}: pip install "usage-analytics[litellm]"') from None

__all__ = ["UsageLogger"]

_MAX_OPEN_CALLS = 10_000

log = logging.getLogger("analytics.tracking")


class UsageLogger(CustomLogger):  # type: ignore[misc]
    """Logs each call of LiteLLM, and each attempt that failed, for whom usage_context() says at its begin.

    `response_cost` is kept as the stated cost. The conversation is LiteLLM's session, where there is one.
    """

    def __init__(self) -> None:
        super().__init__()
        # What LiteLLM calls at the end may run in another thread.
        self._contexts: dict[str, UsageContext] = {}

    def log_pre_api_call(self, model: Any, messages: Any, kwargs: dict[str, Any]) -> None:
        context = current_context()
        if context is not NO_CONTEXT and len(self._contexts) < _MAX_OPEN_CALLS:
            self._contexts[str(kwargs.get("litellm_call_id"))] = context

    def log_success_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        self._log(kwargs)

    def log_failure_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        self._log(kwargs)

    async def async_log_success_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        self._log(kwargs)

    async def async_log_failure_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        self._log(kwargs)

    def _log(self, kwargs: dict[str, Any]) -> None:
        try:
            payload = kwargs.get("standard_logging_object")
            if payload is None:
                log.error("a call of LiteLLM was not logged: it has no standard_logging_object")
                return
            call = call_of_litellm(payload)
            known = self._contexts.pop(str(kwargs.get("litellm_call_id")), None) or current_context()
            own = UsageContext(
                conversation_id=call["conversation_id"], phone=call["phone"], tags=call["tags"] or None
            )
            # The application's word goes before LiteLLM's session.
            if known.conversation_id is not None:
                own = UsageContext(phone=own.phone, tags=own.tags)
            context = within(known, own)
            tracking.log_span_call(
                {
                    **call,
                    "client_id": context.client_id,
                    "conversation_id": context.conversation_id,
                    "phone": context.phone,
                    "tags": context.tags,
                }
            )
        except Exception:
            # LiteLLM's own work must go on.
            log.exception("a call of LiteLLM was not logged")
