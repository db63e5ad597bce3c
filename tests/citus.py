"""Copies of a distributed database: of its coordinator, and of each node."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import URL
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_fixed

from analytics.database import Database
from analytics.distribution import distribute
from tests.clones import Clones
from tests.connections import dsn

SHARDS = 4
FILES = frozenset(
    {
        *(
            "test_citus.py",
            "test_storing.py",
            "test_reports.py",
            "test_usage_by_conversation.py",
            "test_usage_functions.py",
        ),
    }
)
"""The files of tests that run where TEST_CITUS_URL is given."""

_SERVERS = "select groupid, nodename, nodeport from pg_dist_node where isactive order by groupid"


def takes(item: pytest.Item) -> bool:
    """Whether a test runs on a distributed database."""
    return item.path.name in FILES and item.get_closest_marker("one_machine") is None


class CitusClones(Clones):
    """The copies of one test run on one cluster, whose nodes its "postgres" database knows."""

    def __init__(self, coordinator_url: URL) -> None:
        with closing(psycopg.connect(dsn(coordinator_url), autocommit=True)) as connection:
            self._servers = [
                coordinator_url.set(host=host, port=port) for _, host, port in connection.execute(_SERVERS)
            ]
        self._servants = ThreadPoolExecutor(len(self._servers))
        super().__init__(coordinator_url)

    @contextmanager
    def template(self) -> Iterator[str]:
        """A migrated, distributed and empty database, which nobody enters."""
        name = self._next_name()
        try:
            self._make_template(name)
            yield name
        finally:
            self._drop_unused(name)
            self.await_drops()
            self._drop(name)

    def _make_template(self, name: str) -> None:
        self._on_all("create database {name}", name=name)
        inside = [server.set(database=name) for server in self._servers]
        for server in inside:
            _run(server, sql.Composed([sql.SQL("create extension citus")]))
        first, *others = inside
        with closing(psycopg.connect(dsn(first), autocommit=True)) as connection:
            connection.execute("select citus_set_coordinator_host(%s, %s)", [first.host, first.port])
            for server in others:
                connection.execute("select citus_add_node(%s, %s)", [server.host, server.port])
        with closing(Database(first)) as database:
            distribute(database, shard_count=SHARDS)
        # Citus has a process of its own in each database.
        self._on_all("alter database {name} allow_connections false", name=name)
        for server in self._servers:
            _run(
                server,
                sql.SQL("select pg_terminate_backend(pid) from pg_stat_activity where datname = {}").format(
                    name
                ),
            )

    def _make(self, template: str) -> str:
        name = self._next_name()
        self._on_all(
            "create database {name} template {template} strategy file_copy",
            name=name,
            template=template,
        )
        for server in self._servers:
            # A setting of a database is none of its copies.
            _run(server.set(database=name), sql.Composed([sql.SQL("select shards.set_up()")]))
        return name

    @retry(
        retry=retry_if_exception_type(psycopg.errors.ObjectInUse),
        stop=stop_after_attempt(20),
        wait=wait_fixed(0.5),
    )
    def _drop(self, name: str) -> None:
        # Citus may be finishing a transaction there by a connection of its own.
        self._on_all("drop database if exists {name} with (force)", name=name)

    def _on_all(self, *statements: LiteralString, **names: str) -> None:
        """Runs them on each server, on all at once."""
        identifiers = {key: sql.Identifier(name) for key, name in names.items()}
        texts = [sql.SQL(statement).format(**identifiers) for statement in statements]
        list(self._servants.map(lambda server: _run(server, *texts), self._servers))


def _run(server: URL, *statements: sql.Composed) -> None:
    with closing(psycopg.connect(dsn(server), autocommit=True)) as connection:
        for statement in statements:
            connection.execute(statement)
