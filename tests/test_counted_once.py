"""Spans of several instrumentors about one call are one call: by client, tokens, instrumentor and time."""

import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count, permutations
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from psycopg import sql

from analytics.calls.row import NO_FACTS, Row, line_of
from analytics.calls.store import Stored, store_lines, store_new_lines
from analytics.database import Database
from tests.connections import at_once
from tests.naive import wrong_sums

START = datetime(2026, 3, 18, 12, tzinfo=UTC)
OPENAI, LANGCHAIN, GATEWAY = "instrumentation.openai", "instrumentation.langchain", "gateway"
MISSING = {"usage_missing": "the response has no usage"}


def span(
    client_id: UUID,
    number: int,
    *,
    scope: str = OPENAI,
    ms: tuple[int, int] = (0, 100),
    tokens: int | None = 30,
    trace: str = "t1",
    span_id: str | None = None,
    failed: bool = False,
    response_id: str | None = None,
    **values: Any,
) -> str:
    """The line of a call that came from a span, from and until so many milliseconds after START."""
    facts = NO_FACTS._replace(
        latency_ms=ms[1] - ms[0], response_id=response_id, outcome="error" if failed else None
    )
    row = Row(
        id=str(UUID(int=number)),
        created_at=START + timedelta(milliseconds=ms[1]),
        prompt_tokens=10 if tokens else 0,
        completion_tokens=tokens or 0,
        total_tokens=10 + tokens if tokens else 0,
        cost_usd=Decimal(tokens or 0),
        cost_basis="priced" if tokens or failed else "unpriced",
        metadata={
            "scope": scope,
            "trace_id": trace,
            "span_id": span_id or f"{scope}-{number}",
            **({} if tokens else MISSING),
        },
        details={},
        duration_seconds=None,
        facts=facts,
        source="openai",
        model="gpt-4",
        tags=None,
        client_id=str(client_id),
        conversation_id=None,
        phone=None,
        conversation_name=None,
    )
    return line_of(row._replace(**values))


def store(database: Database, *lines: str) -> Stored:
    with database.transaction() as connection:
        return store_new_lines(connection, lines)


def tokens_of(database: Database) -> list[int]:
    with database.transaction() as connection:
        assert not wrong_sums(connection)
        rows = connection.execute("select completion_tokens from usage_logs order by 1").fetchall()
        connection.execute("select fold_usage()")
        assert not wrong_sums(connection)
    return [tokens for (tokens,) in rows]


def each_way(database: Database, client_id: UUID, spans: Sequence[dict[str, Any]]) -> list[list[int]]:
    """The tokens of the calls that are stored, by orders and batches: each that there is."""
    found = []
    for order in permutations(enumerate(spans, 1)):
        lines = [span(client_id, number, **values) for number, values in order]
        for batches in (
            [lines],
            [[line] for line in lines],
            [*([line] for line in lines), *([line] for line in lines)],
        ):
            with database.transaction() as connection:
                connection.execute("delete from usage_logs")
            for batch in batches:
                store(database, *batch)
            found.append(tokens_of(database))
    return found


INNER = {"scope": OPENAI, "ms": (10, 90)}
OUTER = {"scope": LANGCHAIN, "ms": (0, 100)}


