"""What of whom went, and what is to go now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from analytics.database import Database, Query

PAUSE_AFTER_RESTORE = timedelta(days=30)
"""Calls that were brought back are there to be looked at, not to go again the next night."""
_SPANS = """
    select
        dropped.id, dropped.client_id, client.name as client_name, dropped.first_date, dropped.end_date,
        nullif(dropped.first_at, '-infinity') as first_at, dropped.end_at, dropped.timezone, dropped.archive,
        dropped.archived_as, dropped.call_count, dropped.total_tokens, dropped.cost_usd,
        dropped.archived_bytes, dropped.deleted_count, dropped.deleted_bytes, dropped.dropped_at,
        dropped.restoring_at
    from dropped_calls as dropped
    inner join clients as client on client.id = dropped.client_id
    where
        dropped.restored_at is null
        and (%(client_id)s::uuid is null or dropped.client_id = %(client_id)s)
    order by lower(client.name), dropped.client_id, dropped.end_at
"""
# A client that has a day of calls to lose. Adopted calls may have been made at infinity.
_DUE = """
    select
        client.id as client_id, client.name as client_name, first.first_date, last.end_date,
        (%(now)s at time zone client.timezone)::time as clock, rule.archive,
        client.raw_since is not null as is_begun
    from clients as client
    cross join lateral (
        select keep_days, archive
        from retention_rules
        where client_id = client.id or client_id is null
        order by client_id nulls last
        limit 1
    ) as rule
    cross join lateral (
        select (%(now)s at time zone client.timezone)::date - rule.keep_days as end_date
    ) as last
    cross join lateral (
        select coalesce(client.raw_since, first_usage_date(client.id)) as first_date
    ) as first
    where
        first.first_date < last.end_date
        and (%(client_id)s::uuid is null or client.id = %(client_id)s)
        and not exists (
            select
            from dropped_calls as dropped
            where
                dropped.client_id = client.id
                and (
                    dropped.restored_at > %(now)s - %(pause)s::interval
                    or dropped.restoring_at is not null and dropped.restored_at is null
                )
        )
    order by lower(client.name), client.id
"""
_LAST_RUN = """
    select
        (select exists (select from retention_rules where keep_days is not null)),
        (select max(set_at) from retention_rules where keep_days is not null),
        run.begun_at, run.ended_at, run.deleted_count, run.deleted_bytes, run.error
    from (values (1)) as one (row)
    left join lateral (
        select * from retention_runs order by begun_at desc limit 1
    ) as run on true
"""


@dataclass(frozen=True, kw_only=True)
class Span:
    """Calls of a client that went, or are going, and were not brought back."""

    id: UUID
    client_id: UUID
    client_name: str
    first_date: date
    end_date: date
    """The day after the last one."""
    first_at: datetime | None
    """None: from the beginning."""
    end_at: datetime
    timezone: str
    archive: str | None
    archived_as: str | None
    """Its file in the archive, once that is written and read back."""
    call_count: int | None
    total_tokens: int | None
    cost_usd: Decimal | None
    archived_bytes: int | None
    deleted_count: int
    deleted_bytes: int
    dropped_at: datetime | None
    restoring_at: datetime | None

    @property
    def last_date(self) -> date:
        return self.end_date - timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Due:
    """Calls of a client that are older than its rule keeps them."""

    client_id: UUID
    client_name: str
    first_date: date
    end_date: date
    """The day after the last one."""
    hour: int
    """Of the client's clock, now."""
    archive: str | None
    is_begun: bool
    """Whether some of its calls went before."""

    @property
    def ends(self) -> Sequence[date]:
        """Where its parts end: months of the calendar, and the last day."""
        ends, end = [], self.first_date
        while end < self.end_date:
            end = min((end.replace(day=1) + timedelta(days=32)).replace(day=1), self.end_date)
            ends.append(end)
        return ends


@dataclass(frozen=True, kw_only=True)
class LastRun:
    """How retention goes."""

    has_rules: bool
    rules_set_at: datetime | None
    begun_at: datetime | None
    """None: there was no run yet that had something to do."""
    ended_at: datetime | None
    deleted_count: int | None
    deleted_bytes: int | None
    error: str | None


def list_spans(database: Database, client_id: UUID | None = None) -> list[Span]:
    """All that went and was not brought back, of one client or of all, the oldest first."""
    [rows] = database.read(Query(statement=_SPANS, parameters={"client_id": client_id}))
    return [Span(**dict(zip(rows.columns, record, strict=True))) for record in rows.records]


def due_now(database: Database, now: datetime, client_id: UUID | None = None) -> list[Due]:
    """What is to go now, of one client or of all."""
    [rows] = database.read(
        Query(statement=_DUE, parameters={"now": now, "client_id": client_id, "pause": PAUSE_AFTER_RESTORE})
    )
    return [
        Due(
            client_id=who,
            client_name=name,
            first_date=first,
            end_date=end,
            hour=clock.hour,
            archive=archive,
            is_begun=is_begun,
        )
        for who, name, first, end, clock, archive, is_begun in rows.records
    ]


def last_run(database: Database) -> LastRun:
    """Whether there are rules, and what the last run did."""
    [rows] = database.read(Query(statement=_LAST_RUN))
    names = ("has_rules", "rules_set_at", "begun_at", "ended_at", "deleted_count", "deleted_bytes", "error")
    return LastRun(**dict(zip(names, rows.records[0], strict=True)))
