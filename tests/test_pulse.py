"""A database that falls silent: whoever waits for it is told, and whoever is only slow is left alone."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from analytics import pulse
from analytics.database import Database, Query
from analytics.errors import DatabaseUnavailable
from tests.tcp_proxy import TcpProxy

ONE = Query(statement="select 1")
GIVEN_UP = 60  # seconds, after which a test that would wait for ever fails


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(pulse, "SILENCE_SECONDS", 1)
    monkeypatch.setattr(pulse, "ASK_EVERY_SECONDS", 0.1)


@pytest.fixture
def proxy(database: Database) -> Iterator[TcpProxy]:
    with TcpProxy(database.url) as proxy:
        yield proxy


@pytest.fixture
def distant(proxy: TcpProxy) -> Iterator[Database]:
    """The database as it is reached through the proxy, with a connection that stands."""
    with closing(Database(proxy.url)) as distant:
        distant.read(ONE)
        yield distant


def test_a_read_of_a_database_that_falls_silent_ends(proxy: TcpProxy, distant: Database) -> None:
    proxy.fall_silent()
    with ThreadPoolExecutor() as pool, pytest.raises(DatabaseUnavailable, match="no answer within"):
        pool.submit(distant.read, ONE).result(GIVEN_UP)


def test_a_transaction_ends_too(proxy: TcpProxy, distant: Database) -> None:
    def write() -> None:
        with distant.transaction() as connection:
            proxy.fall_silent()
            connection.execute("select 1")

    with ThreadPoolExecutor() as pool, pytest.raises(DatabaseUnavailable):
        pool.submit(write).result(GIVEN_UP)


def test_who_asks_is_told_without_waiting(proxy: TcpProxy, distant: Database) -> None:
    proxy.fall_silent()
    while distant.failure() is None:
        pass
    assert "no answer within" in str(distant.failure())
    proxy.speak()
    while distant.failure() is not None:
        pass
    assert distant.read(ONE)[0].records == [(1,)]


def test_a_database_that_refuses_is_away_and_comes_back(proxy: TcpProxy, distant: Database) -> None:
    proxy.go_away()
    while distant.failure() is None:
        pass
    proxy.come_back()
    while distant.failure() is not None:
        pass


def test_a_statement_that_takes_its_time_is_left_alone(
    proxy: TcpProxy, distant: Database, database: Database
) -> None:
    slow = Query(statement="select pg_advisory_xact_lock(7), 'done'")
    with ThreadPoolExecutor() as pool:
        with database.transaction() as holder:
            holder.execute("select pg_advisory_xact_lock(7)")
            reading = pool.submit(distant.read, slow)
            # Asked again and again, the database has said that it is there.
            while proxy.connections < 4:
                assert not reading.done()
        assert reading.result(GIVEN_UP)[0].records == [("", "done")]
