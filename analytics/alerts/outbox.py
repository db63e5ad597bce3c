"""The outbox: every message is delivered at least once, or given up with its reason."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_fixed

from analytics.alerts.channels import Channel, Message, NotDelivered
from analytics.database import Database

MOST_ATTEMPTS = 8
_LEASE = timedelta(minutes=2)
"""How long a message is left to who took it; who died with it has it no more."""
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)
_AT_ONCE = 100

# Taking is counted as an attempt and committed before anything is sent, so that no row is locked meanwhile.
_TAKE = """
    update alert_deliveries as taken
    set attempt_count = taken.attempt_count + 1, due_at = %(lease)s
    from alert_events as event
    left join clients on clients.id = event.client_id
    where
        event.id = taken.event_id
        and taken.id in (
            select id
            from alert_deliveries
            where state = 'waiting' and due_at <= %(now)s and channel = %(channel)s
            order by due_at, id
            limit %(most)s
            for update skip locked
        )
    returning
        taken.id, taken.attempt_count, event.id, event.kind, clients.name, event.occurred_at, event.subject,
        event.threshold, event.evidence
"""

log = logging.getLogger(__name__)


def deliver(
    database: Database, channels: Sequence[Channel], now: datetime, base_url: str = ""
) -> tuple[int, int]:
    """Sends what is due on these channels. How many messages were taken, and how many were not.

    Raises:
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    taken = failed = 0
    for channel in channels:
        with database.transaction() as connection:
            rows = connection.execute(
                _TAKE, {"now": now, "lease": now + _LEASE, "channel": channel.name, "most": _AT_ONCE}
            ).fetchall()
        # A digest is one message; all else is one each.
        is_digest = channel.settings.digest_at is not None
        for batch in [rows] if is_digest and rows else [[row] for row in rows]:
            reason = _send(channel, batch, now, base_url)
            _note(database, [(row[0], row[1]) for row in batch], reason, now)
            taken, failed = (taken + 1, failed) if reason is None else (taken, failed + 1)
    return taken, failed


def _send(channel: Channel, rows: Sequence[Sequence[Any]], now: datetime, base_url: str) -> str | None:
    """Why the channel did not take it; None if it did."""
    events = [_event(row, base_url) for row in rows]
    if len(events) == 1:
        message = Message(events[0]["title"], _body(events[0]), events)
    else:
        text = "\n\n".join(f"{event['title']}\n{_body(event)}" for event in events)
        message = Message(f"Usage analytics: {len(events)} alerts", text, events)

    @retry(
        retry=retry_if_exception_type(NotDelivered),
        stop=stop_after_attempt(2),
        wait=wait_fixed(0.5),
        reraise=True,
    )
    def twice() -> None:
        channel.send(message, now)

    try:
        twice()
    except NotDelivered as error:
        log.warning('channel "%s" did not take an alert: %s', channel.name, error)
        return str(error)
    return None


def _note(database: Database, taken: Sequence[tuple[UUID, int]], reason: str | None, now: datetime) -> None:
    with database.transaction() as connection:
        for delivery_id, attempts in taken:
            if reason is None:
                connection.execute(
                    "update alert_deliveries set state = 'delivered', delivered_at = clock_timestamp(),"
                    " last_error = null where id = %s",
                    [delivery_id],
                )
                continue
            pause = min(_FIRST_PAUSE * 2 ** (attempts - 1), _LONGEST_PAUSE)
            connection.execute(
                "update alert_deliveries set state = %s, due_at = %s, last_error = %s where id = %s",
                ["failed" if attempts >= MOST_ATTEMPTS else "waiting", now + pause, reason, delivery_id],
            )


def _event(row: Sequence[Any], base_url: str) -> dict[str, Any]:
    """What a webhook is told of an event."""
    _, _, event_id, kind, client, occurred_at, subject, threshold, evidence = row
    facts: Mapping[str, Any] = evidence
    return {
        "id": str(event_id),
        "kind": kind,
        "client": client,
        "occurred_at": occurred_at.isoformat(),
        "subject": subject,
        "threshold": float(threshold),
        **facts,
        "link": f"{base_url}{facts.get('link', '')}" if base_url else "",
    }


def _body(event: Mapping[str, Any]) -> str:
    return "\n".join([*event.get("lines", ()), *([event["link"]] if event["link"] else [])])
