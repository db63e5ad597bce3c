"""Lines become rows: the fast way for new calls, and the way that passes over what is there."""

import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count, pairwise
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from psycopg import sql

from analytics.calls.merge import FACTS
from analytics.calls.row import NO_FACTS, Row, conversation_uuid, line_of
from analytics.calls.store import Stored, store_lines, store_new_lines
from analytics.database import Database
from analytics.errors import DataRefused
from tests.connections import at_once
from tests.naive import wrong_sums

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
        details={},
        duration_seconds=None,
        facts=NO_FACTS,
        source="openai",
        model="gpt-4",
        tags=None,
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
    assert not stored.unknown_clients
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


@pytest.mark.one_machine
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
def test_lines_that_waited_since_before_calls_kept_their_facts_are_stored_with_them(
    database: Database, acme: UUID, store: Store
) -> None:
    known = r'{"cached_tokens": 4, "operation": "chat", "note": "a\\tb", "duration_seconds": 1.5}'
    fields = ("10", "20", "30", "0.5", "priced", known, "openai", "gpt-4", str(acme), r"\N", "5511", "a\\tb")
    old = "\t".join((UUID(int=1).hex, "2026-03-18T12:00:00+00:00", *fields)) + "\n"

    assert store_all(database, store, [old]).stored == 1
    assert not store_all(database, store_lines, [old]).updated

    columns = "total_tokens, cost_usd, cached_tokens, operation, duration_seconds, phone, metadata ->> 'note'"
    assert rows(database, columns) == [(30, Decimal("0.5"), 4, "chat", Decimal("1.5"), "5511", "a\tb")]


@both_ways
def test_each_set_of_tags_is_kept_once_and_what_is_too_many_stays_with_the_call(
    database: Database, acme: UUID, store: Store
) -> None:
    odd = {"team": 'a\t"b\\c', "user": "\u00e9\U0001f600"}
    tagged = [line(acme, number, tags={"user": str(number)}) for number in range(1, 1_000)]
    store_all(database, store, [*tagged, line(acme, 1_000, tags=odd), line(acme, 1_001, tags=odd)])

    store_all(database, store, [line(acme, 1_002, tags={"user": "one more"}), line(acme, 1_003, tags=odd)])

    [(kept,)] = select(database, "select count(*) from tag_sets")
    assert kept == 1_000
    found = select(
        database,
        "select tag_sets.tags, log.tag_set_id = 0, log.metadata from usage_logs as log "
        "left join tag_sets on tag_sets.id = log.tag_set_id and tag_sets.client_id = log.client_id "
        "order by log.id offset 999",
    )
    note = {"note": "a\tb\\c"}
    assert found == [
        (odd, False, note),
        (odd, False, note),
        (None, True, note | {"tags": {"user": "one more"}}),
        (odd, False, note),
    ]
    before = versions(database)
    again = store_all(database, store_lines, [line(acme, 1_002, tags={"user": "one more"}), tagged[0]])
    assert not again.updated
    assert versions(database) == before
    assert right_sums(database)


@both_ways
def test_no_lines_store_nothing(database: Database, store: Store) -> None:
    assert store_all(database, store, []).stored == 0
    assert numbers(database) == []


# What comes again.

MISSING = {"usage_missing": "the response has no usage"}


def usage(tokens: int, **values: Any) -> dict[str, Any]:
    """The values of a call with so many completion tokens, at 1 USD each."""
    return {
        "completion_tokens": tokens,
        "total_tokens": 10 + tokens,
        "cost_usd": Decimal(tokens),
        "metadata": {"price": {"list": "public", "for": str(tokens)}},
        **values,
    }


def without_usage(**values: Any) -> dict[str, Any]:
    return {
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "total_tokens": 0,
        "cost_usd": Decimal(0),
        "cost_basis": "unpriced",
        "metadata": {**MISSING, "price": {"reason": "the response has no usage"}},
        **values,
    }


