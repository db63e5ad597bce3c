"""Calls page by page under filters: a walk over the pages meets what a plain look at all calls finds."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from analytics import queries
from analytics.calls.validation import call_ids
from analytics.database import Database
from analytics.days import Days
from analytics.queries import CallPlace, Filters
from tests import factories
from tests.clones import Clones, make_read_only

ZONE = "Europe/Lisbon"
DAYS = Days(date(2026, 3, 20), date(2026, 4, 2))
"""In which the clock is set, on the 29th."""
ADA, BOB, NOBODY = UUID(int=101), UUID(int=102), UUID(int=103)
PHONES = {ADA: "5511987654321", BOB: "5511900000000"}
LONE = "5511955555555"
TAGS = [None, {"feature": "search"}, {"feature": "chat", "team": "a"}, {"team": "b"}]
COUNT = 260


def calls(client_id: UUID, tag_set_ids: list[int | None]) -> list[dict[str, Any]]:
    """Of a few common kinds and some that are rare; some are made at the same moment."""
    draw = random.Random(7)
    rows = []
    for number in range(COUNT):
        minutes = draw.randrange(-60, 15 * 24 * 60) // 40 * 40
        conversation_id, phone = draw.choice(
            [(ADA, None), (ADA, PHONES[ADA]), (BOB, None), (None, PHONES[ADA]), (None, LONE), (None, None)]
        )
        is_rare = number % 50 == 3
        rows.append(
            factories.usage_log(
                client_id,
                id=UUID(int=1000 + draw.randrange(10**9)),
                created_at=datetime(2026, 3, 20, tzinfo=UTC) + timedelta(minutes=minutes),
                source="groq" if number % 3 == 0 else "openai",
                model="rare" if is_rare else draw.choice(["gpt-4", "gpt-4", "o1", None]),
                operation=draw.choice(["chat", "chat", None]),
                outcome=draw.choice(["error" if number % 20 == 0 else "ok", None]),
                conversation_id=conversation_id,
                phone=phone,
                tag_set_id=draw.choice(tag_set_ids),
                metadata=None,
            )
        )
    return rows


@pytest.fixture(scope="module")
def client_id() -> UUID:
    return UUID(int=1)


@pytest.fixture(scope="module")
def kept(clones: Clones, migrated_template: str, client_id: UUID) -> Iterator[Database]:
    """The calls, folded and pending, of one client; and one of another."""
    with clones.copy(migrated_template) as database:
        factories.client(database, timezone=ZONE, id=client_id)
        for conversation_id, phone in PHONES.items():
            factories.conversation(database, client_id, id=conversation_id, phone=phone)
        with database.transaction() as connection:
            tag_set_ids = [
                None
                if tags is None
                else _first(
                    connection.execute("select intern_tags(%s, %s)", [client_id, Jsonb(tags)]).fetchone()
                )
                for tags in TAGS
            ]
        rows = calls(client_id, tag_set_ids)
        factories.insert_usage(database, *rows[: COUNT // 2])
        database.fold()
        factories.insert_usage(database, *rows[COUNT // 2 :])
        other = factories.client(database, "Beta", id=UUID(int=2))
        factories.insert_usage(database, factories.usage_log(other, created_at=rows[0]["created_at"]))
        make_read_only(database)
        yield database


def _first(row: Any) -> int:
    return int(row[0])


def handle_of(database: Database, client_id: UUID, phone: str) -> str:
    with database.transaction() as connection:
        row = connection.execute(
            "select phone_handle(secret, %s, %s) from phone_secret", [client_id, phone]
        ).fetchone()
    assert row is not None
    return str(row[0])


def passing(database: Database, client_id: UUID, filters: Filters) -> list[UUID]:
    """Ids of the calls of DAYS that pass, the newest first, by a plain look at each call."""
    with database.transaction() as connection:
        rows = connection.execute(
            """
            select
                log.id, log.source, log.model, log.operation, log.outcome, log.conversation_id, log.phone,
                tag_sets.tags
            from usage_logs as log
            left join tag_sets on tag_sets.client_id = log.client_id and tag_sets.id = log.tag_set_id
            where
                log.client_id = %s and (log.created_at at time zone %s)::date between %s and %s
            order by log.created_at desc, log.id desc
            """,
            [client_id, ZONE, DAYS.first, DAYS.last],
        ).fetchall()
    handles = {handle_of(database, client_id, phone): phone for phone in (LONE, PHONES[ADA])}
    by_phone = {phone: str(conversation_id) for conversation_id, phone in PHONES.items()}

    def is_it(row: tuple[Any, ...], name: str, value: str) -> bool:
        _, source, model, operation, outcome, conversation_id, phone, tags = row
        if name == "conversation":
            if not value:
                return conversation_id is None and phone is None
            if value in handles:
                return conversation_id is None and phone == handles[value]
            own = str(conversation_id) if conversation_id else by_phone.get(phone, "")
            return own == value
        known = {"provider": source, "model": model, "operation": operation, "outcome": outcome}
        own = known[name] if name in known else (tags or {}).get(name.removeprefix("tag."))
        return (own or "") == value

    return [
        row[0]
        for row in rows
        if all(
            any(is_it(row, condition.name, value) for value in condition.values) != condition.is_excluded
            for condition in filters
        )
    ]


def filters_to_try(handle: str) -> list[dict[str, str]]:
    return [
        {},
        {"model": "rare"},
        {"model": ""},
        {"model!": "gpt-4,rare"},
        {"provider": "groq", "outcome": "error"},
        {"outcome": "error"},
        {"operation": ""},
        {"operation!": "chat", "model!": ""},
        {"tag.feature": "search"},
        {"tag.feature": "", "model": "rare"},
        {"tag.feature!": "search", "tag.team": "a,b"},
        {"conversation": str(ADA)},
        {"conversation": str(BOB), "model": "o1"},
        {"conversation": handle},
        {"conversation": ""},
        {"conversation": f"{ADA},{handle},", "tag.team": "b"},
        {"conversation!": f"{ADA},"},
        {"conversation!": str(BOB), "model": "rare", "provider!": "groq"},
        {"conversation": str(NOBODY)},
        {"model": "nothing"},
    ]


def test_all_pages_together_are_the_calls_that_pass(kept: Database, client_id: UUID) -> None:
    for query in filters_to_try(handle_of(kept, client_id, LONE)):
        filters = Filters.parse(query)
        expected = passing(kept, client_id, filters)
        page = queries.calls_page(kept, client_id, DAYS, limit=17, filters=filters)
        met: list[UUID] = []
        while not page.empty:
            assert len(page) == min(17, len(expected) - len(met)), query
            assert set(page["matched_count"]) == {len(expected)}, query
            assert set(page["has_newer"]) == {bool(met)}, query
            met += page["id"].tolist()
            assert set(page["has_older"]) == {len(met) < len(expected)}, query
            last = page.iloc[-1]
            place = CallPlace(created_at=last["created_at"].to_pydatetime(), id=last["id"])
            page = queries.calls_page(kept, client_id, DAYS, place=place, limit=17, filters=filters)
        assert met == expected, query


def test_the_way_back_is_the_same(kept: Database, client_id: UUID) -> None:
    for query in filters_to_try(handle_of(kept, client_id, LONE))[:6]:
        filters = Filters.parse(query)
        expected = passing(kept, client_id, filters)
        moments = _moments(kept)
        end = len(expected) - 1
        while end > 0:
            place = CallPlace(created_at=moments[expected[end]], id=expected[end], is_newer=True)
            page = queries.calls_page(kept, client_id, DAYS, place=place, limit=17, filters=filters)
            begin = end - 17
            if begin <= 0:
                # Too few to fill a page, or just as many: it is the first one.
                assert page["id"].tolist() == expected[:17], query
                assert set(page["has_newer"]) == {False}
                break
            assert page["id"].tolist() == expected[begin:end], query
            assert set(page["has_newer"]) == set(page["has_older"]) == {True}
            end = begin


@pytest.mark.parametrize("is_newer", [False, True])
@pytest.mark.parametrize(
    "query", [{"model": "rare"}, {"tag.feature": "search", "provider": "groq"}, {"tag.team": "b"}]
)
def test_a_page_that_looked_at_enough_has_fewer_calls_and_none_is_passed_over(
    kept: Database, client_id: UUID, query: dict[str, str], is_newer: bool
) -> None:
    filters = Filters.parse(query)
    expected = passing(kept, client_id, filters)
    moments = _moments(kept)
    met = [expected[-1 if is_newer else 0]]
    sizes = []
    has_more = True
    while has_more:
        rows = factories.call(
            kept, "id, has_newer, has_older", "find_calls", client_id, DAYS.first, DAYS.last,
            filters.json(), moments[met[-1]], met[-1], is_newer, 50, 2,
        )  # fmt: skip
        assert rows
        found = [row[0] for row in rows if row[0] not in met]
        met += sorted(found, key=expected.index, reverse=is_newer)
        sizes.append(len(found))
        has_more = rows[0][1 if is_newer else 2]
    assert met == (expected[::-1] if is_newer else expected)
    assert len(sizes) > 1


def _moments(database: Database) -> dict[UUID, datetime]:
    with database.transaction() as connection:
        return dict(connection.execute("select id, created_at from usage_logs").fetchall())


def test_what_is_known_of_a_call_is_found_by_its_ids(database: Database) -> None:
    acme = factories.client(database)
    phone = PHONES[ADA]
    own, given, of_response = UUID(int=7), *call_ids(str(acme), "order 12")
    for id_, operation in ((own, "op"), (given, "op"), (of_response, "other")):
        factories.insert_usage(
            database,
            factories.usage_log(
                acme, id=id_, phone=phone, operation_id=f"{operation} {phone}", metadata={"from": phone}
            ),
        )
    by_name = queries.known_call(database, acme, " order 12 ")
    assert sorted(by_name.call["id"]) == sorted([given, of_response])

    known = queries.known_call(database, acme, str(own).upper())
    assert known.call["id"].tolist() == [own]
    assert known.call["metadata"].tolist() == [{"from": "•••• 4321"}]
    assert known.call["operation_id"].tolist() == ["op •••• 4321"]
    assert known.call["phone"].tolist() == ["•••• 4321"]
    assert known.other_attempts["id"].tolist() == [given]
    assert queries.known_call(database, acme, str(own), sees_phones=True).call["phone"].tolist() == [phone]

    # By its operation: the newest of the days, unless a phone in it is masked for the reader.
    plain = {"operation_id": "op 12", "phone": None}
    for place, day in ((20, 1), (21, 0), (22, 40)):
        at = factories.NOW - timedelta(days=day)
        factories.insert_usage(
            database, factories.usage_log(acme, id=UUID(int=place), created_at=at, **plain)
        )
    days = Days.until(factories.NOW.date(), 7)
    assert queries.known_call(database, acme, "op 12 ", days=days).call["id"].tolist() == [UUID(int=21)]
    assert queries.known_call(database, acme, "op 12").call.empty
    assert queries.known_call(database, acme, "op 13", days=days).call.empty
    masked = f"op {phone}"
    assert queries.known_call(database, acme, masked, days=days).call.empty
    seen = queries.known_call(database, acme, masked, days=days, sees_phones=True)
    assert seen.call["id"].tolist()[0] in (own, given)

    beta = factories.client(database, "Beta")
    assert queries.known_call(database, beta, "op 12", days=days).call.empty
    for id_ in (own, UUID(int=8)):
        assert queries.known_call(database, beta, str(id_)).call.empty
    assert queries.known_call(database, beta, "").call.empty
