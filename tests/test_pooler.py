"""What one client's reads show while three others have data: directly, and through PgBouncer.

Through PgBouncer all share one server connection, which goes to another client with each transaction: a role
or a client id that outlived its transaction would show.
"""

import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import fields, is_dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pandas as pd
import pytest
from psycopg.types.json import Jsonb

from analytics import queries
from analytics.api.answers import AnalyticsRequest, analytics_json
from analytics.budgets import load_budgets, load_periods_over
from analytics.clients import has_calls, read_client
from analytics.database import Database, Query
from analytics.days import Days
from analytics.errors import DatabaseError
from analytics.queries import Period, SqlFunction
from tests import factories, pgbouncer, repricing
from tests.test_row_level_security import TABLES, VIEWS

pytestmark = pytest.mark.skipif(
    not pgbouncer.is_installed() and not os.environ.get("CI"), reason="no pgbouncer on the PATH"
)

NOW = factories.NOW

TODAY = NOW.date()
CONVERSATIONS = {"folded": UUID(int=8), "pending": UUID(int=9)}
"""Their ids by their phones; each client has them."""
CALL_ID = UUID(int=10)
"""That of one pending call of each client."""
GIVEN: Mapping[str, Any] = {
    "now": NOW,
    "period": Period(days=7),
    "request": AnalyticsRequest(period=Period(days=7)),
    "days": Days.until(TODAY, 7),
    "other": Days.until(TODAY, 7).before,
    "since": NOW - timedelta(hours=1),
    "calls_since": NOW - timedelta(hours=1),
    "minutes_since": NOW - timedelta(hours=1),
    "until": NOW + timedelta(hours=1),
    "conversation_id": CONVERSATIONS["pending"],
    "phone_handle": None,
    "key": "feature",
    "group": "model",
    "text": str(CALL_ID),
    "keys": [str(conversation_id) for conversation_id in CONVERSATIONS.values()],
    "before": Days.until(TODAY, 7).before,
    "bucket": "day",
    "order": "tokens",
}
"""What the query functions are asked for, by the names of their parameters."""
OF_FUNCTIONS: Mapping[str, Any] = {
    **{name: GIVEN[name] for name in ("now", "since", "until", "conversation_id", "phone_handle", "key")},
    "days": 7,
    "weeks": 3,
    "year": TODAY.year,
    "month": TODAY.month,
    "limit": 20,
    "offset": 0,
    "order": "tokens",
    "sort": "tokens",
    "descending": True,
    "search": "",
    "grain": "day",
    "group": "model",
    "top": 7,
    "ids": [CALL_ID],
    "from_at": None,
    "from_id": None,
    "is_newer": False,
    "first_date": TODAY - timedelta(days=6),
    "last_date": TODAY,
    "previous_first_date": TODAY - timedelta(days=13),
    "previous_last_date": TODAY - timedelta(days=7),
}
"""What the SQL functions are asked for, by the names of their arguments."""


def query(function: Callable[..., Any]) -> Callable[[Database, UUID], Any]:
    """The query function for any client, asked for what is GIVEN; other parameters keep their defaults."""
    parameters = inspect.signature(function).parameters
    given = {name: value for name, value in GIVEN.items() if name in parameters}
    return lambda database, client: function(database, client_id=client, **given)


def ask(function: SqlFunction) -> Callable[[Database, UUID], Any]:
    """The SQL function for any client."""
    return lambda database, client: function.ask(database, client_id=client, **OF_FUNCTIONS)


READERS = {
    **vars(queries),
    "has_calls": has_calls,
    "read_client": read_client,
    "load_budgets": load_budgets,
    "load_periods_over": load_periods_over,
    "analytics_json": analytics_json,
}
QUERIES = {
    name: query(function)
    for name, function in READERS.items()
    if inspect.isfunction(function) and {"database", "client_id"} <= {*inspect.signature(function).parameters}
}
FUNCTIONS = {
    name: ask(function) for name, function in vars(queries).items() if isinstance(function, SqlFunction)
}


def bare(relation: str) -> Callable[[Database, UUID], Any]:
    """A query that forgets its `where`."""
    query = Query(statement=f"select * from {relation} as each order by each::text")  # noqa: S608
    return lambda database, client: database.read(query, client_id=client)[0].records


READS = {**QUERIES, **FUNCTIONS, **{f"all of {relation}": bare(relation) for relation in TABLES + VIEWS}}


ACME, BETA, *OTHERS = (UUID(int=number) for number in range(1, 5))


@pytest.fixture
def clients(database: Database) -> None:
    """Four clients with rows in every table, folded ones and pending ones; and calls without a client."""
    for number, client_id in enumerate((ACME, BETA, *OTHERS), start=1):
        factories.client(database, f"Client {number}", id=client_id)
        _use(database, client_id, phone="folded", calls=number)
        repricing.correct_a_call(database, client_id)
        factories.budget(database, client_id)
        factories.alert_event(database, client_id)
        factories.alert_mute(database, client_id)
    database.fold()
    for number, client_id in enumerate((ACME, BETA, *OTHERS), start=1):
        _use(database, client_id, phone="pending", calls=number)
        with database.transaction() as connection:
            tags = Jsonb({"feature": f"of {number}"})
            connection.execute("select intern_tags(%s, %s)", [client_id, tags])
            connection.execute("insert into usage_days_to_sum values (%s, current_date)", [client_id])
    factories.insert_usage(database, factories.usage_log(None))  # type: ignore[arg-type]