@pytest.mark.parametrize(
    ("spans", "calls"),
    [
        pytest.param([INNER, OUTER], [30], id="one within the other"),
        pytest.param([INNER, {**OUTER, "trace": "t2"}], [30], id="roots of two traces"),
        pytest.param(
            [INNER, {**OUTER, "ms": (13, 95)}], [30], id="begins 3 ms later, by a clock or rounding"
        ),
        pytest.param([INNER, {**OUTER, "ms": (17, 97)}], [30, 30], id="begins within it, and ends after it"),
        pytest.param([INNER, {**OUTER, "ms": (200, 300)}], [30, 30], id="one after the other"),
        pytest.param([INNER, {**OUTER, "scope": OPENAI}], [30, 30], id="one instrumentor, two calls"),
        pytest.param([INNER, {**OUTER, "tokens": 31}], [30, 31], id="other tokens"),
        pytest.param([{**INNER, "response_id": "r1"}, OUTER], [30], id="one names its response"),
        pytest.param(
            [{**INNER, "response_id": "r1"}, {**OUTER, "response_id": "r2"}], [30, 30], id="other responses"
        ),
        pytest.param(
            [{**INNER, "source": "groq", "model": "llama-3.3-70b"}, {**OUTER, "trace": "t2"}],
            [30, 30],
            id="two providers are asked the same",
        ),
        pytest.param(
            [
                {**INNER, "model": "gpt-4-0613"},
                {**OUTER, "trace": "t2", "source": "openrouter", "model": "openai/gpt-4"},
            ],
            [30],
            id="a gateway has its own name of the model",
        ),
        pytest.param(
            [{**INNER, "response_id": "msg_1"}, {**OUTER, "response_id": "req_1", "trace": "t2"}],
            [30],
            id="the id of the response, and that of the request",
        ),
        pytest.param(
            [INNER, {**OUTER, "ms": (1500, 1500), "trace": "t2"}], [30], id="a log, a second after the end"
        ),
        pytest.param([INNER, {**OUTER, "ms": (3000, 3000), "trace": "t2"}], [30, 30], id="a log of another"),
        pytest.param(
            [INNER, OUTER, {"scope": GATEWAY, "ms": (20, 80), "trace": "t3"}], [30], id="three views"
        ),
        pytest.param([INNER, {**OUTER, "tokens": None}], [30], id="a wrapper that does not know the tokens"),
        pytest.param(
            [INNER, {**OUTER, "scope": OPENAI, "tokens": None}], [30], id="a wrapper of the same instrumentor"
        ),
        pytest.param(
            [INNER, {**OUTER, "tokens": None, "trace": "t2"}], [0, 30], id="no wrapper, as of another trace"
        ),
        pytest.param([{**INNER, "tokens": None}, OUTER], [30], id="the inner one does not know the tokens"),
        pytest.param(
            [{**INNER, "tokens": None, "failed": True}, OUTER],
            [0, 30],
            id="a failed attempt, and then a call",
        ),
        pytest.param(
            [
                {**INNER, "tokens": None, "failed": True},
                {**OUTER, "tokens": None, "failed": True, "trace": "t2"},
            ],
            [0],
            id="a failure that two saw",
        ),
        pytest.param(
            [{**INNER, "tokens": None}, {**OUTER, "tokens": None, "trace": "t2"}],
            [0, 0],
            id="two of which nothing is known",
        ),
    ],
)
def test_spans_are_one_call_or_several_in_whatever_order_and_batches(
    database: Database, acme: UUID, spans: list[dict[str, Any]], calls: list[int]
) -> None:
    found = each_way(database, acme, spans)

    assert found == [calls] * len(found)


def test_two_equal_calls_at_once_stay_two(database: Database, acme: UUID) -> None:
    spans = [
        {**INNER, "trace": "t1"},
        {**INNER, "trace": "t2"},
        {**OUTER, "trace": "t1"},
        {**OUTER, "trace": "t2"},
    ]

    found = each_way(database, acme, spans)

    assert found == [[30, 30]] * len(found)


def test_calls_of_several_clients_are_not_mixed_up(database: Database, acme: UUID) -> None:
    with database.transaction() as connection:
        connection.execute("insert into clients (id, name) values (%s, 'Other')", [UUID(int=77)])

    stored = store(database, span(acme, 1, **INNER), span(UUID(int=77), 2, **OUTER), span(acme, 3, **OUTER))

    assert (stored.stored, stored.row_ids) == (2, {UUID(int=3): UUID(int=1)})


def test_the_row_keeps_its_id_says_who_told_of_it_and_a_span_that_comes_again_writes_nothing(
    database: Database, acme: UUID
) -> None:
    outer = span(acme, 2, **OUTER, phone="5511")
    inner = span(acme, 1, **INNER, details={"cached_tokens": 4})
    store(database, outer)

    stored = store(database, inner)

    assert (stored.stored, list(stored.updated)) == (0, [UUID(int=2)])
    select = "select id, phone, cached_tokens, latency_ms, metadata, created_at, xmin::text from usage_logs"
    assert stored.row_ids == {UUID(int=1): UUID(int=2)}
    with database.transaction() as connection:
        row = connection.execute(select).fetchone()
        assert row is not None
        assert row[:4] == (UUID(int=2), "5511", 4, 100)
        assert row[4]["scope"] == OPENAI
        assert row[4]["seen_by"] == {LANGCHAIN: f"t1-{LANGCHAIN}-2"}
        pending = connection.execute("select count(*) from usage_pending").fetchone()
    again = store(database, inner, outer)
    assert (again.stored, list(again.known_before), list(again.updated)) == (0, [UUID(int=2)], [])
    with database.transaction() as connection:
        assert connection.execute(select).fetchone() == row
        assert connection.execute("select count(*) from usage_pending").fetchone() == pending


def test_the_view_with_the_providers_response_id_gives_the_id(database: Database, acme: UUID) -> None:
    stored = store(database, span(acme, 1, **INNER), span(acme, 2, **OUTER, response_id="r1"))

    assert (stored.stored, stored.row_ids) == (1, {UUID(int=1): UUID(int=2)})


