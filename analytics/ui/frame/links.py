"""Links from one page to another, and which conversation a link opens.

A phone is never in a link, as links end up in histories, logs and other people's mail: a conversation with
only a phone goes by a handle.
"""

import re
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pandas as pd

from analytics.days import Days
from analytics.errors import InvalidInput
from analytics.queries import Period
from analytics.ui.frame import address
from analytics.ui.frame.address import OF_ONE_CLIENT, Part
from analytics.ui.frame.dates import DAYS, DEFAULT_PERIOD
from analytics.ui.frame.page import Page, client_labels

# In a link instead of an id: the handle of a conversation with only a phone, and the calls without one.
_HANDLE, _NO_CONVERSATION = re.compile(r"p[0-9a-f]{32}"), "none"
_MAX_QUOTED = 100  # characters
AROUND = timedelta(days=15)


def open_overview(page: Page, client_id: UUID) -> None:
    """Leaves for the Overview of a client, with the same period, measure and filters; in a callback."""
    address.leave_for("", **to_client(page, client_id))


def to_client(page: Page, client_id: UUID) -> dict[str, str | None]:
    """The changes of the address on the way to a client."""
    labels = client_labels(page.viewer.clients)
    [label] = [label for label, client in labels.items() if client.id == client_id]
    ended = () if client_id == page.client.id else OF_ONE_CLIENT
    return dict.fromkeys(ended) | {"client": label}


def open_call(call: "pd.Series[Any]") -> None:
    """Leaves another page for all that is known of a call; in a callback."""
    address.leave_for("calls", call=str(call["id"]))


def open_here(call: "pd.Series[Any]") -> None:
    """Shows all that is known of a call of the page of calls itself; in a callback."""
    address.put(**CALL.changes(str(call["id"])), find=None)


@dataclass(frozen=True, kw_only=True)
class LinkedConversation:
    """The conversation that a link opens: its id or its phone's handle; neither for calls without one."""

    conversation_id: UUID | None
    phone_handle: str | None

    @property
    def query(self) -> dict[str, Hashable]:
        """Arguments of queries.conversation_timeline()."""
        return {"conversation_id": self.conversation_id, "phone_handle": self.phone_handle}


def conversation_in_link() -> LinkedConversation | None:
    """The conversation that the link opens; None for the list of all."""
    name = _TIMELINE.value()
    if not name:
        return None
    if name == _NO_CONVERSATION:
        return LinkedConversation(conversation_id=None, phone_handle=None)
    if _HANDLE.fullmatch(name):
        return LinkedConversation(conversation_id=None, phone_handle=name)
    return LinkedConversation(conversation_id=UUID(name), phone_handle=None)


def close_conversation() -> None:
    """Back to the list."""
    address.put(timeline=None, call=None)


def show_calls_of(row: "pd.Series[Any]") -> None:
    """Opens the conversation of a row on the page of conversations itself; in a callback."""
    address.put(timeline=_spell_conversation(row))


def open_timeline(row: "pd.Series[Any]") -> None:
    """Leaves another page for the conversation of a row, with the same days; in a callback."""
    address.leave_for("conversations", timeline=_spell_conversation(row))


def open_conversation(page: Page, call: "pd.Series[Any]") -> None:
    """Leaves another page for the conversation of a call; in a callback.

    The days stay as they are, unless the call was made on a day that is not one of them: then they are
    those around it.
    """
    changes = {"timeline": _spell_conversation(call)}
    today = page.client.today(page.now)
    made = call["created_at"].tz_convert(page.client.timezone).date()
    if made not in Period.parse(DAYS.value()).at(today, page.client.first_day).range(today):
        is_new = made in DEFAULT_PERIOD.range(today)
        changes["days"] = DEFAULT_PERIOD.label if is_new else str(Days(made - AROUND, made + AROUND))
    address.leave_for("conversations", **changes)


def open_calls_of(page: Page, link: LinkedConversation) -> None:
    """Leaves another page for the list of a conversation's calls; in a callback."""
    value = str(link.conversation_id or link.phone_handle or "")
    chosen = page.filters.with_condition("conversation", [value]).query()
    address.leave_for("calls", **{"conversation!": None, **chosen})


def _spell_conversation(row: "pd.Series[Any]") -> str:
    """As the address names it: by its id, by the handle of its phone, or neither."""
    return str(row["conversation_id"] or row["phone_handle"] or _NO_CONVERSATION)


def _parse_timeline(value: str) -> str:
    if value == _NO_CONVERSATION or _HANDLE.fullmatch(value):
        return value
    try:
        return str(UUID(value))
    except ValueError:
        raise InvalidInput(
            f'timeline must be an id such as {UUID(int=0)}, not "{value[:_MAX_QUOTED]}"'
        ) from None


def _parse_call(value: str) -> str:
    try:
        return str(UUID(value))
    except ValueError:
        raise InvalidInput(f'call must be an id such as {UUID(int=0)}, not "{value[:_MAX_QUOTED]}"') from None


CALL = Part(name="call", parse=_parse_call, default="")
"""The call that is looked at: alone on the page of calls, below the others on a timeline."""
_TIMELINE = Part(name="timeline", parse=_parse_timeline, default="")
