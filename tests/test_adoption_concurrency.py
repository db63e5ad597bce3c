"""The original application writes on while its installation is adopted: nothing fails, nothing is lost."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.errors import CheckViolation
from psycopg.types.json import Jsonb

from analytics.database import Database
from analytics.migrations import apply_migrations
from tests import legacy
from tests.connections import at_once, dsn
from tests.legacy import ACME, CONVERSATION
from tests.naive import wrong_sums

ROWS = 60_000
AFTERWARDS = 20
"""Transactions of each writer after the migration."""


class Writer:
    """One connection of the application, and what it knows to be in the database."""

    def __init__(self, number: int, migrated: threading.Event) -> None:
        self.number = number
        self.migrated = migrated
        self.tokens: dict[UUID, int] = {}
        self.turns = 0

    def __call__(self, connection: "psycopg.Connection[Any]") -> None:
        afterwards = 0
        while afterwards < AFTERWARDS:
            afterwards += self.migrated.is_set()
            self.turns += 1
            with connection.transaction():
                self.write(connection)
            if self.number == 1 and self.turns % 11 == 0:
                # The original's tables take it, ours refuse it; what was taken is kept.
                with suppress(CheckViolation):
                    self.tokens[self.insert(connection, ACME, tokens=-1)] = -1

    def write(self, connection: "psycopg.Connection[Any]") -> None:
        client_id = None if self.turns % 5 == 0 else ACME
        # What an application also does beside: before the call is logged or after it.
        if self.turns % 7 == 0:
            connection.execute("update conversations set last_message = 'x' where id = %s", [CONVERSATION])
        log_id = self.insert(connection, client_id, tokens=self.turns)
        if self.turns % 7 == 3:
            connection.execute("update clients set status = 'busy' where id = %s", [ACME])
        self.tokens[log_id] = self.turns
        older = [known for known in list(self.tokens)[-8:] if self.tokens[known] >= 0]
        if self.turns % 4 == 0:
            connection.execute("update usage_logs set total_tokens = 7 where id = %s", [older[0]])
            self.tokens[older[0]] = 7
        if self.turns % 4 == 2 and len(older) > 1:
            connection.execute("delete from usage_logs where id = %s", [older[1]])
            del self.tokens[older[1]]

    def insert(self, connection: "psycopg.Connection[Any]", client_id: UUID | None, tokens: int) -> UUID:
        log_id = uuid4()
        connection.execute(
            "insert into usage_logs (id, client_id, conversation_id, phone, source, total_tokens, metadata)"
            " values (%s, %s, %s, '551', 'openai', %s, %s)",
            [log_id, client_id, CONVERSATION, tokens, Jsonb({})],
            prepare=True,
        )
        return log_id


@pytest.mark.parametrize("changes", ["with deletes and changes", "inserts only"])
def test_nothing_written_meanwhile_fails_or_is_lost(empty_database: Database, changes: str) -> None:
    with psycopg.connect(dsn(empty_database.url), autocommit=True) as connection:
        legacy.install(connection)
        legacy.fill(connection, ROWS)
        connection.execute("delete from usage_logs where phone = '557'")
        # A conversation with as many calls in a week as are kept by their kinds.
        connection.execute(
            "insert into usage_logs (client_id, conversation_id, phone, source, total_tokens, metadata)"
            " select %s, %s, '551', 'openai', 1, '{}' from generate_series(1, 150)",
            [ACME, CONVERSATION],
        )
        before = dict(connection.execute("select id, total_tokens from usage_logs").fetchall())
        migrated = threading.Event()

        def migrate(_: "psycopg.Connection[Any]") -> None:
            try:
                apply_migrations(empty_database)
            finally:
                migrated.set()

        def churn(connection: "psycopg.Connection[Any]") -> None:
            """Until the end, rows that the copy has already seen, or not yet, go and move."""
            for number, log_id in enumerate(list(before)[::7]):
                if migrated.is_set():
                    break
                if number % 2:
                    connection.execute("delete from usage_logs where id = %s", [log_id])
                    del before[log_id]
                else:
                    connection.execute("update usage_logs set total_tokens = 9 where id = %s", [log_id])
                    before[log_id] = 9

        writers = [Writer(number, migrated) for number in range(4)]
        tasks: list[Callable[[psycopg.Connection[Any]], object]] = [migrate, *writers]
        if changes == "with deletes and changes":
            tasks.append(churn)
        else:
            for writer in writers:
                writer.write = inserts_only(writer)  # type: ignore[method-assign]
        at_once(*tasks, database=empty_database)

        assert sum(writer.turns for writer in writers) > len(writers) * AFTERWARDS
        expected = before | {log_id: tokens for writer in writers for log_id, tokens in writer.tokens.items()}
        after = dict(connection.execute("select id, total_tokens from usage_logs").fetchall())
        assert after == expected
        assert wrong_sums(connection) == []


def inserts_only(writer: Writer) -> Callable[["psycopg.Connection[Any]"], None]:
    def write(connection: "psycopg.Connection[Any]") -> None:
        log_id = connection.execute(
            legacy.INSERT + " returning id",
            [ACME, CONVERSATION, "551", "openai", "gpt-4", 1, 2, 3, 0, None],
            prepare=True,
        ).fetchone()
        assert log_id is not None
        writer.tokens[log_id[0]] = 3

    return write
