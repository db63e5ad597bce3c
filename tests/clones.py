"""Copies of a database that are ready before a test asks: made, and dropped after use, in the background."""

import itertools
import os
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL

from analytics.database import Database
from tests.connections import dsn

AHEAD = 3
"""So many copies of a template are kept ready, or as many as were asked for if these are fewer."""


class Clones:
    """The copies of one test run on one server. What fails in the background is raised in the next test."""

    def __init__(self, server_url: URL) -> None:
        self._server_url = server_url
        self._numbers = itertools.count(1)
        # A thread and a connection each: a drop may have to wait until those who were connected are gone.
        self._maker, self._dropper = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        self._making, self._dropping = (psycopg.connect(dsn(server_url), autocommit=True) for _ in range(2))
        self._asked: Counter[str] = Counter()
        self._ready: defaultdict[str, deque[Future[str]]] = defaultdict(deque)
        self._drops: deque[Future[None]] = deque()

    @contextmanager
    def copy(self, template: str) -> Iterator[Database]:
        """A copy of the database `template`, as long as it is used."""
        while self._drops and self._drops[0].done():
            self._drops.popleft().result()
        ready = self._ready[template]
        while len(ready) <= min(self._asked[template], AHEAD):
            ready.append(self._maker.submit(self._make, template))
        self._asked[template] += 1
        name = ready.popleft().result()
        database = Database(self._server_url.set(database=name))
        try:
            yield database
        finally:
            database.close()
            self._drop_unused(name)
            self._drops.append(self._dropper.submit(self._drop, name))

    def await_drops(self) -> None:
        """Until nothing is left of what was used, such as the rights of a role."""
        while self._drops:
            self._drops.popleft().result()

    def close(self) -> None:
        """Drops all that is left."""
        with self._making, self._dropping, self._maker, self._dropper:
            for template in tuple(self._ready):
                self._drop_unused(template)
            self.await_drops()

    def _drop_unused(self, template: str) -> None:
        """Before a template goes, as it has to be there until its last copy is made."""
        for made in self._ready.pop(template, ()):
            self._drops.append(self._dropper.submit(lambda made=made: self._drop(made.result())))

    def _next_name(self) -> str:
        return f"test_{os.getpid()}_{next(self._numbers)}"

    def _make(self, template: str) -> str:
        name = self._next_name()
        # Copied as files: that writes no page to the log, and brings along what connections had to find out.
        statement = sql.SQL("create database {} template {} strategy file_copy")
        self._making.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return name

    def _drop(self, name: str) -> None:
        statement = sql.SQL("drop database {} with (force)")
        self._dropping.execute(statement.format(sql.Identifier(name)))


def make_read_only(database: Database) -> None:
    """From now on no transaction writes there, unless it says that it will."""
    with psycopg.connect(dsn(database.url), autocommit=True) as connection:
        statement = sql.SQL("alter database {} set default_transaction_read_only = on")
        connection.execute(statement.format(sql.Identifier(str(database.url.database))))
    database.close()  # its connections are from before
