"""What single calls are looked at by: one conversation's timeline, and the live view. One round trip each."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import pandas as pd

from analytics.database import Database
from analytics.queries.models import CALLS_PER_TIMELINE, LIVE_CALLS
from analytics.queries.sql_function import BY_MINUTE, CALLS_SINCE, CONVERSATION_CALLS, FOUND_CONVERSATIONS

# Among so many that a search for one conversation finds, it is.
_MOST_NAMESAKES = 1_000


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """One conversation and its calls, from one snapshot."""

    conversation: pd.DataFrame
    """Its row of found_conversations(); none where it was not used in the period."""
    calls: pd.DataFrame
    """Those of conversation_calls()."""


def conversation_timeline(
    database: Database,
    client_id: UUID,
    first: date,
    last: date,
    *,
    conversation_id: UUID | None,
    phone_handle: str | None,
    limit: int = CALLS_PER_TIMELINE,
    sees_phones: bool = False,
) -> Timeline:
    """One conversation: by its id, by the handle of the phone of calls that have none, or by neither."""
    days = {"client_id": client_id, "first_date": first, "last_date": last}
    found_rows, call_rows = database.read(
        FOUND_CONVERSATIONS.query(
            **days,
            search=str(conversation_id or phone_handle or ""),
            sort="tokens",
            descending=True,
            limit=_MOST_NAMESAKES,
            offset=0,
        ),
        CONVERSATION_CALLS.query(
            **days, conversation_id=conversation_id, phone_handle=phone_handle, limit=limit
        ),
        client_id=client_id,
        sees_phones=sees_phones,
    )
    found = FOUND_CONVERSATIONS.frame(found_rows)
    is_it = [
        (found_id, found_handle) == (conversation_id, phone_handle)
        for found_id, found_handle in zip(found["conversation_id"], found["phone_handle"], strict=True)
    ]
    return Timeline(conversation=found[is_it], calls=CONVERSATION_CALLS.frame(call_rows))


def live_usage(
    database: Database,
    client_id: UUID,
    *,
    calls_since: datetime,
    minutes_since: datetime,
    until: datetime,
    limit: int = LIVE_CALLS,
    sees_phones: bool = False,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """calls_since() and, up to `until`, usage_by_minute(), from one snapshot."""
    call_rows, minute_rows = database.read(
        CALLS_SINCE.query(client_id=client_id, since=calls_since, limit=limit),
        BY_MINUTE.query(client_id=client_id, since=minutes_since, until=until),
        client_id=client_id,
        sees_phones=sees_phones,
    )
    return CALLS_SINCE.frame(call_rows), BY_MINUTE.frame(minute_rows)
