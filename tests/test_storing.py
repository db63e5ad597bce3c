"""Lines become rows: the fast way for new calls, and the way that passes over what is there."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from analytics.calls.row import Row, conversation_uuid, line_of
from analytics.calls.store import Stored, store_lines, store_new_lines
from analytics.database import Database
from analytics.errors import DataRefused

Store = Callable[["psycopg.Connection[Any]", list[str]], Stored]

both_ways = pytest.mark.parametrize("store", [store_new_lines, store_lines])


def line(client_id: UUID | None, number: int, **values: Any) -> str:
    """A line of a call of gpt-4, whose id ends with the number."""
    row = Row(
        id=str(UUID(int=number)),
        created_at=datetime(2026, 3, 18, 12, tzinfo=UTC),
        prompt_tokens=10,
        completion_tokens=20,
        total_tokens=30,
        cost_usd=Decimal("0.0015"),
        cost_basis="priced",
        metadata={"note": "a\tb\\c"},
        source="openai",
        model="gpt-4",
        client_id=str(client_id) if client_id else None,
        conversation_id=None,
        phone=None,
        conversation_name=None,
    )
    return line_of(row._replace(**values))


def named(client_id: UUID, name: str) -> dict[str, str]:
    return {"conversation_id": str(conversation_uuid(client_id, name)), "conversation_name": name}


def select(database: Database, statement: str) -> list[tuple[Any, ...]]:
    with database.transaction() as connection:
        return connection.execute(statement).fetchall()  # type: ignore[call-overload,no-any-return]


def numbers(database: Database) -> list[int]:
    return [call_id.int for (call_id,) in select(database, "select id from usage_logs order by id")]


def store_all(database: Database, store: Store, lines: Iterable[str]) -> Stored:
    with database.transaction() as connection:
        return store(connection, list(lines))


@both_ways
def test_new_calls_and_their_conversations_are_stored(database: Database, acme: UUID, store: Store) -> None:
    tabbed = named(acme, "a\tb")
    stored = store_all(
        database,
        store,
        [
            line(acme, 3, **named(acme, "ticket 12")),
            line(acme, 2, **named(acme, "ticket 12"), phone="5511"),
            line(acme, 1, **tabbed, phone="5511"),
            line(None, 4, cost_basis="unpriced", cost_usd=Decimal(0), model=None, metadata=None),
        ],
    )

    assert (stored.stored, stored.unpriced, list(stored.known_before)) == (4, 1, [])
    assert stored.unknown_clients == []
    rows = select(database, "select id, client_id, phone, model, metadata from usage_logs order by id")
    assert [(call_id.int, *rest) for call_id, *rest in rows] == [
        (1, acme, "5511", "gpt-4", {"note": "a\tb\\c"}),
        (2, acme, "5511", "gpt-4", {"note": "a\tb\\c"}),
        (3, acme, None, "gpt-4", {"note": "a\tb\\c"}),
        (4, UUID(int=0), None, None, None),
    ]
    # The phone belongs to the conversation that named it first.
    assert select(database, "select name, phone from conversations order by name") == [
        ("a\tb", None),
        ("ticket 12", "5511"),
    ]
    assert select(database, "select sum(request_count), sum(unpriced_count) from usage_daily") == [(4, 1)]


@both_ways
def test_what_earlier_calls_did_not_say_of_a_conversation_is_added(
    database: Database, acme: UUID, store: Store
) -> None:
    store_all(database, store, [line(acme, 1, **named(acme, "ticket 12"))])
    store_all(database, store, [line(acme, 2, **named(acme, "ticket 12"), phone="5511")])

    assert select(database, "select name, phone from conversations") == [("ticket 12", "5511")]


@pytest.mark.parametrize("known", [True, False])
def test_the_fast_way_stores_nothing_where_a_call_is_there_or_its_client_is_not(
    database: Database, acme: UUID, known: bool
) -> None:
    store_all(database, store_new_lines, [line(acme, 1)])
    odd = line(acme, 1) if known else line(uuid4(), 2)

    with pytest.raises(DataRefused):
        store_all(database, store_new_lines, [line(acme, 3, **named(acme, "ticket 12")), odd])

    assert numbers(database) == [1]
    assert select(database, "select from conversations") == []


def test_the_other_way_passes_over_them(database: Database, acme: UUID) -> None:
    store_all(database, store_new_lines, [line(acme, 1)])
    stranger = uuid4()

    stored = store_all(
        database, store_lines, [line(acme, 1), line(acme, 2), line(acme, 2), line(stranger, 3)]
    )

    assert (stored.stored, stored.known_before) == (1, [UUID(int=1)])
    assert stored.unknown_clients == [(stranger, UUID(int=3))]
    assert numbers(database) == [1, 2]


@both_ways
def test_no_lines_store_nothing(database: Database, store: Store) -> None:
    assert store_all(database, store, []).stored == 0
    assert numbers(database) == []
