"""A call that is watched from its request to its end, and logged once."""

import logging
import secrets
import threading
import time
from collections.abc import Mapping
from typing import Any

from analytics import tracking
from analytics.pricing.providers import source_of
from analytics.tracking.context import UsageContext, current_context

log = logging.getLogger("analytics.tracking")


class WatchedCall:
    """A call of a model that has begun, for whom usage_context() says now. Its methods never raise."""

    def __init__(
        self,
        scope: str,
        *,
        provider: str | None = None,
        host: str | None = None,
        model: str | None = None,
        operation: str | None = None,
        context: UsageContext | None = None,
    ) -> None:
        self._scope = scope
        self._provider = provider
        self._host = host
        self._model = model
        self._operation = operation
        self._context = current_context() if context is None else context
        self._began = time.perf_counter()
        self._first_token_ms: float | None = None
        self._lock = threading.Lock()
        self._has_ended = False
        self.retries: int | None = None
        """How often the client asked again by itself."""

    def answers(self) -> None:
        """The first part of the answer is there."""
        if self._first_token_ms is None:
            self._first_token_ms = self._milliseconds()

    def end(
        self,
        usage: object,
        *,
        outcome: str | None = None,
        error: BaseException | None = None,
        model: str | None = None,
        **facts: Any,
    ) -> None:
        """Logs the call. Only the first end of a call counts."""
        with self._lock:
            if self._has_ended:
                return
            self._has_ended = True
        try:
            self._log(usage, outcome, error, model, facts)
        except Exception:
            # What watches a call must not break it.
            log.exception("a call that %s watched was not logged", self._scope)

    def _log(
        self,
        usage: object,
        outcome: str | None,
        error: BaseException | None,
        model: str | None,
        facts: Mapping[str, Any],
    ) -> None:
        model = model or self._model
        source = source_of(self._provider, model=model, host=self._host)
        # By these a span of the same call is known, where the response has no id.
        metadata: dict[str, Any] = {
            "scope": self._scope,
            "trace_id": secrets.token_hex(16),
            "span_id": secrets.token_hex(8),
        }
        if error is not None:
            metadata["error"] = type(error).__name__
            if isinstance(status := getattr(error, "status_code", None), int):
                metadata["status_code"] = status
        given = {
            "client_id": self._context.client_id,
            "conversation_id": self._context.conversation_id,
            "phone": self._context.phone,
            "tags": self._context.tags,
            "source": "whisper" if (source, model) == ("openai", "whisper-1") else source,
            "model": model,
            "usage": usage,
            "operation": self._operation,
            "outcome": outcome,
            "latency_ms": self._milliseconds(),
            "time_to_first_token_ms": self._first_token_ms,
            "attempt": None if self.retries is None else self.retries + 1,
            "metadata": metadata,
        }
        tracking.log_span_call(given | {name: value for name, value in facts.items() if value is not None})

    def _milliseconds(self) -> float:
        return round((time.perf_counter() - self._began) * 1000, 3)