def rows(database: Database, columns: str = "completion_tokens, cost_usd, cost_basis, metadata") -> Any:
    return select(database, f"select {columns} from usage_logs order by created_at, id")  # noqa: S608


def right_sums(database: Database) -> bool:
    with database.transaction() as connection:
        return not wrong_sums(connection)


def versions(database: Database) -> Any:
    return select(
        database,
        "select (select array_agg(xmin::text || ctid::text order by id) from usage_logs), "
        "(select count(*) from usage_pending)",
    )


def test_usage_after_none_updates_the_call_and_less_never_replaces_more(
    database: Database, acme: UUID
) -> None:
    first = line(acme, 1, **without_usage())
    later = line(acme, 1, **usage(20, created_at=datetime(2026, 3, 19, tzinfo=UTC)))
    store_all(database, store_new_lines, [first])

    grown = store_all(database, store_lines, [later])

    assert (grown.stored, list(grown.known_before), list(grown.updated)) == (0, [UUID(int=1)], [UUID(int=1)])
    [row] = rows(database, "completion_tokens, cost_usd, cost_basis, metadata, created_at")
    assert row == (
        *(20, Decimal(20), "priced", {"price": {"list": "public", "for": "20"}}),
        datetime(2026, 3, 18, 12, tzinfo=UTC),
    )
    assert right_sums(database)

    before = versions(database)
    for repeat in (first, later, line(acme, 1, **usage(19))):
        again = store_all(database, store_lines, [repeat])
        assert (again.stored, list(again.known_before), list(again.updated)) == (0, [UUID(int=1)], [])
    assert versions(database) == before


def test_what_the_fuller_one_does_not_know_comes_from_the_others(database: Database, acme: UUID) -> None:
    store_all(
        database,
        store_lines,
        [
            line(
                acme,
                1,
                **usage(20, details={"cached_tokens": 5}, duration_seconds=Decimal("1.5")),
                **named(acme, "ticket 12"),
            )
        ],
    )

    poorer = line(
        acme,
        1,
        **usage(7, details={"reasoning_tokens": 3}, model="gpt-4-turbo", phone="5511", tags={"team": "a"}),
        facts=NO_FACTS._replace(latency_ms=70, stated_cost_usd=Decimal(3), operation="chat", outcome="ok"),
    )
    filled = store_all(database, store_lines, [poorer])

    assert list(filled.updated) == [UUID(int=1)]
    columns = (
        "completion_tokens, cost_usd, cached_tokens, reasoning_tokens, duration_seconds, model, phone, "
        "latency_ms, stated_cost_usd, operation, outcome, "
        "(select tags from tag_sets where tag_sets.client_id = usage_logs.client_id and id = tag_set_id)"
    )
    assert rows(database, columns) == [
        # Parts of another count of tokens are not parts of this one.
        (
            20,
            Decimal(20),
            5,
            None,
            Decimal("1.5"),
            "gpt-4",
            "5511",
            70,
            Decimal(3),
            "chat",
            "ok",
            {"team": "a"},
        )
    ]
    assert select(database, "select name, phone from conversations") == [("ticket 12", "5511")]
    assert right_sums(database)

    before = versions(database)
    assert not store_all(database, store_lines, [poorer]).updated
    assert versions(database) == before


