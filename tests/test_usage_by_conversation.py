"""Which calls are one conversation, and that leaving out unlikely ones leaves out none that counts."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from analytics.database import Database
from tests import factories
from tests.connections import dsn
from tests.factories import NOW, insert_usage, usage_log
from tests.naive import Usage

ADA, BOB, GONE = UUID(int=101), UUID(int=102), UUID(int=103)

COLUMNS = """
    conversation_id, phone, conversation_name, total_tokens, total_cost, request_count,
    openai_tokens, groq_tokens, other_tokens, unpriced_count, share_of_tokens
"""


def conversations(
    connection: "psycopg.Connection[Any]", client_id: UUID, days: int, limit: int, *order: str
) -> list[tuple[Any, ...]]:
    """As the guide asks, or in an order."""
    places = ", ".join(["%s"] * (4 + len(order)))
    return connection.execute(
        f"select {COLUMNS} from get_usage_by_conversation({places})",  # noqa: S608
        [client_id, days, limit, NOW, *order],
    ).fetchall()


def test_logs_that_lack_one_of_the_two_are_the_same_conversation(database: Database) -> None:
    client_id, other = factories.client(database), factories.client(database, name="Other")
    factories.conversation(database, client_id, id=ADA, phone="551", name="Ada")
    factories.conversation(database, client_id, id=BOB, phone=None, name="Bob")
    factories.conversation(database, other, phone="552", name="Not ours")
    free = {"cost_usd": 0}
    for place in range(2):
        insert_usage(
            database,
            usage_log(
                client_id, conversation_id=ADA, phone="551", total_tokens=1000, cost_usd=Decimal("0.1")
            ),
            usage_log(client_id, conversation_id=None, phone="551", total_tokens=200, source="groq", **free),
            usage_log(client_id, conversation_id=ADA, phone=None, total_tokens=30, source="whisper", **free),
            usage_log(client_id, conversation_id=ADA, phone="changed", total_tokens=4, cost_usd=None),
            usage_log(client_id, conversation_id=BOB, phone=None, total_tokens=500, **free),
            usage_log(client_id, conversation_id=None, phone="552", total_tokens=90, **free),
            usage_log(client_id, conversation_id=GONE, phone=None, total_tokens=80, **free),
            usage_log(client_id, conversation_id=None, phone=None, total_tokens=60, **free),
            usage_log(client_id, conversation_id=None, phone=None, total_tokens=36, source="other", **free),
        )
        if place == 0:
            database.fold()

    with database.transaction() as connection:
        assert conversations(connection, client_id, 1, 20) == [
            (ADA, "551", "Ada", 2468, Decimal("0.2"), 8, 2008, 400, 60, 2, Decimal("0.617")),
            (BOB, None, "Bob", 1000, 0, 2, 1000, 0, 0, 0, Decimal("0.25")),
            (None, None, None, 192, 0, 4, 120, 0, 72, 0, Decimal("0.048")),
            (None, "552", None, 180, 0, 2, 180, 0, 0, 0, Decimal("0.045")),
            (GONE, None, None, 160, 0, 2, 160, 0, 0, 0, Decimal("0.04")),
        ]


def test_calls_without_tokens_have_a_row_and_a_share(database: Database) -> None:
    client_id = factories.client(database)
    insert_usage(database, usage_log(client_id, prompt_tokens=0, completion_tokens=0, cost_usd=Decimal(1)))

    with database.transaction() as connection:
        rows = conversations(connection, client_id, 1, 20)

    assert rows == [(None, "5511999999999", None, 0, 1, 1, 0, 0, 0, 0, 0)]


def test_a_long_lifetime_does_not_beat_a_busy_period(database: Database) -> None:
    client_id = factories.client(database)
    old = NOW - timedelta(days=60)
    for phone, tokens, moment in (
        *(("long", 10_000, old), ("long", 1, NOW), ("ended", 99_999, old)),
        *(("busy", 500, NOW), ("straddling", 100, old), ("straddling", 400, NOW)),
    ):
        insert_usage(database, usage_log(client_id, phone=phone, total_tokens=tokens, created_at=moment))

    for is_folded in (False, True):
        if is_folded:
            database.fold()
        with database.transaction() as connection:
            rows = conversations(connection, client_id, 30, 2)
        assert [row[1:4:2] for row in rows] == [("busy", 500), ("straddling", 400)]


def test_the_most_expensive_come_first_and_a_cost_that_is_not_known_is_no_free_one(
    database: Database,
) -> None:
    client_id = factories.client(database)
    for phone, tokens, cost in (
        *(("dear", 1, Decimal(200_000)), ("long", 9_000, Decimal("0.5")), ("free", 70, Decimal(0))),
        *(("unknown", 800, None), ("partly", 10, Decimal(3)), ("partly", 10, None)),
    ):
        insert_usage(database, usage_log(client_id, phone=phone, total_tokens=tokens, cost_usd=cost))

    for is_folded in (False, True):
        if is_folded:
            database.fold()
        with database.transaction() as connection:
            rows = conversations(connection, client_id, 30, 20, "cost")
            first = conversations(connection, client_id, 30, 1, "cost")
            with pytest.raises(psycopg.errors.InvalidParameterValue, match="order must be tokens or cost"):
                conversations(connection, client_id, 30, 20, "name")
        # (phone, tokens, cost, unpriced_count): what is not known is no more and no less than 0.
        assert [(row[1], row[3], row[4], row[9]) for row in rows] == [
            ("dear", 1, 200_000, 0),
            ("partly", 20, 3, 1),
            ("long", 9_000, Decimal("0.5"), 0),
            ("unknown", 800, 0, 1),
            ("free", 70, 0, 0),
        ]
        assert first == rows[:1]


# Days around the edge of the period. Some began long ago, so that their lifetime tells little of the period.
LOGS = st.lists(
    st.tuples(
        st.sampled_from([ADA, BOB, GONE, *[None] * 9]),
        st.sampled_from([*map(str, range(30)), "551", None]),
        st.sampled_from(["openai", "groq", "whisper"]),
        st.sampled_from([0, 1, 3, 10, 50, 1000]),
        # A cost that is not known is none.
        st.sampled_from([None, Decimal(0), Decimal("0.01")]) | st.integers(1, 100).map(Decimal),
        st.sampled_from([0, 1, 6, 7, 8, 29, 30]),
        # Tokens and cost of another call long ago.
        st.sampled_from([None, None, (0, Decimal(3000)), (40, Decimal(0)), (3000, Decimal("0.5"))]),
    ),
    min_size=20,
    max_size=60,
)
LONG_AGO = 300


def fill_and_compare(
    connection: "psycopg.Connection[Any]",
    logs: list[tuple[Any, ...]],
    folded: int,
    days: int,
    limit: int,
    deleted: str,
    sign: int = 1,
) -> None:
    connection.execute("delete from clients")
    client_id = UUID(int=1)
    connection.execute("insert into clients (id, name) values (%s, 'Acme')", [client_id])
    connection.execute(
        "insert into conversations (client_id, id, phone, name) values"
        " (%(client)s, %(ada)s, '551', 'Ada'), (%(client)s, %(bob)s, '3', 'Bob')",
        {"client": client_id, "ada": ADA, "bob": BOB},
    )
    for place, (conversation_id, phone, source, tokens, cost, days_ago, before) in enumerate(logs):
        if place == folded:
            connection.execute("select fold_usage()")
        calls = [(tokens, cost, days_ago)]
        if before is not None:
            calls.append((sign * before[0], sign * before[1], LONG_AGO))
        for call_tokens, cost_usd, call_days_ago in calls:
            connection.execute(
                """
                insert into usage_logs (
                    client_id, conversation_id, phone, source, total_tokens, cost_usd, cost_basis, created_at
                )
                values (%s, %s, %s, %s, %s, %s, %s, %s)
                """,
                [
                    *(client_id, conversation_id, phone, source, call_tokens, cost_usd or 0),
                    "unpriced" if cost_usd is None else "given",
                    NOW - timedelta(days=call_days_ago),
                ],
            )
    connection.execute("delete from usage_logs where source = %s", [deleted])
    if folded >= len(logs):
        connection.execute("select fold_usage()")

    expected = Usage(connection, client_id, NOW)
    assert conversations(connection, client_id, days, limit) == expected.by_conversation(days, limit)
    for order in ("tokens", "cost"):
        found = conversations(connection, client_id, days, limit, order)
        assert found == expected.by_conversation(days, limit, order)


EXAMPLES = settings(max_examples=120, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
PERIODS = {
    "folded": st.sampled_from([0, 15, 30, 99]),
    "days": st.sampled_from([1, 7, 30]),
    "limit": st.sampled_from([1, 1, 2, 3, 8]),
    "deleted": st.sampled_from(["nobody's", "nobody's", "whisper"]),
}


def test_the_first_conversations_equal_plain_sums(database: Database) -> None:
    with psycopg.connect(dsn(database.url), autocommit=True) as connection:

        @EXAMPLES
        @given(logs=LOGS, **PERIODS)  # type: ignore[arg-type]
        def check(logs: list[tuple[Any, ...]], folded: int, days: int, limit: int, deleted: str) -> None:
            fill_and_compare(connection, logs, folded, days, limit, deleted)

        check()


def test_the_first_conversations_equal_plain_sums_where_adopted_rows_are_negative(database: Database) -> None:
    with psycopg.connect(dsn(database.url), autocommit=True) as connection:
        # As adoption leaves it; and off, so that the rows get in.
        for name in ("usage_logs_tokens_are_not_negative", "usage_logs_cost_is_an_amount"):
            connection.execute(f"alter table usage_logs drop constraint {name}")
            connection.execute(
                f"alter table usage_logs add constraint {name} check (total_tokens < 0 or true) not valid"
            )

        @EXAMPLES
        @given(logs=LOGS, **PERIODS)  # type: ignore[arg-type]
        def check(logs: list[tuple[Any, ...]], folded: int, days: int, limit: int, deleted: str) -> None:
            fill_and_compare(connection, logs, folded, days, limit, deleted, sign=-1)

        check()


def test_the_period_ends_today(database: Database) -> None:
    client_id = factories.client(database)
    insert_usage(database, usage_log(client_id, total_tokens=5, created_at=NOW + timedelta(days=1)))

    with database.transaction() as connection:
        assert conversations(connection, client_id, 30, 20) == []
        assert connection.execute("select usage_date from usage_daily").fetchall() == [(date(2026, 3, 19),)]
