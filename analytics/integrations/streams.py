"""Streams of the clients of OpenAI, Groq and Anthropic, watched while the application reads them."""

import contextlib
import weakref
from collections.abc import Mapping
from typing import Any

from analytics.calls.usage.fields import fields_of
from analytics.integrations.calls import WatchedCall

_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed", "transcript.text.done"})


class _Told:
    """What the parts of a stream tell of its call, so far."""

    def __init__(self, call: WatchedCall, hides_usage: bool) -> None:
        self.call = call
        self.hides_usage = hides_usage
        self._response: dict[str, Any] = {}
        self._usage: dict[str, Any] | None = None
        self._final: Any = None

    def see(self, part: Any) -> bool:
        """Whether the application is to see it, too."""
        with contextlib.suppress(Exception):
            self.call.answers()
            return self._see(part)
        return True

    def _see(self, part: Any) -> bool:
        kind = getattr(part, "type", None)
        held = getattr(part, "response", None)
        if kind in _ENDS:
            self._final = part if held is None else held
            return True
        begun = held if held is not None else getattr(part, "message", None)
        fields = fields_of(part if begun is None else begun) or {}
        for name in ("id", "object", "model", "service_tier"):
            if (value := fields.get(name)) is not None:
                self._response[name] = value
        usage = fields.get("usage")
        if usage is None and (of_groq := fields_of(fields.get("x_groq"))) is not None:
            usage = of_groq.get("usage")
        if usage is not None:
            # Anthropic's later usage counts on from the first, and leaves out what stays.
            told = {name: value for name, value in (fields_of(usage) or {}).items() if value is not None}
            self._usage = {**(self._usage or {}), **told}
        reason = getattr(getattr(part, "delta", None), "stop_reason", None)
        if reason is not None:
            self._response["stop_reason"] = reason
        choices = fields.get("choices")
        for choice in choices or ():
            if (reason := getattr(choice, "finish_reason", None)) is not None:
                self._response["choices"] = [{"finish_reason": reason}]
        return not (self.hides_usage and choices == [] and usage is not None)

    def end(self, outcome: str | None = None, error: BaseException | None = None) -> None:
        if self._final is not None:
            self.call.end(self._final, model=getattr(self._final, "model", None), error=error)
            return
        # Of a cut stream of Anthropic's the first usage is known, and not the last.
        is_whole = outcome is None or "stop_reason" in self._response or "choices" in self._response
        usage: Mapping[str, Any] | None = None
        if is_whole and self._usage is not None:
            usage, outcome = {**self._response, "usage": self._usage}, None
        self.call.end(
            usage,
            outcome=outcome,
            error=error,
            model=self._response.get("model"),
            response_id=None if usage is not None else self._response.get("id"),
        )


def watch(stream: Any, call: WatchedCall, *, hides_usage: bool) -> None:
    """Gives the stream a class that is its own but for what it sees; `hides_usage`: we asked for it."""
    told = _Told(call, hides_usage)
    # An instrumentor may have put its own around it, which cannot become of another class.
    while hasattr(stream, "__wrapped__"):
        stream = stream.__wrapped__
    stream.__class__ = _class_of(type(stream))
    stream._usage_told = told
    # A stream that nobody reads to its end was cut.
    weakref.finalize(stream, told.end, "cut")


def _ended_by(told: _Told, error: BaseException) -> None:
    is_end = isinstance(error, (StopIteration, StopAsyncIteration))
    told.end(None if is_end else "cut", None if is_end else error)


_classes: dict[type, type] = {}


def _class_of(kind: type) -> type:
    # An object may change only to a class with the same single base: so the methods are not those of a mixin.
    if kind not in _classes:
        methods = _asynchronous(kind) if hasattr(kind, "__anext__") else _synchronous(kind)
        _classes[kind] = type(
            kind.__name__, (kind,), {"__slots__": (), "__module__": kind.__module__, **methods}
        )
    return _classes[kind]


def _synchronous(kind: Any) -> dict[str, Any]:
    def __next__(self: Any) -> Any:  # noqa: N807
        while True:
            try:
                part = kind.__next__(self)
            except BaseException as error:
                _ended_by(self._usage_told, error)
                raise
            if self._usage_told.see(part):
                return part

    def close(self: Any) -> None:
        try:
            kind.close(self)
        finally:
            self._usage_told.end("cut")

    return {"__iter__": lambda self: self, "__next__": __next__, "close": close}


def _asynchronous(kind: Any) -> dict[str, Any]:
    async def __anext__(self: Any) -> Any:  # noqa: N807
        while True:
            try:
                part = await kind.__anext__(self)
            except BaseException as error:
                _ended_by(self._usage_told, error)
                raise
            if self._usage_told.see(part):
                return part

    async def close(self: Any) -> None:
        try:
            await kind.close(self)
        finally:
            self._usage_told.end("cut")

    return {"__aiter__": lambda self: self, "__anext__": __anext__, "close": close}