def test_tags_add_up_an_estimate_gives_way_and_a_stated_cost_decides_where_no_list_does(
    database: Database, acme: UUID
) -> None:
    estimate = usage(90, tags={"team": "a", "user": "1"}, cost_basis="estimated")
    estimate["metadata"] |= {"tokens_estimated": True}
    store_all(database, store_lines, [line(acme, 1, **estimate)])
    unpriced = usage(20, cost_basis="unpriced", cost_usd=Decimal(0), tags={"user": "2", "feature": "search"})
    unpriced["metadata"] = {"price": {"reason": "no price is known"}}
    stated = without_usage(facts=NO_FACTS._replace(stated_cost_usd=Decimal("0.25")))

    for told in (unpriced, stated):
        assert store_all(database, store_lines, [line(acme, 1, **told)]).updated

    tags = "(select tags from tag_sets where tag_sets.client_id = usage_logs.client_id and id = tag_set_id)"
    assert rows(database, f"completion_tokens, cost_usd, cost_basis, metadata, {tags}") == [
        (
            *(20, Decimal("0.25"), "given", {"price": {"list": "stated", "reason": "no price is known"}}),
            {"team": "a", "user": "2", "feature": "search"},
        )
    ]
    before = versions(database)
    for told in (estimate, unpriced, stated):
        assert not store_all(database, store_lines, [line(acme, 1, **told)]).updated
    assert versions(database) == before
    assert right_sums(database)


def test_a_corrected_or_given_cost_is_not_lost_by_an_equal_call_that_knows_more(
    database: Database, acme: UUID
) -> None:
    store_all(
        database,
        store_lines,
        [line(acme, 1, **usage(20)), line(acme, 2, **usage(20, cost_usd=Decimal(7), cost_basis="given"))],
    )
    with database.transaction() as connection:
        connection.execute(
            "with correction as (insert into cost_corrections (client_id, corrected_by, reason, first_date, "
            "last_date, timezone) values (%(client)s, 'Ada', 'contract', '2026-03-18', '2026-03-18', 'UTC') "
            "returning id) insert into cost_correction_items (client_id, correction_id, usage_log_id, "
            "cost_before_usd, cost_after_usd, basis_before, basis_after, had_metadata) "
            "select %(client)s, id, %(call)s, 20, 5, 'priced', 'priced', true from correction",
            {"client": acme, "call": UUID(int=1)},
        )
        connection.execute("update usage_logs set cost_usd = 5 where id = %s", [UUID(int=1)])

    fuller = usage(20, details={"cached_tokens": 5}, facts=NO_FACTS._replace(latency_ms=70))
    stored = store_all(database, store_lines, [line(acme, number, **fuller) for number in (1, 2)])

    assert list(stored.updated) == [UUID(int=1), UUID(int=2)]
    assert rows(database, "cost_usd, cached_tokens, latency_ms") == [(5, 5, 70), (7, 5, 70)]
    store_all(database, store_lines, [line(acme, number, **usage(30)) for number in (1, 2)])
    assert rows(database, "cost_usd") == [(30,), (30,)]
    assert right_sums(database)


@st.composite
def tellings(draw: st.DrawFn) -> dict[str, Any]:
    """What somebody tells of one call: more or less of the same truth."""
    tokens = draw(st.sampled_from([None, 5, 10, 20]))
    values = without_usage() if tokens is None else usage(tokens)
    if tokens and draw(st.booleans()):
        cost = Decimal(tokens) / 2
        values |= {
            "details": {"cached_tokens": 4},
            "cost_usd": cost,
            "metadata": {"price": {"for": str(cost)}},
        }
    known = NO_FACTS._replace(
        latency_ms=draw(st.sampled_from([None, 70])),
        service_tier=draw(st.sampled_from([None, "flex"])),
        outcome=draw(st.sampled_from([None, "ok"])),
        stated_cost_usd=draw(st.sampled_from([None, Decimal("0.5")])),
    )
    if not tokens and known.stated_cost_usd is not None:
        price = {"list": "stated", "reason": "the response has no usage"}
        values |= {"cost_usd": known.stated_cost_usd, "cost_basis": "given"}
        values |= {"metadata": {**MISSING, "price": price}}
    return values | {
        "facts": known,
        "model": draw(st.sampled_from([None, "gpt-4"])),
        "phone": draw(st.sampled_from([None, "5511"])),
        "tags": draw(st.sampled_from([None, {"team": "a"}])),
        "metadata": values["metadata"] | draw(st.sampled_from([{}, {"note": "a\tb\\c"}])),
    }


