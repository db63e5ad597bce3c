"""Rows with sensible values, of which a test names only those that it is about."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from analytics.database import Database

NOW = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)  # a Wednesday
"""The moment that tests take for now, so that none depends on the day it runs."""

LONG_AGO = NOW - timedelta(days=2_000)
"""Before all that a page looks at."""


def client(database: Database, name: str = "Acme", timezone: str = "UTC", **columns: Any) -> UUID:
    """Inserts a client; its id."""
    client_id: UUID = columns.pop("id", None) or uuid4()
    with database.transaction() as connection:
        _insert(connection, "clients", {"id": client_id, "name": name, "timezone": timezone, **columns})
    return client_id


def quiet_client(database: Database, name: str = "Acme", timezone: str = "UTC", **columns: Any) -> UUID:
    """Inserts a client whose one call is older than all that a page looks at; its id."""
    client_id = client(database, name, timezone, **columns)
    insert_usage(database, usage_log(client_id, created_at=LONG_AGO))
    return client_id


def conversation(database: Database, client_id: UUID, **columns: Any) -> UUID:
    """Inserts a conversation; its id."""
    conversation_id: UUID = columns.pop("id", None) or uuid4()
    with database.transaction() as connection:
        _insert(connection, "conversations", {"client_id": client_id, "id": conversation_id, **columns})
    return conversation_id


def usage_log(client_id: UUID, **columns: Any) -> dict[str, Any]:
    """The columns of one call of gpt-4: 150 + 80 tokens for 0.0093 USD, at NOW."""
    row = {
        "client_id": client_id,
        "phone": "5511999999999",
        "source": "openai",
        "model": "gpt-4",
        "prompt_tokens": 150,
        "completion_tokens": 80,
        "cost_usd": Decimal("0.0093"),
        "cost_basis": "priced",
        "created_at": NOW,
        **columns,
    }
    if "total_tokens" not in columns:
        row["total_tokens"] = row["prompt_tokens"] + row["completion_tokens"]
    if isinstance(row.get("metadata"), dict):
        row["metadata"] = Jsonb(row["metadata"])
    return row


def insert_usage(database: Database, *rows: dict[str, Any]) -> None:
    """Inserts usage_logs rows made by usage_log(), each with a statement of its own."""
    with database.transaction() as connection:
        for row in rows:
            _insert(connection, "usage_logs", row)


def budget(database: Database, client_id: UUID | None, name: str = "All", **columns: Any) -> UUID:
    """Inserts a budget and its first version, 100 USD a month unless `columns` say otherwise; its id."""
    budget_id: UUID = columns.pop("id", None) or uuid4()
    created_at = columns.pop("created_at", LONG_AGO)
    version = {
        "budget_id": budget_id,
        "client_id": client_id,
        "valid_from": created_at,
        "changed_by": "tests",
        "limit_amount": Decimal(100),
        "unit": "usd",
        "period": "month",
        "time_zone": "UTC" if client_id is None else None,
        **columns,
    }
    for name_of_list in ("filters", "thresholds"):
        if name_of_list in version:
            version[name_of_list] = Jsonb(version[name_of_list])
    with database.transaction() as connection:
        row = {
            "id": budget_id,
            "client_id": client_id,
            "name": name,
            "created_at": created_at,
            "created_by": "tests",
        }
        _insert(connection, "budgets", row)
        _insert(connection, "budget_versions", version)
    return budget_id


def alert_event(database: Database, client_id: UUID | None, **columns: Any) -> None:
    """Inserts an event: a model without a price, unless `columns` say otherwise."""
    row = {"client_id": client_id, "kind": "unpriced", "subject": "a-model", "period_at": NOW, **columns}
    with database.transaction() as connection:
        _insert(connection, "alert_events", row)


def alert_mute(database: Database, client_id: UUID | None, **columns: Any) -> None:
    """Inserts a wish not to be told of anything of a client, unless `columns` say otherwise."""
    row = {"client_id": client_id, "muted_until": NOW, "muted_by": "tests", **columns}
    with database.transaction() as connection:
        _insert(connection, "alert_mutes", row)


def call(
    database: Database, columns: str, function: str, *arguments: Any, **named: Any
) -> list[tuple[Any, ...]]:
    """Rows of `function`, of which `columns` are wanted; `named` arguments get their p_."""
    places = [sql.Placeholder()] * len(arguments) + [
        sql.SQL("p_{} => {}").format(sql.SQL(name), sql.Literal(value)) for name, value in named.items()
    ]
    statement = sql.SQL("select {} from {}({})").format(
        sql.SQL(columns), sql.SQL(function), sql.SQL(", ").join(places)
    )
    with database.transaction() as connection:
        return connection.execute(statement, arguments).fetchall()


def _insert(connection: "psycopg.Connection[Any]", table: str, row: dict[str, Any]) -> None:
    connection.execute(
        sql.SQL("insert into {} ({}) values ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join(sql.Placeholder(name) for name in row),
        ),
        row,
    )
