"""The outbox: every message is delivered at least once, or given up with its reason."""

import logging
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID

from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_fixed

from analytics.alerts.channels import Channel, Message, NotDelivered
from analytics.database import Database
from analytics.errors import AnalyticsError

MOST_ATTEMPTS = 30
"""Over a day: a mail server that is down for a night loses nothing."""
_LEASE = timedelta(minutes=2)
"""How long a message is left to who took it; who died with it has it no more."""
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)
_IN_DIGEST = 100
_MOST_SECONDS = 30.0
"""What channels have together, so that the next look is not late; what is left waits for it."""

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
_busy: set[tuple[str, str]] = set()
"""Databases and channels that a thread is still telling: who hangs is not asked a second time."""
_busy_lock = threading.Lock()


def deliver(
    database: Database, channels: Sequence[Channel], now: datetime, base_url: str = ""
) -> tuple[int, int]:
    """Sends what is due on these channels, side by side. How many messages were taken, and how many not.

    One that hangs holds up neither the others nor the caller for longer than half a minute: it goes on in
    the background, and what it has not told by then waits.

    Raises:
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    told = [_Telling(database, channel, now, base_url) for channel in channels]
    ends = monotonic() + _MOST_SECONDS
    for each in told:
        each.start()
    for each in told:
        each.join(max(ends - monotonic(), 0))
    for each in told:
        if each.trouble is not None:
            raise each.trouble
    return sum(each.taken for each in told), sum(each.failed for each in told)


class _Telling(threading.Thread):
    """Tells a channel what is due, one message after the other, until it refuses one."""

    def __init__(self, database: Database, channel: Channel, now: datetime, base_url: str) -> None:
        super().__init__(name=f"alerts to {channel.name}", daemon=True)
        self._database, self._channel, self._now, self._base_url = database, channel, now, base_url
        self.taken = self.failed = 0
        self.trouble: AnalyticsError | None = None

    def run(self) -> None:
        place = (str(self._database.url), self._channel.name)
        with _busy_lock:
            if place in _busy:
                return
            _busy.add(place)
        try:
            self._tell()
        except AnalyticsError as error:
            self.trouble = error
        finally:
            with _busy_lock:
                _busy.discard(place)

    def _tell(self) -> None:
        # A digest is one message; all else is one each.
        most = 1 if self._channel.settings.digest_at is None else _IN_DIGEST
        ends = monotonic() + _MOST_SECONDS
        # No row is taken before it can be sent: others would wait for its lease, or tell it, too.
        while monotonic() < ends and not self._channel.is_quiet(self._now):
            parameters = {"now": self._now, "lease": self._now + _LEASE, "most": most}
            with self._database.transaction() as connection:
                rows = connection.execute(_TAKE, {**parameters, "channel": self._channel.name}).fetchall()
            if not rows:
                return
            reason = _send(self._channel, rows, self._now, self._base_url)
            _note(self._database, [(row[0], row[1]) for row in rows], reason, self._now)
            if reason is not None:
                self.failed += 1
                return
            self.taken += 1


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
                # Who was slow must not send again what another has delivered meanwhile.
                "update alert_deliveries set state = %s, due_at = %s, last_error = %s"
                " where id = %s and state = 'waiting'",
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
        # Where nobody says where the dashboard is, its path and query.
        "link": f"{base_url}{facts.get('link', '')}",
    }


def _body(event: Mapping[str, Any]) -> str:
    is_whole = "://" in event["link"]
    return "\n".join([*event.get("lines", ()), *([event["link"]] if is_whole else [])])
