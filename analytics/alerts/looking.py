"""A look at everything that there is to tell of."""

import logging
import os
import platform
from collections.abc import Container, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from analytics import locks
from analytics.alerts.channels import Channel, read_channels
from analytics.alerts.crossings import crossings
from analytics.alerts.events import Event, Kind, keep, open_events, resolve
from analytics.alerts.rules import health_findings, link_of, unpriced_models, unusual_times
from analytics.clients import Client, list_clients
from analytics.config import anomaly_sensitivity
from analytics.database import Database, Query
from analytics.errors import AnalyticsError
from analytics.formatting import counted

EVERY = timedelta(minutes=1)
_SPARED = timedelta(seconds=45)
"""A look that began less than this ago is enough for all processes."""
_MISSED = timedelta(minutes=5)
"""Looks that are further apart are told of."""
_KEPT = timedelta(days=7)
_CHANNEL_FAILURES = timedelta(days=1)
_SLOW_KINDS: tuple[Kind, ...] = ("unpriced", "silence", "prices")
# due_at is when a message is tried next: as long after the last attempt as deliver() pauses.
_FAILING = """
    select failed.channel, count(*), count(*) filter (where failed.state = 'failed'), max(failed.tried_at)
    from (
        select
            channel,
            state,
            due_at - least(interval '30 s' * 2 ^ (least(attempt_count, 9) - 1), interval '1 h') as tried_at
        from alert_deliveries
        where state <> 'delivered' and attempt_count >= 4 and last_error is not null
    ) as failed
    where
        failed.tried_at > %(since)s
        and not exists (
            select
            from alert_deliveries as taken
            where taken.channel = failed.channel and taken.delivered_at > failed.tried_at
        )
    group by failed.channel
"""

log = logging.getLogger(__name__)


def check(
    database: Database,
    now: datetime,
    *,
    secrets: Mapping[str, Any] | None = None,
    is_slow_due: bool = True,
    is_forced: bool = True,
    only: Container[UUID | None] | None = None,
) -> int | None:
    """Looks at all budgets, and where `is_slow_due` at all clients' calls; keeps and tells what is new.

    With `only` it looks at these clients; None among them is all clients together.

    How many events are new. None: another process looked just now, and `is_forced` is false; or there is
    neither a budget nor a channel, so that nobody wants to know.

    Raises:
        ConfigurationError: a channel or the sensitivity is not valid.
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    clients = list_clients(database)
    names = {name: client.id for client in clients for name in (client.name.lower(), str(client.id))}
    channels = read_channels(secrets, names)
    sensitivity = anomaly_sensitivity(secrets)
    begun = _begin(database, now, has_channels=bool(channels), is_forced=is_forced)
    if begun is None:
        return None
    check_id, missed = begun
    # Of whom a channel is told that is none, nobody is told; that must not be silent.
    count, failures = 0, [unknown for channel in channels if (unknown := channel.unknown_clients(names))]
    told_of = _told_of(database)
    for whose in (*(each for each in clients if is_slow_due or each.id in told_of), None):
        if only is not None and (whose and whose.id) not in only:
            continue
        try:
            count += _check_one(
                database, whose, channels, now, is_slow_due=is_slow_due, sensitivity=sensitivity
            )
        except AnalyticsError as error:
            # One client's trouble is no reason to be silent about the others.
            log.warning(
                "alerts of %s could not be checked: %s", whose.name if whose else "all clients", error
            )
            failures.append(f"{whose.name if whose else 'all clients'}: {error}")
    with database.transaction() as connection:
        count += keep(connection, missed, channels, now)
        connection.execute(
            "update alert_checks set finished_at = clock_timestamp(), event_count = %s, error = %s"
            " where id = %s",
            [count, "; ".join(failures)[:500] or None, check_id],
        )
        connection.execute("delete from alert_checks where started_at < %s", [now - _KEPT])
    return count


def _told_of(database: Database) -> set[UUID | None]:
    """The clients of which a quick look may tell something: they have a budget, or an event that is open."""
    [rows] = database.read(
        Query(
            statement="select client_id from budgets where archived_at is null"
            " union select client_id from alert_events where resolved_at is null"
        )
    )
    return {client_id for (client_id,) in rows.records}


def has_budgets(database: Database) -> bool:
    """Whether there is a budget that is not archived."""
    [rows] = database.read(Query(statement="select exists (select from budgets where archived_at is null)"))
    return bool(rows.records[0][0])


def _check_one(
    database: Database,
    client: Client | None,
    channels: Sequence[Channel],
    now: datetime,
    *,
    is_slow_due: bool,
    sensitivity: str,
) -> int:
    """A client's budgets and calls, or those of all clients together, in one transaction."""
    client_id = client.id if client else None
    with database.transaction() as connection:
        known = open_events(connection, client_id)
    crossed = crossings(database, client, now, known, is_slow_due=is_slow_due)
    slow: list[Event] = []
    if client is not None and is_slow_due:
        slow = [*unpriced_models(database, client, now), *health_findings(database, client, now)]
        slow += unusual_times(database, client, now, sensitivity)
    if client is None:
        slow = _failing_channels(database, now)
    # What was not worked out this time is as it was.
    kinds: tuple[Kind, ...] = ("actual", "forecast") if is_slow_due or client is not None else ("actual",)
    with database.transaction() as connection:
        told = keep(connection, [*crossed.events, *slow], channels, now)
        among = known.values()
        resolve(connection, kinds, client_id, crossed.events, now, among=among, looked_at=crossed.looked_at)
        if client is None:
            resolve(connection, ("channel",), None, slow, now, among=among)
        elif is_slow_due:
            resolve(connection, _SLOW_KINDS, client_id, slow, now, among=among)
    return told


