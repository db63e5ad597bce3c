"""Alerts: one event per crossing, told at least once, by the numbers that the pages show."""

import hashlib
import hmac
import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email import message_from_bytes
from email.policy import default as default_policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import pytest
from aiosmtpd.controller import Controller

from analytics.alerts import acknowledge, check, deliver, mute, read_channels, test_channel, unmute
from analytics.alerts.channels import SIGNATURE, Channel
from analytics.alerts.events import open_events, resolve
from analytics.alerts.every_minute import EveryMinute
from analytics.alerts.outbox import MOST_ATTEMPTS
from analytics.config import alert_channels
from analytics.database import Database
from analytics.errors import ConfigurationError, InvalidInput
from analytics.migrations import SQL_DIRECTORY
from analytics.queries import Filters
from analytics.queries.alerts import alert_state, channel_states, load_alerts
from tests import factories
from tests.connections import dsn
from tests.processes import free_port

NOW = factories.NOW
test_channel.__test__ = False  # type: ignore[attr-defined]  # a function of ours, not a test


class Webhook:
    """A server on this machine that keeps what is posted to it, and answers as it is told."""

    def __init__(self) -> None:
        self.received: list[tuple[Mapping[str, str], bytes]] = []
        self.status = 200
        self.held = threading.Event()
        self.held.set()
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                webhook.received.append((dict(self.headers), body))
                webhook.held.wait(30)
                self.send_response(webhook.status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook-of-acme"

    @contextmanager
    def running(self) -> Iterator["Webhook"]:
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.held.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    @property
    def titles(self) -> list[str]:
        return [json.loads(body)["title"] for _, body in self.received]


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook().running() as running:
        yield running


def secrets_of(**channels: Mapping[str, Any]) -> dict[str, Any]:
    return {"alerts": {"channels": channels}}


def spend(database: Database, client_id: UUID, usd: object, at: datetime = NOW, **columns: Any) -> None:
    row = factories.usage_log(client_id, created_at=at, cost_usd=Decimal(str(usd)), **columns)
    factories.insert_usage(database, row)


def look(database: Database, now: datetime = NOW, **channels: Mapping[str, Any]) -> int | None:
    return check(database, now, secrets=secrets_of(**channels))


def send(database: Database, now: datetime = NOW, **channels: Mapping[str, Any]) -> tuple[int, int]:
    return deliver(database, read_channels(secrets_of(**channels)), now, "https://usage.example.com")


def thresholds(*percents: int, on: str = "actual") -> list[dict[str, object]]:
    return [{"percent": percent, "on": on} for percent in percents]


@pytest.fixture
def acme(database: Database) -> UUID:
    client_id = factories.client(database)
    factories.budget(database, client_id, thresholds=thresholds(50, 100))
    return client_id


def test_a_crossing_is_told_once(database: Database, acme: UUID, webhook: Webhook) -> None:
    hook = {"webhook": webhook.url, "secret": "s3cret"}
    assert look(database, ops=hook) == 0

    spend(database, acme, 60)
    assert look(database, ops=hook) == 1
    assert look(database, ops=hook) == 0
    assert look(database, NOW + timedelta(minutes=1), ops=hook) == 0
    assert send(database, ops=hook) == (1, 0)
    assert send(database, ops=hook) == (0, 0)
    assert send(database, NOW + timedelta(days=2), ops=hook) == (0, 0)

    [(headers, body)] = webhook.received
    told = json.loads(body)
    assert told["title"] == "Acme: All reached 50 % of $100.00, $60.00 spent"
    [event] = told["events"]
    assert (event["kind"], Decimal(event["spent"]), Decimal(event["limit"])) == ("actual", 60, 100)
    assert event["threshold"] == 50
    assert event["lines"][0] == "spent $60.00, resets Wed 1 Apr 00:00 UTC"
    assert "driver: model gpt-4" in "\n".join(event["lines"])
    assert event["link"].startswith("https://usage.example.com/budgets?client=Acme&budget=")

    # Signed, with its moment.
    moment, signed = (part.partition("=")[2] for part in headers[SIGNATURE].split(","))
    wanted = hmac.new(b"s3cret", f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(signed, wanted)


def test_each_threshold_is_an_event_and_spend_that_falls_back_resolves(
    database: Database, acme: UUID
) -> None:
    spend(database, acme, 120)
    assert look(database) == 2
    assert [(alert.threshold, alert.is_open) for alert in load_alerts(database, acme)] == [
        (100, True),
        (50, True),
    ]

    with database.transaction() as connection:
        connection.execute("update usage_logs set cost_usd = 70 where client_id = %s", [acme])
    assert look(database, NOW + timedelta(minutes=1)) == 0
    assert {alert.threshold: alert.is_open for alert in load_alerts(database, acme)} == {50: True, 100: False}

    # Crossing again opens it, and tells nobody anew.
    spend(database, acme, 50)
    look(database, NOW + timedelta(minutes=2))
    assert {alert.threshold: alert.occurrence for alert in load_alerts(database, acme)} == {50: 1, 100: 1}
    assert all(alert.is_open for alert in load_alerts(database, acme))


def test_crossing_again_is_told_again_where_it_is_asked_for(database: Database, webhook: Webhook) -> None:
    client_id = factories.client(database)
    factories.budget(database, client_id, thresholds=thresholds(50), repeats=True)
    hook = {"webhook": webhook.url}
    for step, usd in enumerate((60, 20, 60, 20, 60)):
        with database.transaction() as connection:
            connection.execute("delete from usage_logs where client_id = %s", [client_id])
        spend(database, client_id, usd)
        look(database, NOW + timedelta(minutes=step), ops=hook)
    send(database, NOW + timedelta(minutes=9), ops=hook)

    assert len(webhook.received) == 3
    [alert] = load_alerts(database, client_id)
    assert alert.occurrence == 3


def test_a_new_limit_is_another_version_with_events_of_its_own(database: Database, acme: UUID) -> None:
    spend(database, acme, 60)
    look(database)
    with database.transaction() as connection:
        connection.execute(
            "insert into budget_versions"
            " (budget_id, client_id, valid_from, changed_by, limit_amount, unit, period, thresholds)"
            " select budget_id, client_id, %s, 'ada', 61, unit, period, thresholds from budget_versions",
            [NOW],
        )

    assert look(database, NOW + timedelta(minutes=1)) == 1
    # That of the limit before is over.
    assert [(alert.threshold, alert.is_open) for alert in load_alerts(database, acme)] == [
        (50, True),
        (50, False),
    ]
    with database.transaction() as connection:
        connection.execute("update budgets set archived_at = %s, archived_by = 'ada'", [NOW])
    assert look(database, NOW + timedelta(minutes=2)) == 0
    assert not any(alert.is_open for alert in load_alerts(database, acme))


def test_a_period_that_is_over_is_crossed_by_a_late_call(database: Database, acme: UUID) -> None:
    now = datetime(2026, 4, 2, 12, tzinfo=UTC)
    assert look(database, now) == 0

    spend(database, acme, 110, at=datetime(2026, 3, 30, tzinfo=UTC))
    assert look(database, now) == 2
    assert {alert.period_at for alert in load_alerts(database, acme)} == {datetime(2026, 3, 1, tzinfo=UTC)}
    assert look(database, now) == 0


def test_days_that_are_long_over_are_crossed_by_late_calls(database: Database) -> None:
    client_id = factories.client(database)
    factories.budget(database, client_id, period="day", thresholds=thresholds(100))
    spend(database, client_id, 1, at=NOW - timedelta(days=60))
    assert look(database) == 0

    for days in (2, 9, 30, 45):
        spend(database, client_id, 110, at=NOW - timedelta(days=days))
    assert look(database, NOW + timedelta(minutes=1)) == 4
    alerts = sorted(load_alerts(database, client_id), key=lambda alert: alert.period_at)
    assert [(NOW - alert.period_at).days for alert in alerts] == [45, 30, 9, 2]
    assert alerts[0].lines == [
        "spent $110.00 on Sun 1 Feb, which is over",
        "driver: model gpt-4, more calls",
    ]
    assert alerts[0].link == "/calls?client=Acme&days=2026-02-01..2026-02-01"
    assert look(database, NOW + timedelta(minutes=2)) == 0

    with database.transaction() as connection:
        connection.execute("delete from usage_logs where cost_usd = 110")
    assert look(database, NOW + timedelta(minutes=3)) == 0
    assert not any(alert.is_open for alert in load_alerts(database, client_id))


def test_another_time_zone_of_the_client_is_no_other_crossing(database: Database, acme: UUID) -> None:
    spend(database, acme, 60)
    assert look(database) == 1
    for minutes, zone in enumerate(("America/Sao_Paulo", "Asia/Kathmandu", "UTC"), start=1):
        with database.transaction() as connection:
            connection.execute("update clients set timezone = %s where id = %s", [zone, acme])
        assert look(database, NOW + timedelta(minutes=minutes)) == 0

    [alert] = load_alerts(database, acme)
    assert alert.is_open


def test_crossings_of_before_038_are_known_by_their_first_day(database: Database) -> None:
    client_id = factories.client(database, timezone="America/Sao_Paulo")
    factories.budget(database, client_id, thresholds=thresholds(50, 80))
    spend(database, client_id, 90)
    assert look(database) == 2
    migration = (SQL_DIRECTORY / "migrations/038_crossings_by_first_day.sql").read_text()
    for _ in range(2):
        with database.transaction() as connection:
            # As it was before: the moment in which that day begins.
            connection.execute("update alert_events set period_at = '2026-03-01 03:00Z' where threshold = 80")
            connection.execute(migration)
            periods = connection.execute("select distinct period_at from alert_events").fetchall()
        assert periods == [(datetime(2026, 3, 1, tzinfo=UTC),)]
    assert look(database, NOW + timedelta(minutes=1)) == 0


def test_what_another_found_meanwhile_is_not_resolved(database: Database, acme: UUID) -> None:
    with database.transaction() as connection:
        among = open_events(connection, acme).values()
    # Another process looks after this one has read what is spent; its clock is behind.
    spend(database, acme, 60)
    assert look(database, NOW - timedelta(minutes=1)) == 1

    with database.transaction() as connection:
        [budget_id] = [row[0] for row in connection.execute("select id from budgets").fetchall()]
        looked_at = {(budget_id, datetime(2026, 3, 1, tzinfo=UTC))}
        resolve(connection, ("actual",), acme, [], NOW, among=among, looked_at=looked_at)
    assert [alert.is_open for alert in load_alerts(database, acme)] == [True]

    with database.transaction() as connection:
        among = open_events(connection, acme).values()
        resolve(connection, ("actual",), acme, [], NOW, among=among, looked_at=looked_at)
    assert [alert.is_open for alert in load_alerts(database, acme)] == [False]


def test_months_are_told_of_once_each(database: Database) -> None:
    """Thirteen months, looked at every eight days, in zones where clocks are set, and half hours away."""
    zones = (
        *("America/Sao_Paulo", "Asia/Kolkata", "America/Havana"),
        *("Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Auckland"),
    )
    ids = {zone: factories.client(database, zone, timezone=zone) for zone in zones}
    for client_id in ids.values():
        factories.budget(
            database, client_id, period="month", start_day=31, limit_amount=20, thresholds=thresholds(100)
        )
    begin = datetime(2023, 12, 31, 13, tzinfo=UTC)
    rows = [
        factories.usage_log(client_id, created_at=begin + timedelta(days=day), cost_usd=1)
        for client_id in ids.values()
        for day in range(396)
    ]
    factories.insert_usage(database, *rows)
    database.fold()

    for step in range(0, 396, 8):
        check(database, begin + timedelta(days=step), secrets={}, is_slow_due=False)

    for zone in zones:
        alerts = load_alerts(database, ids[zone])
        starts = sorted(alert.period_at for alert in alerts)
        assert len(starts) == len(set(starts)) == 13


def test_eight_who_look_at_once_make_one_event(database: Database, acme: UUID, webhook: Webhook) -> None:
    spend(database, acme, 60)
    hook = {"webhook": webhook.url}
    moments = [NOW + timedelta(seconds=15 * (place - 4)) for place in range(8)]
    databases = [Database(database.url) for _ in moments]

    with ThreadPoolExecutor(8) as threads:
        told = list(
            threads.map(lambda each: look(each[0], each[1], ops=hook), zip(databases, moments, strict=True))
        )
        sent = list(threads.map(lambda each: send(each, NOW + timedelta(minutes=3), ops=hook), databases))
    for each in databases:
        each.close()

    assert sum(count or 0 for count in told) == 1
    assert sum(taken for taken, _ in sent) == 1
    assert len(webhook.received) == 1
    with database.transaction() as connection:
        assert connection.execute("select count(*) from alert_deliveries").fetchall() == [(1,)]


def process(database: Database, code: str) -> "subprocess.Popen[str]":
    """Another process, with the database and all that these tests look and tell with."""
    begin = (
        "import sys\n"
        "from datetime import datetime, timedelta, UTC\n"
        "from analytics.alerts import check, deliver, read_channels\n"
        "from analytics.config import postgresql_url\n"
        "from analytics.database import Database\n"
        f"database = Database(postgresql_url({dsn(database.url)!r}, origin='test'))\n"
        f"now = datetime.fromisoformat({NOW.isoformat()!r})\n"
    )
    return subprocess.Popen([sys.executable, "-c", begin + code], stdout=subprocess.PIPE, text=True)


def waiting_for_a_lock(database: Database) -> int:
    with database.transaction() as connection:
        [(count,)] = connection.execute(
            "select count(*) from pg_stat_activity where datname = current_database()"
            " and wait_event_type = 'Lock' and pid <> pg_backend_pid()"
        ).fetchall()
    return int(count)


def test_eight_processes_that_look_at_once_make_one_event_per_threshold(
    database: Database, acme: UUID, webhook: Webhook
) -> None:
    spend(database, acme, 120)
    secrets = secrets_of(ops={"webhook": webhook.url}, both={"webhook": webhook.url})
    # All wait for one lock, and go on at once. Their clocks are up to a minute apart.
    code = (
        "with database.transaction() as connection:\n"
        "    connection.execute('select pg_advisory_xact_lock_shared(1)')\n"
        "at = now + timedelta(seconds={seconds})\n"
        f"found = check(database, at, secrets={secrets!r})\n"
        f"sent, _ = deliver(database, read_channels({secrets!r}), at + timedelta(minutes=1))\n"
        "print(found, sent)\n"
    )
    with database.transaction() as connection:
        connection.execute("select pg_advisory_xact_lock(1)")
        running = [process(database, code.replace("{seconds}", str(8 * place - 30))) for place in range(8)]
        while waiting_for_a_lock(database) < 8:
            assert all(each.poll() is None for each in running)
    told = [each.communicate()[0].split() for each in running]

    assert [each.returncode for each in running] == [0] * 8
    assert sum(int(found) for found, _ in told) == 2
    send(database, NOW + timedelta(minutes=3), ops=secrets["alerts"]["channels"]["ops"])
    send(database, NOW + timedelta(minutes=3), both=secrets["alerts"]["channels"]["both"])
    ids = [json.loads(body)["events"][0]["id"] for _, body in webhook.received]
    assert (len(ids), len(set(ids))) == (4, 2)
    with database.transaction() as connection:
        counts = connection.execute(
            "select (select count(*) from alert_events where kind = 'actual'), count(*) from alert_deliveries"
        ).fetchall()
    assert counts == [(2, 4)]


def test_who_is_killed_between_event_and_outbox_leaves_neither(
    database: Database, acme: UUID, webhook: Webhook
) -> None:
    spend(database, acme, 60)
    hook = {"webhook": webhook.url}
    with database.transaction() as connection:
        connection.execute("lock table alert_deliveries in share mode")
        killed = process(database, f"check(database, now, secrets={secrets_of(ops=hook)!r})\n")
        while waiting_for_a_lock(database) < 1:
            assert killed.poll() is None
        os.kill(killed.pid, signal.SIGKILL)
        killed.communicate()

    while waiting_for_a_lock(database):
        pass
    assert look(database, NOW + timedelta(minutes=1), ops=hook) == 1
    assert send(database, NOW + timedelta(minutes=1), ops=hook) == (1, 0)
    assert len(webhook.received) == 1


def test_who_is_killed_between_decision_and_delivery_is_followed_by_another(
    database: Database, acme: UUID, webhook: Webhook
) -> None:
    spend(database, acme, 60)
    hook = {"webhook": webhook.url}
    killed = process(
        database,
        f"check(database, now, secrets={secrets_of(ops=hook)!r})\nprint('decided', flush=True)\n"
        "import threading\nthreading.Event().wait()\n",
    )
    assert killed.stdout is not None
    assert killed.stdout.readline() == "decided\n"
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()

    assert look(database, NOW + timedelta(minutes=1), ops=hook) == 0
    assert send(database, NOW + timedelta(minutes=1), ops=hook) == (1, 0)
    assert len(webhook.received) == 1


def test_who_is_killed_while_telling_is_followed_by_another(
    database: Database, acme: UUID, webhook: Webhook
) -> None:
    spend(database, acme, 60)
    hook = {"webhook": webhook.url}
    look(database, ops=hook)
    webhook.held.clear()  # takes the message, and does not answer
    killed = process(database, f"deliver(database, read_channels({secrets_of(ops=hook)!r}), now)\n")
    while not webhook.received:
        assert killed.poll() is None
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    webhook.held.set()

    # Whose it was is not waited for longer than its lease.
    assert send(database, NOW + timedelta(minutes=1), ops=hook) == (0, 0)
    assert send(database, NOW + timedelta(minutes=3), ops=hook) == (1, 0)
    assert len(webhook.received) == 2


def test_a_channel_that_fails_is_told_of_while_it_is_tried_for_a_day(
    database: Database, acme: UUID, webhook: Webhook
) -> None:
    hook = {"webhook": webhook.url, "kinds": ["actual", "channel"]}
    other = {"webhook": webhook.url, "kinds": ["channel"]}
    spend(database, acme, 60)
    look(database, ops=hook)
    webhook.status = 500
    now = NOW
    for _ in range(4):
        assert send(database, now, ops=hook) == (0, 1)
        now += timedelta(minutes=5)
    assert look(database, now, ops=hook, other=other) == 2  # and that nobody looked for a while
    [alert] = [alert for alert in load_alerts(database, None) if alert.kind == "channel"]
    assert alert.title == 'Channel "ops" fails: 1 message not delivered'
    # The channel is not told of itself.
    with database.transaction() as connection:
        told = connection.execute(
            "select channel from alert_deliveries where event_id = %s", [alert.event_id]
        ).fetchall()
    assert told == [("other",)]

    for _ in range(MOST_ATTEMPTS - 4):
        now += timedelta(hours=1)
        assert send(database, now, ops=hook) == (0, 1)
    assert now - NOW > timedelta(days=1)
    assert send(database, now + timedelta(days=1), ops=hook) == (0, 0)
    [state] = [state for state in channel_states(database) if state.name == "ops"]
    assert (state.failed_count, state.delivered_at) == (1, None)
    assert state.last_error == "the webhook answered with status 500"

    webhook.status = 200
    with database.transaction() as connection:
        connection.execute("update alert_deliveries set state = 'waiting', due_at = %s", [now])
    send(database, now, ops=hook)
    look(database, now + timedelta(minutes=1), ops=hook)
    alerts = [alert for alert in load_alerts(database, None) if alert.kind == "channel"]
    assert not any(alert.is_open for alert in alerts)


def test_a_channel_that_hangs_holds_up_no_other_and_no_message(database: Database, webhook: Webhook) -> None:
    client_id = factories.client(database)
    factories.budget(database, client_id, thresholds=thresholds(50, 80, 100))
    spend(database, client_id, 120)
    webhook.held.clear()
    with Webhook().running() as other:
        channels = {"hangs": {"webhook": webhook.url}, "works": {"webhook": other.url}}
        look(database, **channels)
        telling = threading.Thread(target=send, args=[database], kwargs=channels)
        telling.start()
        while not (webhook.received and len(other.received) == 3):
            assert telling.is_alive()

        # The next look asks who hangs no second time.
        assert send(database, NOW + timedelta(hours=1), hangs=channels["hangs"]) == (0, 0)
        with database.transaction() as connection:
            taken = connection.execute(
                "select attempt_count from alert_deliveries where channel = 'hangs' order by 1"
            ).fetchall()
        assert taken == [(0,), (0,), (1,)]
        webhook.held.set()
        telling.join()
    assert len(webhook.received) == 3


def test_who_was_slow_does_not_send_again_what_another_delivered(
    database: Database, acme: UUID, webhook: Webhook
) -> None:
    spend(database, acme, 60)
    hook = {"webhook": webhook.url}
    look(database, ops=hook)
    webhook.status = 500
    webhook.held.clear()
    slow = threading.Thread(target=send, args=[database], kwargs={"ops": hook})
    slow.start()
    while not webhook.received:
        assert slow.is_alive()

    # As another process does, after the lease.
    with database.transaction() as connection:
        connection.execute("update alert_deliveries set state = 'delivered', delivered_at = now()")
    webhook.held.set()
    slow.join()

    assert send(database, NOW + timedelta(days=1), ops=hook) == (0, 0)
    [state] = channel_states(database)
    assert (state.waiting_count, state.failed_count, state.last_error) == (0, 0, None)


@pytest.fixture
def root_log() -> Iterator[io.StringIO]:
    """What a program logs that wants to know everything. (caplog hears more than a program's own handler.)"""
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield said
    root.setLevel(level)
    root.removeHandler(handler)


HOSTILE = [
    {"webhook": "http://user:p%40ss w0rd@127.0.0.1:9/services/T0KEN/verysecret/abc?key=xyz&t"},
    {"webhook": "http://user:hunter2@127.0.0.1:9/a1/b2#c3"},
    {"webhook": "http://[t0ken"},
    {"webhook": "http://127.0.0.1:99999/t0ken"},
    {"webhook": "ftp://t0ken@127.0.0.1/abc"},
    {"webhook": "https://" + "t0ken." * 60},
    {"url": "nothing://tok3n@where"},
    {"url": "mailto://bob:p%40ssw0rd@127.0.0.1:9?to=eve@example.com&from=bob@example.com"},
    {"url": "slack://T1JJ3T3L2/bad"},
    {"url": "json://user:hunter2@127.0.0.1:9/t0ken/abc"},
    {"url": "jsons://user:h%C3%BCnter@127.0.0.1:9/t%2Fken?-X-Key=abc"},
]
SECRETS = (
    *("p@ss", "p%40ss", "w0rd", "T0KEN", "verysecret", "abc", "xyz", "hunter", "hünter", "a1", "b2", "c3"),
    *("t0ken", "tok3n", "bob", "eve", "T1JJ3T3L2", "t/ken", "t%2Fken"),
)


@pytest.mark.parametrize("channel", HOSTILE, ids=lambda each: next(iter(each.values()))[:30])
def test_no_part_of_an_address_is_shown(
    database: Database, acme: UUID, channel: dict[str, str], root_log: io.StringIO
) -> None:
    spend(database, acme, 60)
    look(database, ops=channel)
    assert send(database, ops=channel) == (0, 1)
    [read] = read_channels(secrets_of(ops=channel))
    said = test_channel(read, NOW)

    [state] = channel_states(database)
    assert state.last_error
    assert said
    assert "did not take an alert" in root_log.getvalue()
    for text in (state.last_error, said, repr(read), root_log.getvalue()):
        told = text.lower()
        assert not [secret for secret in SECRETS if secret.lower() in told], text


def test_a_part_of_an_address_is_hidden_as_it_is_meant_and_only_where_it_is_a_word() -> None:
    [channel] = read_channels(
        secrets_of(ops={"url": "mailtos://bob:p%40ss+w@mail.example.com/a?to=eve@example.com", "secret": "x"})
    )

    assert channel.masked("535 of bob: p@ss w, P%40SS+W, or a mail to eve@example.com; x") == (
        "535 of ***: ***, ***, or *** mail to ***; ***"
    )


def test_mail_arrives(database: Database, acme: UUID) -> None:
    mails: list[bytes] = []

    class Keeping:
        async def handle_DATA(  # noqa: N802
            self, server: object, session: object, envelope: Any
        ) -> str:
            mails.append(envelope.content)
            return "250 kept"

    spend(database, acme, 60, model="<b>gpt</b>")
    port = free_port()
    server = Controller(Keeping(), hostname="127.0.0.1", port=port)
    server.start()
    try:
        mail = {"url": f"mailto://127.0.0.1:{port}?from=usage@example.com&to=ops@example.com"}
        look(database, ops=mail)
        assert send(database, ops=mail) == (1, 0)
    finally:
        server.stop()

    [content] = mails
    mail = message_from_bytes(content, policy=default_policy)
    assert mail["Subject"] == "Acme: All reached 50 % of $100.00, $60.00 spent"
    # What strangers name is text, and each line one of its own.
    body = mail.get_body()
    assert body is not None
    assert (body.get_content_type(), body.get_content().splitlines()[0]) == (
        "text/plain",
        "spent $60.00, resets Wed 1 Apr 00:00 UTC",
    )
    assert "driver: model <b>gpt</b>" in body.get_content()


def test_quiet_hours_wait_and_a_digest_is_one_message(
    database: Database, acme: UUID, webhook: Webhook
) -> None:
    spend(database, acme, 120)
    quiet = {"webhook": webhook.url, "quiet_hours": "08:00-14:30", "timezone": "America/Sao_Paulo"}
    digest = {"webhook": webhook.url, "digest_at": "18:00"}
    look(database, quiet=quiet, digest=digest)  # 9 o'clock in São Paulo

    assert send(database, NOW + timedelta(hours=5), quiet=quiet, digest=digest) == (0, 0)
    assert send(database, NOW + timedelta(hours=5, minutes=31), quiet=quiet) == (2, 0)
    assert send(database, NOW + timedelta(hours=6, minutes=1), digest=digest) == (1, 0)
    assert webhook.titles[2] == "Usage analytics: 2 alerts"
    assert len(json.loads(webhook.received[2][1])["events"]) == 2


def test_what_waits_from_before_is_not_told_in_quiet_hours(
    database: Database, acme: UUID, webhook: Webhook
) -> None:
    spend(database, acme, 60)
    quiet = {"webhook": webhook.url, "quiet_hours": "13:00-15:00"}
    look(database, NOW, ops=quiet)  # noon

    assert send(database, NOW + timedelta(hours=1), ops=quiet) == (0, 0)
    assert send(database, NOW + timedelta(hours=3), ops=quiet) == (1, 0)


def test_who_is_told_of_what(database: Database, webhook: Webhook) -> None:
    ids = [factories.client(database, name) for name in ("Acme", "Other")]
    for client_id in ids:
        factories.budget(database, client_id, thresholds=thresholds(50))
        spend(database, client_id, 60)
    channels: dict[str, Mapping[str, Any]] = {
        "acme": {"webhook": webhook.url, "clients": ["acme"]},
        "prices": {"webhook": webhook.url, "kinds": ["unpriced"]},
    }
    mute(database, ids[1], NOW + timedelta(hours=1), "ada")
    look(database, all={"webhook": webhook.url}, **channels)

    with database.transaction() as connection:
        rows = connection.execute(
            "select channel, clients.name from alert_deliveries inner join alert_events as event"
            " on event.id = event_id inner join clients on clients.id = client_id order by 1, 2"
        ).fetchall()
    assert rows == [("acme", "Acme"), ("all", "Acme")]
    assert unmute(database, ids[1]) == 1
    [alert] = load_alerts(database, ids[0])
    acknowledge(database, ids[0], alert.event_id, "ada")
    assert [alert.acknowledged_by for alert in load_alerts(database, ids[0])] == ["ada"]
    with pytest.raises(InvalidInput, match="no alert has the id"):
        acknowledge(database, ids[1], alert.event_id, "ada")
    with pytest.raises(InvalidInput, match=r'kind must be one of actual, .*, not "all"'):
        mute(database, ids[0], NOW, "ada", kind="all")


def test_a_channel_of_a_client_that_is_none_is_told_of(database: Database, acme: UUID) -> None:
    look(database, ops={"webhook": "http://127.0.0.1:9", "clients": ["acme", str(acme), "Acmee"]})

    assert alert_state(database).error == 'channel "ops": no client is called "Acmee"'


def test_a_model_without_a_price_is_told_of_until_it_has_one(database: Database) -> None:
    client_id = factories.client(database)
    spend(database, client_id, 0, model="new,model", cost_basis="unpriced")

    assert look(database) == 1
    assert look(database, NOW + timedelta(minutes=1)) == 0
    [alert] = load_alerts(database, client_id)
    assert (alert.kind, alert.title) == ("unpriced", "Acme: openai new,model has no price")
    # The link shows exactly these calls.
    linked = Filters.parse(parse_qsl(urlsplit(alert.link).query, keep_blank_values=True))
    assert {each.name: each.values for each in linked} == {
        "basis": ("unpriced",),
        "model": ("new,model",),
        "provider": ("openai",),
    }

    with database.transaction() as connection:
        connection.execute("update usage_logs set cost_usd = 1, cost_basis = 'given'")
    look(database, NOW + timedelta(minutes=2))
    assert [alert.is_open for alert in load_alerts(database, client_id)] == [False]


def test_a_day_with_far_more_than_usual_is_told_of_with_its_driver(database: Database) -> None:
    client_id = factories.client(database)
    rows = [
        factories.usage_log(
            client_id,
            created_at=NOW - timedelta(days=day),
            cost_usd=Decimal(100 + day % 3) if day != 1 else Decimal(100),
        )
        for day in range(60)
    ]
    rows.append(
        factories.usage_log(client_id, model="gpt-4o", created_at=NOW - timedelta(days=1), cost_usd=900)
    )
    factories.insert_usage(database, *rows)

    look(database)

    [alert] = [alert for alert in load_alerts(database, client_id) if alert.kind == "anomaly"]
    assert alert.title == "Acme: Tue 17 Mar cost far more than usual"
    assert "gpt-4o" in "\n".join(alert.lines)
    look(database, NOW + timedelta(minutes=1))
    assert len([alert for alert in load_alerts(database, client_id) if alert.kind == "anomaly"]) == 1


def test_how_little_stands_out_is_a_setting(database: Database) -> None:
    client_id = factories.client(database)
    varied = (70, 80, 100, 60, 110)
    days = [
        factories.usage_log(client_id, created_at=NOW - timedelta(days=day), cost_usd=varied[day % 5])
        for day in range(60)
    ]
    days.append(factories.usage_log(client_id, created_at=NOW - timedelta(days=1), cost_usd=115))
    factories.insert_usage(database, *days)

    found = {}
    for sensitivity in ("low", "normal"):
        check(database, NOW, secrets={"alerts": {"sensitivity": sensitivity}})
        found[sensitivity] = [alert.kind for alert in load_alerts(database, client_id)]
    assert found == {"low": [], "normal": ["anomaly"]}
    with pytest.raises(ConfigurationError, match='must be low, normal, high, not "loud"'):
        check(database, NOW, secrets={"alerts": {"sensitivity": "loud"}})


def test_an_hour_of_today_with_far_more_than_usual_is_told_of_with_its_driver(database: Database) -> None:
    client_id = factories.client(database)
    usual = [
        factories.usage_log(client_id, created_at=NOW.replace(hour=hour) - timedelta(days=day), cost_usd=1)
        for day in range(1, 34)
        for hour in range(8, 18)
    ]
    burst = factories.usage_log(
        client_id, model="a,b", created_at=NOW.replace(hour=10), cost_usd=200, cost_basis="given"
    )
    factories.insert_usage(database, *usual, burst)

    look(database)

    [alert] = [alert for alert in load_alerts(database, client_id) if alert.kind == "burst"]
    assert alert.title == "Acme: far more than usual at 10:00 on Wed 18 Mar"
    assert alert.lines[0].startswith("$200.00, usually $1.0")
    assert alert.lines[1].startswith("driver: openai a,b +$200.00, ")
    assert alert.link == "/calls?client=Acme&days=2026-03-18..2026-03-18&hour=10"
    look(database, NOW + timedelta(hours=1))
    assert len([each for each in load_alerts(database, client_id) if each.kind == "burst"]) == 1


def test_a_forecast_crosses_before_the_spend_does(database: Database) -> None:
    client_id = factories.client(database)
    factories.insert_usage(
        database,
        *(
            factories.usage_log(client_id, created_at=NOW - timedelta(days=day), cost_usd=10)
            for day in range(70)
        ),
    )
    factories.budget(
        database, client_id, limit_amount=300, thresholds=[*thresholds(100), *thresholds(100, on="forecast")]
    )

    look(database)

    [alert] = [alert for alert in load_alerts(database, client_id) if alert.kind in ("actual", "forecast")]
    assert (alert.kind, alert.title) == (
        "forecast",
        "Acme: All will likely reach 100 % of $300.00, $180.00 spent",
    )
    assert any(line.startswith("runs out ") for line in alert.lines)


def test_a_log_write_does_not_wait_for_a_channel_that_hangs(
    database: Database, acme: UUID, webhook: Webhook
) -> None:
    spend(database, acme, 60)
    hook = {"webhook": webhook.url}
    look(database, ops=hook)
    webhook.held.clear()
    telling = threading.Thread(target=send, args=[database], kwargs={"ops": hook})
    telling.start()
    while not webhook.received:
        assert telling.is_alive()

    with database.transaction() as connection:
        connection.execute("set local lock_timeout = '200ms'")
        connection.execute(
            "insert into usage_logs (client_id, source, model) values (%s, 'openai', 'gpt-4')", [acme]
        )
    assert telling.is_alive()
    webhook.held.set()
    telling.join()


def test_the_minute_belongs_to_one(database: Database, acme: UUID, webhook: Webhook) -> None:
    spend(database, acme, 60)
    secrets = secrets_of(ops={"webhook": webhook.url})
    minute = EveryMinute(lambda: database, lambda: secrets)

    minute.look(NOW)
    other = EveryMinute(lambda: database, lambda: secrets)
    other.look(NOW + timedelta(seconds=30))
    # A clock that is a little behind spares the work, too; one that is far ahead silences nobody.
    assert check(database, NOW - timedelta(minutes=1), secrets=secrets, is_forced=False) is None
    assert check(database, NOW - timedelta(hours=1), secrets=secrets, is_forced=False) == 0

    assert len(webhook.received) == 1
    with database.transaction() as connection:
        looked = connection.execute("select started_at from alert_checks order by 1").fetchall()
    # Budgets first, then what takes long.
    assert looked == [(NOW - timedelta(hours=1),), (NOW,), (NOW,)]
    state = alert_state(database)
    assert (state.checked_at, state.error, state.open_count, state.waiting_count) == (NOW, None, 1, 0)


def test_of_many_clients_some_are_looked_at_slowly_each_minute(database: Database) -> None:
    ids = [factories.client(database, f"Client {place}") for place in range(25)]
    factories.insert_usage(
        database,
        *(factories.usage_log(client_id, cost_usd=0, cost_basis="unpriced") for client_id in ids),
    )
    factories.budget(database, ids[0], thresholds=thresholds(100))
    minute = EveryMinute(lambda: database, lambda: {})
    seen = []
    for minutes in (0, 1, 2, 6, 10):
        minute.look(NOW + timedelta(minutes=minutes))
        seen.append(alert_state(database).open_count)

    # All clients together are one of the twenty; each is looked at once in ten minutes.
    assert seen == [19, 25, 25, 25, 25]


def test_nobody_looks_where_nobody_wants_to_know(database: Database) -> None:
    client_id = factories.client(database)
    spend(database, client_id, 0, model="new-model", cost_basis="unpriced")

    assert check(database, NOW, secrets={}, is_forced=False) is None
    assert alert_state(database).checked_at is None


@pytest.mark.parametrize(
    ("channel", "said"),
    [
        ({}, "needs either url (as apprise has it) or webhook (an address)"),
        ({"url": "a://b", "webhook": "http://c"}, "needs either url"),
        ({"url": "a://b", "colour": "red"}, "has no setting colour; allowed: url, webhook"),
        ({"url": "a://b", "kinds": ["rain"]}, "kinds: rain is none; allowed: actual"),
        ({"url": "a://b", "quiet_hours": "night"}, 'quiet_hours must be like "22:00-07:00", not "night"'),
        ({"url": "a://b", "digest_at": "late"}, 'digest_at: "late" is no time such as 07:30'),
        ({"url": "a://b", "timezone": "Mars"}, 'timezone: "Mars" is no IANA name'),
    ],
)
def test_a_channel_that_cannot_be_is_refused(channel: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        alert_channels(secrets_of(ops=channel))

    assert said in str(refused.value)


def test_channels_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERT_CHANNEL_OPS", "https://example.com/hook")
    monkeypatch.setenv("ALERT_CHANNEL_MAIL", "mailtos://example.com")

    assert {each.name: (each.url, each.webhook) for each in alert_channels({})} == {
        "mail": ("mailtos://example.com", ""),
        "ops": ("", "https://example.com/hook"),
    }
    [ops] = [Channel(each) for each in alert_channels({}) if each.name == "ops"]
    assert ops.is_for("actual", None)