def test_workers_at_the_same_moment_find_each_others_calls(database: Database, acme: UUID) -> None:
    calls = range(200)

    def lines(scope: str, margin: int, first: int) -> list[str]:
        return [
            span(
                acme,
                first + number,
                scope=scope,
                ms=(number * 50 - margin, number * 50 + 100 + margin),
                trace=scope,
            )
            for number in calls
        ]

    def work(batches: Iterable[list[str]]) -> Any:
        def run(connection: "psycopg.Connection[Any]") -> int:
            stored = 0
            for batch in batches:
                with connection.transaction():
                    stored += store_lines(connection, batch).stored
            return stored

        return run

    views = [lines(OPENAI, 0, 1_000), lines(LANGCHAIN, 6, 2_000), lines(GATEWAY, 12, 3_000)]
    # Each begins elsewhere, so that they meet.
    workers = [
        work(
            [
                view[at : at + 20]
                for start in [20 * turn]
                for at in [*range(start, 200, 20), *range(0, start, 20)]
            ]
        )
        for turn, view in enumerate(views)
    ]

    stored = at_once(*workers, database=database)

    assert sum(stored) == len(calls)
    assert tokens_of(database) == [30] * len(calls)


def test_workers_find_each_others_calls_in_a_database_whose_default_is_serializable(
    database: Database, acme: UUID
) -> None:
    with database.transaction() as connection:
        connection.execute(
            sql.SQL("alter database {} set default_transaction_isolation = 'serializable'").format(
                sql.Identifier(str(database.url.database))
            )
        )
    start = threading.Barrier(2, timeout=30)

    def work(scope: str, margin: int, first: int) -> int:
        with closing(Database(database.url)) as own:
            stored = 0
            for number in range(20):
                start.wait()
                ms = (number * 50 - margin, number * 50 + 100 + margin)
                stored += store(own, span(acme, first + number, scope=scope, ms=ms, trace=scope)).stored
            return stored

    with ThreadPoolExecutor(2) as threads:
        results = [threads.submit(work, OPENAI, 0, 1_000), threads.submit(work, LANGCHAIN, 6, 2_000)]

    assert sum(result.result() for result in results) == 20


def test_any_calls_with_any_views_in_any_order_and_batches_are_counted_once(
    database: Database, acme: UUID
) -> None:
    numbers = count(1)

    @settings(max_examples=20, deadline=None, phases=[Phase.generate, Phase.shrink])
    @given(st.data())
    def run(data: st.DataObject) -> None:
        with database.transaction() as connection:
            connection.execute("delete from usage_logs")
        calls = data.draw(
            st.lists(
                st.tuples(
                    st.integers(0, 5).map(lambda step: step * 40),
                    st.sampled_from([7, 30]),
                    st.sets(st.sampled_from([OPENAI, LANGCHAIN, GATEWAY]), min_size=1),
                ),
                min_size=1,
                max_size=5,
                unique_by=lambda call: call[:2],
            )
        )
        lines = [
            span(
                acme,
                next(numbers),
                scope=scope,
                ms=(start - 6 * margin, start + 100 + 6 * margin),
                tokens=tokens,
                trace=data.draw(st.sampled_from(["t1", "t2"])),
            )
            for start, tokens, scopes in calls
            for margin, scope in enumerate(sorted(scopes))
        ]
        sent = data.draw(st.permutations(lines + data.draw(st.lists(st.sampled_from(lines), max_size=3))))
        size = data.draw(st.integers(1, len(sent)))
        stored = [store(database, *sent[at : at + size]) for at in range(0, len(sent), size)]
        assert sum(result.stored for result in stored) == len(calls)
        assert tokens_of(database) == sorted(tokens for _, tokens, _ in calls)

    run()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize(
    "within",
    [
        {
            "model": "text-embedding-3-small",
            "facts": NO_FACTS._replace(latency_ms=20, operation="embeddings"),
        },
        {"model": "gpt-4o-mini"},
    ],
)
def test_what_is_asked_while_an_answer_is_read_is_a_call_of_its_own(
    database: Database, acme: UUID, within: dict[str, Any], order: tuple[int, int]
) -> None:
    """The span of a stream that was cut stays current, so that later calls lie within it."""
    stream = span(acme, 1, tokens=None, facts=NO_FACTS._replace(latency_ms=100, operation="chat"))
    asked = span(acme, 2, ms=(40, 60), **within)
    for place in order:
        store(database, (stream, asked)[place])

    with database.transaction() as connection:
        found = connection.execute("select model, total_tokens from usage_logs order by 2").fetchall()
    assert found == [("gpt-4", 0), (within["model"], 40)]
