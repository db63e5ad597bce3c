"""Whose span is which call: ids, and two spans of one call.

A call whose response id is known gets its id from that, whoever tells of it. Here is what else shows that two
spans are one call: two instrumentors, one around the other.
"""

import contextlib
import hashlib
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from uuid import UUID

from analytics.calls.validation import response_call_id
from analytics.pricing.price_list import Usage
from analytics.tracking.spans.finished import FinishedSpan

_SLACK_NS = 5_000_000  # clocks of JavaScript tell milliseconds
_MAX_RELATED = 200  # calls of one model that a span is compared with
_SNAPSHOT = re.compile(r"[-@](?:20\d\d-?\d\d-?\d\d|latest)$")


def span_call_id(span: FinishedSpan) -> UUID | None:
    """The same each time a span is exported, so that it is stored once; in order of time, as others."""
    if not span.trace_id.strip("0") or not span.span_id.strip("0"):
        return None
    digest = hashlib.sha256(f"{span.trace_id}-{span.span_id}".lower().encode()).digest()
    milliseconds = (span.ended_ns or 0) // 1_000_000 & (1 << 48) - 1
    # Version 7 (RFC 9562), the digest in the place of its random bits.
    bits = int.from_bytes(digest[:10])
    bits = bits & ~(0xF << 76) & ~(0b11 << 62) | 0x7 << 76 | 0b10 << 62
    return UUID(int=milliseconds << 80 | bits)


@dataclass(kw_only=True, slots=True)
class _Seen:
    """A call that was seen, as far as others are compared with it."""

    scopes: set[str]
    trace_id: str
    span_id: str
    parent_id: str
    started_ns: int | None
    ended_ns: int | None
    counted: tuple[Any, ...] | None
    operation: str | None
    response_id: str | None
    id: UUID | None

    def holds(self, span: FinishedSpan, *, is_wrapper: bool) -> bool:
        """Whether one of the two is around the other."""
        is_parent = self.parent_id == span.span_id or span.parent_id == self.span_id
        if is_parent and self.trace_id and self.trace_id == span.trace_id:
            return True
        if is_wrapper or not (self.started_ns and self.ended_ns and span.started_ns and span.ended_ns):
            return False
        return (
            self.started_ns - _SLACK_NS <= span.started_ns and span.ended_ns <= self.ended_ns + _SLACK_NS
        ) or (span.started_ns - _SLACK_NS <= self.started_ns and self.ended_ns <= span.ended_ns + _SLACK_NS)


@dataclass(kw_only=True, slots=True)
class _OfModel:
    scopes: set[str] = field(default_factory=set)
    calls: "deque[_Seen]" = field(default_factory=lambda: deque(maxlen=_MAX_RELATED))


class SeenCalls:
    """Tells where two instrumentors wrote a span each about one call, one within the other's time.

    Both then get one id, so that the call is stored once, and the fuller record stays. Two spans are one call
    if they come from different instrumentors, if one is the other's parent or was made within its time (with
    some instrumentors each is the root of a trace of its own), if model and client are the same, and if both
    counted the same tokens, or one none. Each span of one instrumentor has at most one of another's: less
    would not do, as streams are read while other calls are made. A span without tokens around a call of the
    same operation is no second call either, whoever wrote it.
    """

    def __init__(self, max_models: int = 1_000) -> None:
        self._max_models = max_models
        # Of spans that others made: each of its parts has an upper limit.
        self._seen: dict[tuple[str | None, str], _OfModel] = {}

    def is_repeat(self, span: FinishedSpan, record: dict[str, Any], counted: Usage | None) -> bool:
        """Whether the call was seen, and the span adds nothing to it.

        Where it adds something the record gets the id of the one that was seen.
        """
        tokens = None if counted is None else (*counted[:2], counted.duration_seconds)
        key = record["client_id"], _model_name(record["model"] or "")
        of_model = self._seen.get(key)
        if of_model is None:
            of_model = self._seen[key] = _OfModel()
            self._forget()
        same = self._same(of_model, span, record, tokens)
        if same is None:
            of_model.scopes.add(span.scope)
            of_model.calls.append(
                _Seen(
                    scopes={span.scope},
                    trace_id=span.trace_id,
                    span_id=span.span_id,
                    parent_id=span.parent_id,
                    started_ns=span.started_ns,
                    ended_ns=span.ended_ns,
                    counted=tokens,
                    operation=record.get("operation"),
                    response_id=record.get("response_id"),
                    id=record["id"],
                )
            )
            return False
        of_model.scopes.add(span.scope)
        same.scopes.add(span.scope)
        if tokens is None or (same.id is None and same.response_id is None):
            return True
        same.counted = same.counted or tokens
        same.response_id = same.response_id or record.get("response_id")
        record["id"] = same.id or response_call_id(record["client_id"], str(same.response_id))
        return False

    def _same(
        self,
        of_model: _OfModel,
        span: FinishedSpan,
        record: Mapping[str, Any],
        tokens: tuple[Any, ...] | None,
    ) -> _Seen | None:
        if tokens is not None and of_model.scopes <= {span.scope}:
            return None  # as ever, where one instrumentor is at work
        response_id, operation = record.get("response_id"), record.get("operation")
        for seen in reversed(of_model.calls):
            is_other = span.scope not in seen.scopes
            if response_id is not None and seen.response_id is not None:
                if response_id == seen.response_id and seen.id is not None:
                    return seen
                continue  # equal ones make one id by themselves
            if tokens is not None and not is_other:
                continue
            if tokens is not None and seen.counted is not None:
                if tokens != seen.counted:
                    continue
            elif operation != seen.operation:
                continue
            if seen.holds(span, is_wrapper=not is_other):
                return seen
        return None

    def _forget(self) -> None:
        # Without a lock, which a fork might leave locked: the worst that can happen is one entry too many.
        while len(self._seen) > self._max_models:
            with contextlib.suppress(RuntimeError, StopIteration):
                self._seen.pop(next(iter(self._seen)), None)


@lru_cache(maxsize=4096)
def _model_name(model: str) -> str:
    """The model without the provider before it and the date after it: instrumentors differ in both."""
    return _SNAPSHOT.sub("", model.rpartition("/")[2].lower())
