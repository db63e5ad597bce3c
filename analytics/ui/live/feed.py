"""The live feed of a client's calls: each refresh reads only what is new, in one round trip.

An open page keeps its feed. A refresh reads calls and minutes from a little before its newest call, as calls
may arrive late; every few minutes it reads all again, so that very late, changed and deleted calls are right,
too.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pandas as pd

from analytics import queries
from analytics.database import Database
from analytics.queries import NO_FILTERS, Filters

MAX_CALLS = 50
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
ARRIVAL_SLACK = MINUTE
"""A call that arrives up to this much late appears at once."""
ARRIVAL_SLACK_MINUTES = 2
CALLS_WITHIN = timedelta(days=1)
FULL_REFRESH_EVERY = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class Feed:
    """The calls and minutes of one client that an open page has at a moment."""

    client_id: UUID
    calls: pd.DataFrame
    """The newest calls, newest first; see queries.live_usage()."""
    minutes: pd.DataFrame
    """The minutes of the last hour; see queries.live_usage()."""
    read_at: datetime
    all_read_at: datetime
    """The last full refresh."""
    sees_phones: bool = False
    filters: Filters = NO_FILTERS
    failure: str | None = None
    """Why the last refresh failed; None where it did not."""

    @property
    def this_minute(self) -> datetime:
        """The beginning of the minute that is running."""
        return _minute(self.read_at)

    @property
    def first_minute(self) -> datetime:
        """The beginning of the hour: this minute and the 59 before it."""
        return self.this_minute - HOUR + MINUTE

    def span_of_minutes(self, count: int) -> tuple[datetime, datetime]:
        """When the last `count` minutes that are over begin and end."""
        return self.this_minute - count * MINUTE, self.this_minute

    @property
    def span_of_hour(self) -> tuple[datetime, datetime]:
        """When the hour begins and ends, the running minute included."""
        return self.first_minute, self.this_minute + MINUTE

    def last_minutes(self, count: int) -> dict[str, Any]:
        """Sums over the last `count` minutes that are over."""
        begin, end = self.span_of_minutes(count)
        minutes = self.minutes
        return _sums(minutes[(minutes["minute_at"] >= begin) & (minutes["minute_at"] < end)])

    def hour(self) -> dict[str, Any]:
        """Sums over the hour, the running minute included."""
        return _sums(self.minutes)


def read_feed(
    database: Database,
    client_id: UUID,
    now: datetime,
    *,
    sees_phones: bool = False,
    filters: Filters = NO_FILTERS,
) -> Feed:
    """Reads the whole feed."""
    calls, minutes = queries.live_usage(
        database,
        client_id,
        calls_since=now - CALLS_WITHIN,
        minutes_since=_minute(now) - HOUR + MINUTE,
        until=_minute(now) + MINUTE,
        limit=MAX_CALLS,
        sees_phones=sees_phones,
        filters=filters,
    )
    return Feed(
        client_id=client_id,
        calls=calls,
        minutes=minutes,
        read_at=now,
        sees_phones=sees_phones,
        filters=filters,
        all_read_at=now,
    )


def renew_feed(feed: Feed, database: Database, now: datetime) -> Feed:
    """The feed at a later moment; reads only what may be new."""
    if now - feed.all_read_at >= FULL_REFRESH_EVERY:
        return read_feed(database, feed.client_id, now, sees_phones=feed.sees_phones, filters=feed.filters)
    # A writer whose clock is ahead must not hide the calls of the others.
    newest_at = min([feed.read_at, *feed.calls["created_at"].head(1)])
    begin = _minute(feed.read_at) - ARRIVAL_SLACK_MINUTES * MINUTE
    calls, minutes = queries.live_usage(
        database,
        feed.client_id,
        calls_since=max(newest_at - ARRIVAL_SLACK, now - CALLS_WITHIN),
        minutes_since=begin,
        until=_minute(now) + MINUTE,
        limit=MAX_CALLS,
        sees_phones=feed.sees_phones,
        filters=feed.filters,
    )
    hour_begin = _minute(now) - HOUR + MINUTE
    earlier = feed.minutes
    earlier = earlier[(earlier["minute_at"] >= hour_begin) & (earlier["minute_at"] < begin)]
    newest = _joined([calls, feed.calls]).drop_duplicates("id")
    newest = newest.sort_values(["created_at", "id"], ascending=False).head(MAX_CALLS)
    return replace(
        feed,
        calls=newest.reset_index(drop=True),
        minutes=_joined([earlier, minutes]).reset_index(drop=True),
        read_at=now,
        failure=None,
    )


def _sums(minutes: pd.DataFrame) -> dict[str, Any]:
    counts = ("total_tokens", "request_count", "unpriced_count", "zero_token_count")
    return {
        **{name: int(minutes[name].sum()) for name in counts},
        "total_cost": sum(minutes["total_cost"], Decimal(0)),
    }


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _joined(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    frames = list(frames)
    return pd.concat([frame for frame in frames if not frame.empty] or frames[:1])