def _use(database: Database, client_id: UUID, *, phone: str, calls: int) -> None:
    conversation_id = CONVERSATIONS[phone]
    factories.conversation(database, client_id, id=conversation_id, phone=phone, name=f"of {client_id}")
    row = factories.usage_log(
        client_id,
        conversation_id=conversation_id,
        prompt_tokens=1_001 * calls,
        tag_set_id=1,
        latency_ms=900 * calls,
        metadata={"usage_not_understood": {f"field_{calls}": "not known"}},
    )
    factories.insert_usage(database, *[row] * calls)
    if phone == "folded":
        # So many in a week are kept by kind.
        factories.insert_usage(database, row | {"bucket_request_count": 100})
    if phone == "pending":
        attempt = row | {"operation_id": "an operation"}
        factories.insert_usage(database, attempt | {"id": CALL_ID}, attempt)


def read_all(database: Database, client_id: UUID) -> dict[str, str]:
    return {read: text_of(ask(database, client_id)) for read, ask in READS.items()}


def text_of(shown: Any) -> str:
    """All of an answer, so that two can be compared."""
    if isinstance(shown, pd.DataFrame):
        return shown.to_csv()
    if is_dataclass(shown):
        return "\n".join(text_of(getattr(shown, field.name)) for field in fields(shown))
    if isinstance(shown, (tuple, list)):
        return "\n".join(map(text_of, shown))
    return str(shown)


@pytest.fixture
def pooled(database: Database) -> Iterator[Database]:
    """The test's database, through PgBouncer."""
    with pgbouncer.pgbouncer(database.url) as url, closing(Database(url)) as pooled:
        yield pooled


@pytest.fixture
def other_pooled(pooled: Database) -> Iterator[Database]:
    """The same in another process: connections of its own to PgBouncer, and behind it the same one."""
    with closing(Database(pooled.url)) as other:
        yield other


WHO = Query(
    statement="select current_user::text, session_user::text,"
    " coalesce(current_setting('app.client_id', true), ''), pg_backend_pid()"
)


def who(database: Database) -> tuple[Any, ...]:
    """As whom a plain transaction runs, for which client, and on which server connection."""
    with database.transaction() as connection:
        row = connection.execute(WHO.statement).fetchone()
    assert row is not None
    return tuple(row)


def test_the_query_layer_is_among_the_reads() -> None:
    assert {"DAILY_USAGE", "USAGE_BY_CONVERSATION", "load_overview", "analytics_json"} <= set(READS)


@pytest.mark.usefixtures("clients")
def test_a_client_sees_what_it_would_see_alone(database: Database, pooled: Database) -> None:
    together, together_pooled = read_all(database, ACME), read_all(pooled, ACME)
    with database.transaction() as connection:
        connection.execute("delete from clients where id <> %s", [ACME])

    alone = read_all(database, ACME)

    assert together == alone
    assert together_pooled == alone


@pytest.mark.usefixtures("clients")
def test_two_clients_take_turns_on_one_connection(
    database: Database, pooled: Database, other_pooled: Database
) -> None:
    of_acme, of_beta = read_all(database, ACME), read_all(database, BETA)
    # Nobody has tampered with the sums of either.
    # What both have alike: that there are calls.
    assert {read for read in READS if of_acme[read] == of_beta[read]} <= {
        "has_calls",
        "first_usage_day",
        "SUM_DIFFERENCES",
        "COMPARED_DAYS",
    }
    user = database.url.username
    connections = set()
    for read, ask in READS.items():
        assert text_of(ask(pooled, ACME)) == of_acme[read]
        for way in (pooled, other_pooled):
            *identity, connection = who(way)
            assert identity == [user, user, ""]
            connections.add(connection)
        assert text_of(ask(other_pooled, BETA)) == of_beta[read]
    assert len(connections) == 1


@pytest.mark.usefixtures("clients")
def test_two_clients_at_once_on_one_connection(
    database: Database, pooled: Database, other_pooled: Database
) -> None:
    expected = [read_all(database, ACME), read_all(database, BETA)]
    with ThreadPoolExecutor(4) as threads:
        shown = list(threads.map(read_all, [pooled, other_pooled] * 4, [ACME, BETA] * 4))
    assert shown == expected * 4


@pytest.mark.usefixtures("clients")
def test_a_read_that_fails_leaves_nothing_behind(pooled: Database, other_pooled: Database) -> None:
    for statement in ("select 1 / 0", "delete from usage_logs", "select * from members", "nonsense"):
        with pytest.raises(DatabaseError):
            pooled.read(Query(statement=statement), client_id=ACME)
        for way in (pooled, other_pooled):
            assert who(way)[:3] == (pooled.url.username, pooled.url.username, "")


def test_a_setting_that_outlives_its_transaction_would_show(pooled: Database, other_pooled: Database) -> None:
    """What the others of these tests rest on: one connection, which nobody cleans in between."""
    with pooled.transaction() as connection:
        connection.execute("select set_config('app.client_id', %s, false)", [str(ACME)])
        connection.execute("set role analytics_reader")
    role, _, client_id, _ = who(other_pooled)
    assert (role, client_id) == ("analytics_reader", str(ACME))


@pytest.mark.usefixtures("clients")
def test_a_read_hands_its_connection_on(pooled: Database, other_pooled: Database) -> None:
    """Whatever is sent after the transaction's end would take the one connection again, and keep it."""
    for _ in range(500):
        for way in (pooled, other_pooled):
            way.read(Query(statement="select 1"), client_id=ACME)