def test_whatever_is_told_of_a_call_in_any_order_and_batches_makes_the_same_row(
    database: Database, acme: UUID
) -> None:
    numbers_of_calls = count(1)
    columns = sql.SQL(", ").join(
        map(sql.Identifier, [name for name in FACTS.split(", ") if name != "id"] + ["tag_set_id"])
    )

    def tell(told: list[dict[str, Any]], ends: set[int]) -> tuple[Any, ...]:
        number = next(numbers_of_calls)
        lines = [line(acme, number, **values) for values in told]
        updated = 0
        for first, end in pairwise(sorted({0, *ends, len(lines)})):
            stored = store_all(database, store_lines, lines[first:end])
            assert stored.stored == (first == 0)
            updated += len(stored.updated)
        with database.transaction() as connection:
            [row] = connection.execute(
                sql.SQL("select {} from usage_logs where id = %s").format(columns), [UUID(int=number)]
            ).fetchall()
        assert updated < len(lines)
        return row

    @settings(max_examples=30, deadline=None, phases=[Phase.generate, Phase.shrink])
    @given(st.data())
    def run(data: st.DataObject) -> None:
        told = data.draw(st.lists(tellings(), min_size=2, max_size=5))
        ends = st.sets(st.integers(1, len(told) - 1))
        one = tell(told, data.draw(ends))
        other = tell(data.draw(st.permutations(told)), data.draw(ends))
        assert one == other

    run()
    assert right_sums(database)


def test_workers_that_tell_of_the_same_calls_at_once_leave_the_fullest(
    database: Database, acme: UUID
) -> None:
    def work(turn: int) -> Any:
        def run(connection: "psycopg.Connection[Any]") -> tuple[int, int]:
            stored = updated = 0
            for step in range(12):
                batch = [
                    line(
                        acme,
                        number,
                        **usage((turn * 7 + step * 5 + number) % 40, **named(acme, f"ticket {number}")),
                    )
                    for number in range(1, 31)
                ]
                with connection.transaction():
                    result = store_lines(connection, batch[turn:] + batch[:turn])
                stored += result.stored
                updated += len(result.updated)
            return stored, updated

        return run

    results = at_once(*map(work, range(4)), database=database)

    assert sum(stored for stored, _ in results) == 30
    assert sum(updated for _, updated in results) > 0
    most = [
        max((turn * 7 + step * 5 + number) % 40 for turn in range(4) for step in range(12))
        for number in range(1, 31)
    ]
    assert select(database, "select completion_tokens, cost_usd from usage_logs order by id") == [
        (tokens, tokens) for tokens in most
    ]
    assert select(database, "select count(*) from conversations") == [(30,)]
    assert right_sums(database)


def test_one_phone_that_two_writers_give_at_once_is_one_conversations_and_both_calls_are_stored(
    database: Database, acme: UUID
) -> None:
    pairs = [(named(acme, f"a {number}"), named(acme, f"b {number}")) for number in range(20)]
    told = [values for pair in pairs for values in pair]
    store_all(database, store_lines, [line(acme, place, **values) for place, values in enumerate(told)])
    together = threading.Barrier(2, timeout=30)

    def work(which: int) -> Callable[["psycopg.Connection[Any]"], int]:
        def run(connection: "psycopg.Connection[Any]") -> int:
            stored = 0
            for number, pair in enumerate(pairs):
                call = line(acme, 1_000 + 2 * number + which, **pair[which], phone=f"55{number:04}")
                together.wait()
                with connection.transaction():
                    stored += store_lines(connection, [call]).stored
            return stored

        return run

    assert at_once(work(0), work(1), database=database) == [20, 20]
    phones = [
        phone for (phone,) in select(database, "select phone from conversations where phone is not null")
    ]
    assert sorted(phones) == [f"55{number:04}" for number in range(20)]
