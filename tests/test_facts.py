"""The facts of calls in the database: tags, latencies, days of UTC, and what old writers tell elsewhere."""

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb

from analytics.database import Database
from tests import factories
from tests.connections import at_once, dsn
from tests.factories import NOW, call, insert_usage, usage_log
from tests.naive import wrong_sums

FIRST, LAST = NOW.date() - timedelta(days=30), NOW.date()


def rows(database: Database, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with database.transaction() as connection:
        return connection.execute(statement, values).fetchall()  # type: ignore[arg-type]


def intern(database: Database, client_id: UUID, tags: dict[str, str]) -> int | None:
    [(number,)] = rows(database, "select intern_tags(%s, %s)", client_id, Jsonb(tags))
    return number


def test_the_guides_insert_has_no_facts(database: Database, acme: UUID) -> None:
    with database.transaction() as connection:
        connection.execute(
            "insert into usage_logs (client_id, conversation_id, phone, source, model, prompt_tokens,"
            " completion_tokens, total_tokens, cost_usd)"
            " values (%s, null, '5511999999999', 'openai', 'gpt-4', 150, 80, 230, 0.0093)",
            [acme],
        )

    assert rows(database, "select operation, outcome, cached_tokens, tag_set_id from usage_logs") == [
        (None, None, None, None)
    ]
    assert rows(database, "select request_count, cached_tokens, total_tokens from usage_facts_daily") == [
        (1, 0, 230)
    ]


@pytest.mark.parametrize(
    ("given", "total"), [({}, 230), ({"total_tokens": None}, 230), ({"total_tokens": 500}, 500)]
)
def test_a_total_that_is_left_out_is_the_sum_of_both(
    database: Database, acme: UUID, given: dict[str, int | None], total: int
) -> None:
    log = usage_log(acme)
    del log["total_tokens"]
    insert_usage(database, log | given)

    assert rows(database, "select total_tokens from usage_logs") == [(total,)]
    assert rows(database, "select total_tokens from usage_daily") == [(total,)]


@pytest.mark.parametrize("source", ["openai", " openai", "OpenAI ", "\topenai\n"])
def test_space_and_case_make_no_other_provider(database: Database, acme: UUID, source: str) -> None:
    insert_usage(database, usage_log(acme), usage_log(acme, source=source))

    assert rows(database, "select source, request_count from usage_daily") == [("openai", 2)]


def test_what_old_writers_tell_in_the_metadata_is_known(database: Database, acme: UUID) -> None:
    told = {
        "operation": "chat",
        "service_tier": "flex",
        "cached_tokens": 100,
        "reasoning_tokens": 0,
        "prompt_audio_tokens": "many",
        "cached_audio_tokens": -1,
        "completion_audio_tokens": 1.5,
        "duration_seconds": 0.5,
        "price": {"list": "x"},
    }
    insert_usage(database, usage_log(acme, metadata=told))

    columns = (
        "operation, service_tier, cached_tokens, reasoning_tokens, prompt_audio_tokens, cached_audio_tokens,"
        " completion_audio_tokens, duration_seconds, metadata"
    )
    assert rows(database, f"select {columns} from usage_logs") == [  # noqa: S608
        ("chat", "flex", 100, 0, None, None, None, Decimal("0.5"), told)
    ]


@pytest.mark.parametrize("metadata", [[], "operation", 7, {"operation": {"a": 1}}, {"operation": "  "}])
def test_metadata_that_means_something_else_harms_nothing(
    database: Database, acme: UUID, metadata: Any
) -> None:
    insert_usage(database, usage_log(acme, metadata=Jsonb(metadata)))

    [(operation,)] = rows(database, "select operation from usage_logs")
    assert operation in (None, '{"a": 1}')


@pytest.mark.parametrize(
    "fact",
    [
        *({"cached_tokens": -1}, {"image_count": 10**12 + 1}, {"outcome": "fine"}, {"attempt": 0}),
        *({"duration_seconds": Decimal("NaN")}, {"stated_cost_usd": -1}, {"latency_ms": -1}),
    ],
)
def test_facts_that_cannot_be_are_refused(database: Database, acme: UUID, fact: dict[str, Any]) -> None:
    with pytest.raises(Exception, match=r"usage_logs_(facts_are_amounts|outcome_is_known)"):
        insert_usage(database, usage_log(acme, **fact))


def test_equal_tags_are_one_set_whatever_their_order(database: Database, acme: UUID) -> None:
    one = intern(database, acme, {"feature": "search", "team": "growth"})
    same = intern(database, acme, {"team": "growth", "feature": "search"})
    other = intern(database, acme, {"feature": "search"})

    assert (one, same, other) == (1, 1, 2)
    assert intern(database, acme, {}) is None
    assert intern(database, factories.client(database, "Other"), {"feature": "search"}) == 1


def test_a_call_that_moves_to_another_client_keeps_its_tags(database: Database, acme: UUID) -> None:
    other = factories.client(database, "Other")
    intern(database, other, {"feature": "not this"})
    mine = intern(database, acme, {"feature": "search"})
    insert_usage(database, usage_log(acme, tag_set_id=mine), usage_log(acme, tag_set_id=0), usage_log(acme))

    with database.transaction() as connection:
        connection.execute("update usage_logs set client_id = %s", [other])

    assert call(
        database, "value, is_other, request_count", "get_usage_by_tag", other, "feature", FIRST, LAST
    ) == [("search", False, 1), (None, False, 1), (None, True, 1)]
    with psycopg.connect(dsn(database.url), autocommit=True) as connection:
        assert wrong_sums(connection) == []


def test_writers_at_once_make_each_set_once(database: Database, acme: UUID) -> None:
    def intern_all(connection: "psycopg.Connection[Any]") -> list[int]:
        return [
            connection.execute("select intern_tags(%s, %s)", [acme, Jsonb({"n": str(n)})]).fetchone()[0]  # type: ignore[index]
            for n in range(40)
        ]

    found = at_once(*[intern_all] * 6, database=database)

    assert all(ids == found[0] for ids in found)
    assert sorted(found[0]) == list(range(1, 41))


def test_too_many_new_sets_of_a_day_are_other(database: Database, acme: UUID) -> None:
    with database.transaction() as connection:
        connection.execute(
            "select intern_tags(%s, jsonb_build_object('request', n)) from generate_series(1, 1000) as n",
            [acme],
        )
        assert connection.execute("select count(*) from tag_sets").fetchone() == (1000,)

    assert intern(database, acme, {"request": "1001"}) == 0
    # Those that are there still count, and so do other clients'.
    assert intern(database, factories.client(database, "Other"), {"request": "1001"}) == 1
    with database.transaction() as connection:
        connection.execute("update tag_sets set created_at = created_at - interval '1 day'")
    assert intern(database, acme, {"request": "1001"}) == 1001


def test_the_values_of_a_tag_add_up_to_the_total(database: Database, acme: UUID) -> None:
    chance = random.Random(7)
    sets = [None, 0] + [
        intern(database, acme, tags)
        for tags in (
            {"feature": "search"},
            {"feature": "chat", "team": "growth"},
            {"feature": "chat"},
            {"team": "core"},
        )
    ]
    for number in range(60):
        insert_usage(
            database, usage_log(acme, tag_set_id=chance.choice(sets), prompt_tokens=chance.randrange(500))
        )
        if number % 20 == 19:
            database.fold()

    total = rows(database, "select count(*), sum(total_tokens), sum(cost_usd) from usage_logs")
    for key in ("feature", "team", "nobody"):
        found = call(
            database, "value, is_other, request_count, total_tokens, total_cost",
            "get_usage_by_tag", acme, key, FIRST, LAST,
        )  # fmt: skip
        assert [tuple(sum(column) for column in list(zip(*found, strict=True))[2:])] == total
        assert len({row[:2] for row in found}) == len(found)
    assert {row[0] for row in call(database, "value", "get_usage_by_tag", acme, "feature", FIRST, LAST)} == {
        "search", "chat", None,
    }  # fmt: skip
    assert set(call(database, "key, value_count", "get_tag_keys", acme, FIRST, LAST)) == {
        ("feature", 2),
        ("team", 2),
    }


@pytest.mark.parametrize(
    "latencies",
    [
        [random.Random(1).lognormvariate(6.5, 1.2) for _ in range(2_000)],
        [random.Random(2).uniform(0, 60_000) for _ in range(500)],
        [900.0] * 10,
        [0.0, 1.0, 2.0, 3.0, 2_000_000_000.0],
    ],
)
def test_percentiles_are_within_two_percent(
    database: Database, acme: UUID, latencies: Sequence[float]
) -> None:
    milliseconds = sorted(round(latency) for latency in latencies)
    with database.transaction() as connection:
        connection.cursor().executemany(
            "insert into usage_logs (client_id, source, model, cost_usd, created_at, latency_ms)"
            " values (%s, 'openai', 'gpt-4', 0, %s, %s)",
            [(acme, NOW - timedelta(days=at % 9), latency) for at, latency in enumerate(milliseconds)],
        )
        # Not of an answer.
        connection.execute(
            "insert into usage_logs (client_id, source, model, cost_usd, created_at, latency_ms, outcome)"
            " values (%s, 'openai', 'gpt-4', 0, %s, 5, 'error')",
            [acme, NOW],
        )
    for is_folded in (False, True):
        if is_folded:
            database.fold()
        [(count, *found)] = call(
            database, "request_count, p50_ms, p95_ms, p99_ms", "get_latency", acme, FIRST, LAST
        )
        assert count == len(milliseconds)
        for share, value in zip((0.50, 0.95, 0.99), found, strict=True):
            true = milliseconds[max(-(-len(milliseconds) * round(share * 100) // 100), 1) - 1]
            assert abs(float(value) - true) <= max(0.02 * true, 1)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/Sao_Paulo", "Pacific/Kiritimati"])
def test_days_of_utc_are_those_of_utc_whatever_the_clients_clock(database: Database, zone: str) -> None:
    client_id = factories.client(database, zone, zone)
    begin = datetime(2026, 3, 10, tzinfo=UTC)
    for quarter in range(0, 4 * 72, 7):
        insert_usage(database, usage_log(client_id, created_at=begin + timedelta(minutes=15 * quarter)))
    database.fold()

    assert call(
        database, "utc_date, request_count", "get_usage_by_utc_day",
        client_id, date(2026, 3, 10), date(2026, 3, 11),
    ) == rows(
        database,
        "select (created_at at time zone 'UTC')::date, count(*) from usage_logs"
        " where created_at < '2026-03-12Z' group by 1 order by 1",
    )  # fmt: skip


def test_days_from_before_are_summed_anew_while_writers_go_on(database: Database, acme: UUID) -> None:
    """As 022 leaves a database: facts in the metadata only, sums that know nothing of them."""
    told = {"operation": "chat", "cached_tokens": 50}
    with database.transaction() as connection:
        connection.execute("alter table usage_logs disable trigger complete_usage_log")
    insert_usage(
        database,
        *[usage_log(acme, metadata=dict(told), created_at=NOW - timedelta(days=at % 5)) for at in range(40)],
    )
    database.fold()
    with database.transaction() as connection:
        connection.execute("alter table usage_logs enable trigger complete_usage_log")
        connection.execute("delete from usage_hour_rollup")
        connection.execute(
            "insert into usage_days_to_sum select distinct client_id, usage_date from usage_daily"
        )

    def sum_anew(connection: "psycopg.Connection[Any]") -> int:
        bites = 0
        while connection.execute("select sum_days_anew(10)").fetchone() != (0,):
            bites += 1
        return bites

    def write(connection: "psycopg.Connection[Any]") -> int:
        for at in range(30):
            connection.execute(
                "insert into usage_logs (client_id, source, prompt_tokens, cost_usd, created_at, metadata)"
                " values (%s, 'openai', 7, 0.1, %s, %s)",
                [acme, NOW - timedelta(days=at % 7), Jsonb({"cached_tokens": 1})],
            )
            if at % 10 == 9:
                connection.execute("select fold_usage()")
        return 0

    [bites, *_] = at_once(sum_anew, write, write, database=database)

    assert bites >= 1
    assert rows(database, "select count(*) from usage_days_to_sum") == [(0,)]
    assert rows(database, "select sum(cached_tokens) from usage_facts_daily") == [(40 * 50 + 60,)]
    assert rows(database, "select count(*) from usage_logs where operation = 'chat'") == [(40,)]
    with psycopg.connect(dsn(database.url), autocommit=True) as connection:
        assert wrong_sums(connection) == []
