"""What happened, as rules tell it and as it is kept: one row per thing, whoever sees it and however often."""

import json
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import psycopg

from analytics.alerts.channels import Channel

Kind = Literal["actual", "forecast", "anomaly", "burst", "unpriced", "silence", "prices", "channel", "check"]

Key = tuple[Kind, UUID | None, str, datetime, Decimal]
"""What tells an event of a client from its others: kind, version, subject, period and threshold."""
ALWAYS = datetime(2000, 1, 1, tzinfo=UTC)
"""The period of what has none: it happens once, until it is no more so."""

_KEEP = """
    insert into alert_events as kept (
        client_id, kind, budget_version_id, subject, period_at, threshold, occurred_at, evidence
    )
    values (%s, %s, %s, %s, %s, %s, %s, %s::jsonb)
    on conflict on constraint alert_events_once do update
    set
        resolved_at = null,
        acknowledged_at = null,
        acknowledged_by = null,
        occurrence = kept.occurrence + %s,
        evidence = excluded.evidence
    where kept.resolved_at is not null
    returning id, occurrence
"""
_TELL = """
    insert into alert_deliveries (event_id, occurrence, channel, due_at)
    select %(event)s, %(occurrence)s, %(channel)s, %(due)s
    where
        not exists (
            select
            from alert_mutes as mute
            where
                mute.muted_until > %(now)s
                and (mute.client_id is null or mute.client_id = %(client)s)
                and (mute.kind is null or mute.kind = %(kind)s)
                and (
                    mute.budget_id is null
                    or mute.budget_id = (
                        select budget_id from budget_versions where budget_versions.id = %(version)s
                    )
                )
        )
    on conflict on constraint alert_deliveries_once do nothing
"""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that is so: kind, client, version, subject, period and threshold tell it from all else."""

    kind: Kind
    client_id: UUID | None
    period_at: datetime
    title: str
    """A line: `Acme: All has spent 82 % of $500.00`."""
    lines: Sequence[str] = ()
    """What else is known: spent, limit, pace, driver."""
    link: str = ""
    """The path and query of the view that shows it."""
    version_id: UUID | None = None
    subject: str = ""
    threshold: Decimal = Decimal(0)
    repeats: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The numbers of the moment."""

    @property
    def key(self) -> Key:
        return self.kind, self.version_id, self.subject, self.period_at, self.threshold

    def evidence(self) -> str:
        """What is kept with the event, as JSON."""
        kept = {"title": self.title, "lines": list(self.lines), "link": self.link, **self.facts}
        return json.dumps(kept, default=str)


def keep(
    connection: "psycopg.Connection[Any]", events: Iterable[Event], channels: Sequence[Channel], now: datetime
) -> int:
    """Keeps what is not known yet, and puts it into the outbox of each channel, in the caller's transaction.

    What was resolved and is so again is open again; it is told again only where the event repeats. How many
    were told.
    """
    told = 0
    for event in events:
        kept = connection.execute(
            _KEEP,
            [
                *(event.client_id, event.kind, event.version_id, event.subject, event.period_at),
                *(event.threshold, now, event.evidence(), int(event.repeats)),
            ],
        ).fetchone()
        if kept is None:
            continue
        event_id, occurrence = kept
        told += 1
        for channel in channels:
            if channel.is_for(event.kind, event.client_id, event.subject):
                connection.execute(
                    _TELL,
                    {
                        "event": event_id,
                        "occurrence": occurrence,
                        "channel": channel.name,
                        "due": channel.due_at(now),
                        "now": now,
                        "client": event.client_id,
                        "kind": event.kind,
                        "version": event.version_id,
                    },
                )
    return told


def open_events(connection: "psycopg.Connection[Any]", client_id: UUID | None) -> dict[Key, UUID]:
    """The events of a client that are still so, as far as is known, with their ids."""
    rows = connection.execute(
        "select kind, budget_version_id, subject, period_at, threshold, id from alert_events"
        " where resolved_at is null and client_id is not distinct from %s",
        [client_id],
    ).fetchall()
    return {tuple(key): event_id for *key, event_id in rows}


def resolve(
    connection: "psycopg.Connection[Any]",
    kinds: Sequence[Kind],
    client_id: UUID | None,
    still: Iterable[Event],
    now: datetime,
    *,
    among: Collection[UUID],
    looked_at: Container[tuple[UUID, datetime]] = (),
) -> None:
    """Resolves the open events of these kinds that are no more so: spend fell back, a price was added.

    `among` are those that were open before it was looked at what is so: what another process found after
    that, by whatever clock, is not known here.
    Of budgets only those of the periods that were `looked_at`, by whatever version; those of other periods
    stay, and those of archived budgets are over.
    """
    known = {event.key for event in still}
    rows = connection.execute(
        "select event.id, budget.id, budget.archived_at, event.kind, event.budget_version_id, event.subject,"
        " event.period_at, event.threshold"
        " from alert_events as event"
        " left join budget_versions as version on version.id = event.budget_version_id"
        " left join budgets as budget on budget.id = version.budget_id"
        " where event.resolved_at is null and event.kind = any(%s)"
        " and event.client_id is not distinct from %s"
        " and event.id = any(%s)",
        [list(kinds), client_id, list(among)],
    ).fetchall()
    over = [
        event_id
        for event_id, budget_id, archived_at, *key in rows
        if tuple(key) not in known
        and (budget_id is None or archived_at is not None or (budget_id, key[3]) in looked_at)
    ]
    if over:
        connection.execute("update alert_events set resolved_at = %s where id = any(%s)", [now, over])
