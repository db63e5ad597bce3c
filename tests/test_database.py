"""The door to PostgreSQL: one round trip, one snapshot, errors that a person can act on."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, cast
from uuid import uuid4

import pytest
from psycopg import sql
from psycopg.pq import TransactionStatus
from sqlalchemy.engine import make_url

from analytics import queries
from analytics.clients import list_clients
from analytics.config import configured_database_url, postgresql_url
from analytics.database import Database, Query
from analytics.errors import ConfigurationError, DatabaseError, DatabaseUnavailable, SchemaMissing
from analytics.queries import Period
from tests import factories
from tests.tcp_proxy import TcpProxy

ONE = Query(statement="select 1")


def test_an_overview_is_one_round_trip(database: Database) -> None:
    client_id = factories.client(database)
    factories.insert_usage(database, factories.usage_log(client_id))
    with TcpProxy(database.url) as proxy:
        through_proxy = Database(proxy.url)
        through_proxy.read(ONE)
        before = proxy.round_trips

        overview = queries.load_overview(through_proxy, client_id, Period(days=30), factories.NOW)

        assert proxy.round_trips - before == 1
        assert overview.summary["total_tokens"].tolist() == [230, 230, 0, 0]
        through_proxy.close()


def test_statements_one_by_one_are_counted_by_the_proxy(database: Database) -> None:
    # Shows that the proxy can count more than one.
    with TcpProxy(database.url) as proxy:
        through_proxy = Database(proxy.url)
        through_proxy.read(ONE)
        before = proxy.round_trips
        for _ in range(3):
            through_proxy.read(ONE)
        assert proxy.round_trips - before == 3
        through_proxy.close()


def test_all_queries_of_a_read_see_one_snapshot(database: Database) -> None:
    client_id = factories.client(database)
    wait = Query(statement="select pg_advisory_xact_lock(1)")
    log_count = Query(statement="select count(*) from usage_logs")
    waiting = Query(statement="select pid from pg_locks where locktype = 'advisory' and not granted")

    # The reader begins, and waits for the writer, who commits a row before the reader comes to count.
    with ThreadPoolExecutor() as pool:
        with database.transaction() as writer:
            writer.execute("select pg_advisory_xact_lock(1)")
            reading = pool.submit(database.read, wait, log_count)
            while not database.read(waiting)[0].records:
                pass
            writer.execute(
                "insert into usage_logs (client_id, source, cost_usd) values (%s, 'openai', 0)", [client_id]
            )
        [_, seen] = reading.result()

    assert seen.records == [(0,)]
    assert database.read(log_count)[0].records == [(1,)]


def test_a_read_cannot_write(database: Database) -> None:
    with pytest.raises(DatabaseError, match="read-only transaction"):
        database.read(Query(statement="insert into clients (name) values ('x')"))


def test_a_read_as_a_client_leaves_no_role_behind(database: Database) -> None:
    client_id = factories.client(database)
    who = Query(statement="select current_user::text, coalesce(current_setting('app.client_id', true), '')")
    [as_reader] = database.read(who, client_id=client_id)
    [afterwards] = database.read(who)
    assert as_reader.records == [("analytics_reader", str(client_id))]
    assert afterwards.records == [("postgres", "")]


def test_after_a_failed_read_the_next_one_works(database: Database) -> None:
    with pytest.raises(DatabaseError, match="division by zero"):
        database.read(ONE, Query(statement="select 1 / 0"), ONE)
    [answer] = database.read(ONE)
    assert answer.records == [(1,)]


def test_a_connection_that_died_while_idle_is_replaced(database: Database) -> None:
    with TcpProxy(database.url) as proxy:
        through_proxy = Database(proxy.url)
        through_proxy.read(ONE)
        proxy.cut()
        [answer] = through_proxy.read(ONE)
        assert answer.records == [(1,)]
        through_proxy.close()


def test_nothing_stays_open_behind_a_close_while_something_runs(database: Database) -> None:
    with database.transaction() as running:
        database.close()
        assert not running.closed
    assert running.closed

    with database.transaction() as later:
        later.execute("select 1")
    assert later.closed


def test_a_server_that_went_away_is_named(database: Database) -> None:
    with TcpProxy(database.url) as proxy:
        through_proxy = Database(proxy.url)
        through_proxy.read(ONE)
        proxy.stop()
        with pytest.raises(DatabaseUnavailable, match=f"127.0.0.1:{proxy.port}.*check that the server runs"):
            through_proxy.read(ONE)
        through_proxy.close()


def test_a_database_without_migrations_says_what_to_do(empty_database: Database) -> None:
    with pytest.raises(SchemaMissing, match='run "python -m analytics migrate"'):
        list_clients(empty_database)
    with pytest.raises(SchemaMissing, match='run "python -m analytics migrate"'):
        queries.load_overview(empty_database, uuid4(), Period(), factories.NOW)


@pytest.mark.parametrize("code", ["lock_not_available", "deadlock_detected", "serialization_failure"])
def test_a_server_that_refuses_is_not_called_unreachable(database: Database, code: str) -> None:
    # psycopg's class for these is the one of lost connections, too.
    refusal = Query(statement=f"do $$ begin raise exception 'no' using errcode = '{code}'; end $$")
    with pytest.raises(DatabaseError, match="refused a statement: no") as caught:
        database.read(refusal)
    assert not isinstance(caught.value, DatabaseUnavailable)


def test_an_unknown_database_is_named(database: Database) -> None:
    elsewhere = Database(database.url.set(database="nowhere"))
    with pytest.raises(DatabaseUnavailable, match='database "nowhere" does not exist'):
        elsewhere.read(ONE)


def test_passwords_stay_out_of_messages() -> None:
    secret = Database(postgresql_url("postgresql://me:s3cret@127.0.0.1:1/usage", origin="DATABASE_URL"))
    with pytest.raises(DatabaseUnavailable) as caught:
        secret.read(ONE)
    assert "s3cret" not in str(caught.value)
    assert '"usage" at 127.0.0.1:1' in str(caught.value)


@pytest.mark.parametrize("url", ["nonsense", "postgresql//half", "://", "postgresql://me:s3cret@host:port/x"])
def test_a_text_that_is_no_url_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(ConfigurationError, match="DATABASE_URL is not a database URL: expected") as caught:
        configured_database_url({})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("url", ["postgresql://me:s3c@ret@host/usage", "postgresql://me:a:b@s3c/ret@host"])
def test_an_unescaped_password_is_not_taken_for_a_host(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(ConfigurationError) as caught:
        configured_database_url({})
    assert "s3c" not in str(caught.value)


@pytest.mark.parametrize("secrets", [{"connections": "x"}, {"connections": {"usage": "postgresql://host/x"}}])
def test_secrets_of_another_shape_say_what_is_needed(secrets: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"under|need"):
        configured_database_url(secrets)


def test_another_kind_of_database_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://host/usage")
    with pytest.raises(ConfigurationError, match="names 'mysql', but only PostgreSQL is supported"):
        configured_database_url({})


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_any_spelling_of_postgresql_is_understood(scheme: str) -> None:
    secrets = {"connections": {"usage": {"url": f"{scheme}://me:pw@host/usage"}}}
    assert configured_database_url(secrets) == make_url("postgresql+psycopg://me:pw@host/usage")


def test_the_environment_wins_over_the_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://from-environment/usage")
    url = configured_database_url({"connections": {"usage": {"url": "postgresql://from-secrets/usage"}}})
    assert url is not None
    assert url.host == "from-environment"


HOSTILE = (
    "'; drop table usage_logs; --",
    "\\'; select pg_sleep(0); --",
    "\\",
    "\\\\'",
    "'' or 1 = 1",
    "$$ $1 %(name)s %s %%",
    "E'\\x27'",
    "a\nb\r\n\t-- c /* d",
    "\N{FULLWIDTH APOSTROPHE}\N{MODIFIER LETTER APOSTROPHE}",
    "\u00bf\u005c\u0027\u00bf\u0027",
    "\N{PILE OF POO}",
)


@pytest.mark.parametrize("setting", ["on", "off"])
@pytest.mark.parametrize("text", HOSTILE)
def test_a_value_stays_a_value(database: Database, text: str, setting: str) -> None:
    with database.transaction() as connection:
        name = sql.Identifier(database.url.database or "")
        connection.execute(
            sql.SQL("alter database {} set standard_conforming_strings = {}").format(
                name, sql.Literal(setting)
            )
        )
    database.close()
    [answer, after] = database.read(
        Query(
            statement="select %(text)s::text, %(texts)s::text[]", parameters={"text": text, "texts": [text]}
        ),
        ONE,
    )
    assert answer.records == [(text, [text])]
    assert after.records == [(1,)]


def test_a_text_that_postgresql_cannot_hold_is_refused(database: Database) -> None:
    with pytest.raises(DatabaseError, match="NUL"):
        database.read(Query(statement="select %(text)s::text", parameters={"text": "a\0b"}))
    assert database.read(ONE)[0].records == [(1,)]


def test_values_keep_their_types(database: Database) -> None:
    values: dict[str, Any] = {
        "numeric": Decimal("-12345678901234567890.000000000000000000010"),
        "bigint": 1 - 2**63,
        "boolean": True,
        "date": date(2026, 3, 18),
        "timestamptz": datetime(2026, 3, 18, 12, 0, 0, 1, tzinfo=UTC),
        "interval": timedelta(days=-1, microseconds=1),
        "uuid": uuid4(),
        "text[]": ["a", None, 'b"'],
    }
    asked = [
        Query(statement=f"select %(value)s::{kind}", parameters={"value": value})
        for kind, value in values.items()
    ]
    assert [rows.records[0][0] for rows in database.read(*asked)] == list(values.values())
    [document] = database.read(
        Query(statement="select '{\"a\": [1, null]}'::jsonb, null::text, 1.10::numeric, 0.5::float8")
    )
    assert document.records == [({"a": [1, None]}, None, Decimal("1.10"), 0.5)]
    assert str(document.records[0][2]) == "1.10"


def test_each_query_has_its_own_values(database: Database) -> None:
    answers = database.read(
        *(
            Query(statement="select %(x)s::integer, '%%' -- of %(x)s", parameters={"x": x})
            for x in (1, -2, None)
        )
    )
    assert [rows.records for rows in answers] == [[(1, "%")], [(-2, "%")], [(None, "%")]]


@pytest.mark.parametrize("statement", ["select 1; select 2", "", ";", "-- nothing"])
def test_a_query_is_one_statement(database: Database, statement: str) -> None:
    with pytest.raises(DatabaseError, match="exactly one statement"):
        database.read(ONE, Query(statement=statement), ONE)
    assert database.read(ONE)[0].records == [(1,)]


@pytest.mark.parametrize("statement", ["select 1 / 0", "nonsense", "insert into clients (name) values ('x')"])
def test_a_failed_read_leaves_no_transaction_open(database: Database, statement: str) -> None:
    with pytest.raises(DatabaseError):
        database.read(ONE, Query(statement=statement), client_id=uuid4())
    pooled = database.engine.raw_connection()
    connection = cast(Any, pooled.driver_connection)
    assert connection.info.transaction_status == TransactionStatus.IDLE
    pooled.close()


def test_a_snapshot_is_one_round_trip_to_open_and_writes_nothing(database: Database) -> None:
    client_id = factories.client(database)
    with database.snapshot(client_id) as connection:
        who = connection.execute("select current_user::text, current_setting('app.client_id')").fetchone()
        assert who == ("analytics_reader", str(client_id))
    with pytest.raises(DatabaseError, match="read-only"), database.snapshot() as connection:
        connection.execute("insert into clients (name) values ('x')")
    assert database.read(ONE)[0].records == [(1,)]
