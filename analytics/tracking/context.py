"""Whose the calls in a block are, and how they are tagged, without passing it to each call."""

import contextlib
from collections.abc import Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class UsageContext:
    """Client, conversation and phone for calls that name none; None is unknown."""

    client_id: UUID | str | None = None
    conversation_id: UUID | str | None = None
    phone: str | None = None
    tags: Mapping[str, Any] | None = None


NO_CONTEXT = UsageContext()
_current: ContextVar[UsageContext] = ContextVar("usage_context", default=NO_CONTEXT)


def current_context() -> UsageContext:
    """The innermost usage_context() around the caller, in this thread or asyncio task."""
    return _current.get()


def usage_context(
    *,
    client_id: UUID | str | None = None,
    conversation_id: UUID | str | None = None,
    phone: str | None = None,
    tags: Mapping[str, Any] | None = None,
) -> "_Block":
    """Says, for the calls within a `with` block, whose they are, and tags them.

    A block takes what it leaves out from the block around it, unless that is about somebody else: another
    client's conversation or tags, or another conversation's phone, are never taken over. Tags add to those of
    the block around it; of a key that both have the inner value counts. It reaches into the asyncio
    tasks that are started within it; a thread begins without, unless contextvars.copy_context() runs it.
    """
    return _Block(UsageContext(client_id=client_id, conversation_id=conversation_id, phone=phone, tags=tags))


class _Block:
    # Not contextlib's: its context managers decorate functions, too, and an async one only in appearance.

    def __init__(self, given: UsageContext) -> None:
        self._given = given
        self._tokens: list[Token[UsageContext]] = []

    def __enter__(self) -> UsageContext:
        context = within(_current.get(), self._given)
        self._tokens.append(_current.set(context))
        return context

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A generator that opened the block may be closed in another context, where nothing was set.
        with contextlib.suppress(ValueError):
            _current.reset(self._tokens.pop())


def within(outer: UsageContext, given: UsageContext) -> UsageContext:
    """The context of a block with `given` inside a block with `outer`."""
    if _differ(outer.client_id, given.client_id):
        outer = NO_CONTEXT
    if _differ(outer.conversation_id, given.conversation_id):
        outer = UsageContext(client_id=outer.client_id, tags=outer.tags)
    return UsageContext(
        client_id=outer.client_id if given.client_id is None else given.client_id,
        conversation_id=outer.conversation_id if given.conversation_id is None else given.conversation_id,
        phone=outer.phone if given.phone is None else given.phone,
        tags=_together(outer.tags, given.tags),
    )


def _together(outer: Mapping[str, Any] | None, given: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if not outer or not isinstance(given, Mapping):  # what is none is refused with the call
        return given or outer
    return {**outer, **given}


def _differ(outer: UUID | str | None, given: UUID | str | None) -> bool:
    return outer is not None and given is not None and str(outer) != str(given)