def _begin(
    database: Database, now: datetime, *, has_channels: bool, is_forced: bool
) -> tuple[UUID, list[Event]] | None:
    """The row of this look, and what is to be told of looks that did not happen; None where none is due."""
    with database.transaction() as connection:
        # Only spares work: that an event is kept once is for its key to see to.
        [(is_alone,)] = connection.execute("select pg_try_advisory_xact_lock(%s)", [locks.ALERTS]).fetchall()
        if not is_alone and not is_forced:
            return None
        [(last, wanted)] = connection.execute(
            "select (select max(started_at) from alert_checks),"
            " exists (select from budgets where archived_at is null)"
        ).fetchall()
        # A clock that is far ahead must not silence all others.
        is_spared = last is not None and -_MISSED < now - last < _SPARED
        if not is_forced and (is_spared or not (wanted or has_channels)):
            return None
        [(check_id,)] = connection.execute(
            "insert into alert_checks (started_at, checked_by) values (%s, %s) returning id",
            [now, f"{platform.node()} {os.getpid()}"],
        ).fetchall()
    if last is None or now - last < _MISSED:
        return check_id, []
    missed = Event(
        kind="check",
        client_id=None,
        period_at=last,
        title=f"No check of alerts from {last:%d %b %H:%M} to {now:%H:%M} UTC",
        lines=["nothing was told in that time; what it would have told of is told now"],
        link=link_of("budgets", None),
        facts={"from": last, "to": now},
    )
    return check_id, [missed]


def _failing_channels(database: Database, now: datetime) -> list[Event]:
    """Channels that refused a message again and again in the last day, and took none since."""
    with database.transaction() as connection:
        rows = connection.execute(_FAILING, {"now": now, "since": now - _CHANNEL_FAILURES}).fetchall()
    return [
        Event(
            kind="channel",
            client_id=None,
            subject=name,
            period_at=last.replace(hour=0, minute=0, second=0, microsecond=0),
            title=f'Channel "{name}" fails: {counted(count, "message")} not delivered',
            lines=[
                f"{given_up} given up" if given_up else "tried again for a day",
                "python -m analytics alerts test says why",
            ],
            link=link_of("data_health", None),
        )
        for name, count, given_up, last in rows
    ]
