"""Alerts as they are read: events of a client, and how looking and telling goes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from analytics.database import Database, Query, Rows
from analytics.queries.sql_function import SqlFunction

ALERTS = SqlFunction(
    function="get_alerts",
    arguments=("client_id", "limit"),
    columns=dict.fromkeys(
        (
            *("event_id", "kind", "budget_id", "subject", "period_at", "threshold", "occurred_at"),
            *("occurrence", "evidence", "resolved_at", "acknowledged_at", "acknowledged_by"),
        ),
        "object",
    ),
)
"""The events of a client, open ones first; see get_alerts() in SQL."""
MOST_ALERTS = 100

_CROSSINGS = """
    select
        event.kind, event.subject, (event.period_at at time zone 'UTC')::date, event.threshold,
        event.occurred_at
    from alert_events as event
    inner join budget_versions as version on version.id = event.budget_version_id
    where version.budget_id = %(budget_id)s and event.kind in ('actual', 'forecast')
    order by event.occurred_at, event.threshold, event.kind
"""
_MUTES = """
    select mute.muted_until, mute.muted_by, mute.kind, budget.name
    from alert_mutes as mute
    left join budgets as budget on budget.id = mute.budget_id
    where mute.client_id is not distinct from %(client_id)s and mute.muted_until > %(now)s
    order by mute.muted_until desc, mute.id
"""
_STATE = """
    select
        (select max(started_at) from alert_checks where finished_at is not null),
        (select error from alert_checks order by started_at desc limit 1),
        (select count(*) from alert_events where resolved_at is null and acknowledged_at is null),
        (select count(*) from alert_deliveries where state = 'waiting'),
        (select count(*) from alert_deliveries where state = 'failed'),
        exists (select from budgets where archived_at is null)
"""
_CHANNELS = """
    select
        channel,
        max(delivered_at),
        count(*) filter (where state = 'waiting'),
        count(*) filter (where state = 'failed'),
        (array_agg(last_error order by due_at desc) filter (where last_error is not null))[1]
    from alert_deliveries
    group by channel
"""


@dataclass(frozen=True, kw_only=True)
class Alert:
    """An event as it is shown."""

    event_id: UUID
    kind: str
    budget_id: UUID | None
    subject: str
    period_at: datetime
    threshold: Decimal
    occurred_at: datetime
    occurrence: int
    evidence: Mapping[str, Any]
    resolved_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None

    @property
    def title(self) -> str:
        return str(self.evidence.get("title", self.kind))

    @property
    def lines(self) -> Sequence[str]:
        return [str(line) for line in self.evidence.get("lines", ())]

    @property
    def link(self) -> str:
        """The path and query of the view that shows it; empty where there is none."""
        return str(self.evidence.get("link", ""))

    @property
    def is_open(self) -> bool:
        """Whether somebody should look."""
        return self.resolved_at is None and self.acknowledged_at is None


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """A threshold of a budget that was reached, whether or not it still is."""

    kind: str
    """actual or forecast."""
    subject: str
    """The value of a budget that is split; empty where it is not."""
    first_date: date
    """Of the period."""
    threshold: Decimal
    """Percent."""
    occurred_at: datetime
    """When that was first seen."""


@dataclass(frozen=True, kw_only=True)
class Mute:
    """A wish that no channel is told for a while."""

    muted_until: datetime
    muted_by: str
    kind: str | None
    """None: of any kind."""
    budget_name: str | None
    """None: of any budget, and of what has none."""


@dataclass(frozen=True, kw_only=True)
class AlertState:
    """How looking and telling goes, of the whole installation."""

    checked_at: datetime | None
    """The last look that came to its end; None: there was none."""
    error: str | None
    open_count: int
    waiting_count: int
    failed_count: int
    has_budgets: bool


@dataclass(frozen=True, kw_only=True)
class ChannelState:
    """What became of messages of a channel."""

    name: str
    delivered_at: datetime | None
    waiting_count: int
    failed_count: int
    last_error: str | None


def alerts_query(client_id: UUID | None) -> Query:
    """What alerts_of() takes the answer of; None: those of all clients together, which only an owner sees."""
    return ALERTS.query(client_id=client_id, limit=MOST_ALERTS)


def alerts_of(rows: Rows) -> list[Alert]:
    return [Alert(**record) for record in ALERTS.records(rows)]


def load_alerts(database: Database, client_id: UUID | None) -> list[Alert]:
    """The newest events of a client, open ones first; of all clients together where it is None."""
    [rows] = database.read(alerts_query(client_id), client_id=client_id)
    return alerts_of(rows)


def load_crossings(database: Database, client_id: UUID | None, budget_id: UUID) -> list[Crossing]:
    """What was crossed of a budget, the first one first."""
    query = Query(statement=_CROSSINGS, parameters={"budget_id": budget_id})
    [rows] = database.read(query, client_id=client_id)
    names = ("kind", "subject", "first_date", "threshold", "occurred_at")
    return [Crossing(**dict(zip(names, record, strict=True))) for record in rows.records]


def load_mutes(database: Database, client_id: UUID | None, now: datetime) -> list[Mute]:
    """The wishes of a client that still hold, the longest first; those of all clients where it is None."""
    query = Query(statement=_MUTES, parameters={"client_id": client_id, "now": now})
    [rows] = database.read(query, client_id=client_id)
    names = ("muted_until", "muted_by", "kind", "budget_name")
    return [Mute(**dict(zip(names, record, strict=True))) for record in rows.records]


def count_open_alerts(database: Database, client_id: UUID) -> int:
    """How many events of a client nobody has seen, and still are so."""
    statement = (
        "select count(*) from alert_events"
        " where client_id = %(client_id)s and resolved_at is null and acknowledged_at is null"
    )
    [rows] = database.read(
        Query(statement=statement, parameters={"client_id": client_id}), client_id=client_id
    )
    return int(rows.records[0][0])


def alert_state(database: Database) -> AlertState:
    """For whoever runs the installation."""
    [rows] = database.read(Query(statement=_STATE))
    checked_at, error, opened, waiting, failed, has_budgets = rows.records[0]
    return AlertState(
        checked_at=checked_at,
        error=error,
        open_count=opened,
        waiting_count=waiting,
        failed_count=failed,
        has_budgets=has_budgets,
    )


def channel_states(database: Database) -> list[ChannelState]:
    """Of each channel that ever had a message; for whoever runs the installation."""
    [rows] = database.read(Query(statement=_CHANNELS))
    return [
        ChannelState(
            name=name,
            delivered_at=delivered_at,
            waiting_count=waiting,
            failed_count=failed,
            last_error=error,
        )
        for name, delivered_at, waiting, failed, error in rows.records
    ]
