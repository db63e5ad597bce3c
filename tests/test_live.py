"""get_calls_since() and get_usage_by_minute(), and a feed that keeps up with them."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from analytics.database import Database
from analytics.queries import Filters
from analytics.ui.live.feed import FULL_REFRESH_EVERY, MAX_CALLS, Feed, read_feed, renew_feed
from tests import factories, sql_functions
from tests.factories import NOW
from tests.tcp_proxy import TcpProxy

UNPRICED: dict[str, Any] = {"cost_usd": Decimal(0), "cost_basis": "unpriced"}


def _use(database: Database, client_id: UUID, at: datetime, **columns: Any) -> UUID:
    number = columns.pop("number", 0)
    call_id = UUID(int=number) if number else UUID(int=int(at.timestamp() * 1e6))
    row = factories.usage_log(client_id, id=call_id, created_at=at, **columns)
    factories.insert_usage(database, row)
    return call_id


def _ids(feed: Feed) -> list[UUID]:
    ids: list[UUID] = feed.calls["id"].tolist()
    return ids


def test_calls_since_are_those_of_the_client_from_the_moment_on(database: Database, acme: UUID) -> None:
    other = factories.client(database, "Other")
    _use(database, acme, NOW - timedelta(microseconds=1))
    first = _use(database, acme, NOW, number=1, model=None, phone=None)
    same_moment = _use(database, acme, NOW, number=2)
    newest = _use(database, acme, NOW + timedelta(seconds=1), **UNPRICED)
    _use(database, other, NOW)

    calls = sql_functions.calls_since(database, acme, NOW)
    assert calls["id"].tolist() == [newest, same_moment, first]
    assert calls["created_at"].tolist()[1:] == [NOW, NOW]
    assert calls["model"].tolist() == ["gpt-4", "gpt-4", None]
    assert calls["phone"].tolist()[2] is None
    assert calls["total_tokens"].tolist() == [230, 230, 230]
    assert calls["cost_usd"].tolist() == [Decimal(0), Decimal("0.0093"), Decimal("0.0093")]
    assert calls["cost_basis"].tolist() == ["unpriced", "priced", "priced"]
    assert sql_functions.calls_since(database, acme, NOW, limit=1)["id"].tolist() == [newest]


def test_hours_and_weekdays_of_a_filter_are_those_of_the_client(database: Database) -> None:
    kolkata = factories.client(database, "Acme", "Asia/Kolkata")  # 5:30 ahead
    noon = _use(database, kolkata, NOW - timedelta(minutes=31))
    late = _use(database, kolkata, NOW + timedelta(hours=6, minutes=30))
    for query, expected in (
        ({"hour": "16"}, [noon]),
        ({"hour": "17"}, []),
        ({"hour!": "16"}, [late]),
        ({"hour": "0,16"}, [late, noon]),
        ({"weekday": "wed"}, [noon]),
        ({"weekday": "thu", "hour": "0"}, [late]),
        ({"weekday!": "thu", "hour!": "16"}, []),
    ):
        feed = read_feed(database, kolkata, NOW + timedelta(hours=7), filters=Filters.parse(query))
        assert _ids(feed) == expected


def test_calls_have_the_name_of_their_conversation_or_of_the_one_with_their_phone(
    database: Database, acme: UUID
) -> None:
    other = factories.client(database, "Other")
    named = factories.conversation(database, acme, name="Ada", phone="551")
    factories.conversation(database, other, name="Not ours", phone="552")
    for number, (conversation_id, phone) in enumerate(
        [(named, None), (named, "9"), (None, "551"), (None, "552"), (None, None)], start=1
    ):
        _use(database, acme, NOW, number=number, conversation_id=conversation_id, phone=phone)

    calls = sql_functions.calls_since(database, acme, NOW, sees_phones=True).sort_values("id")
    assert calls["conversation_name"].tolist() == ["Ada", "Ada", "Ada", None, None]
    assert calls["conversation_id"].tolist() == [named, named, named, None, None]
    assert calls["phone"].tolist() == [None, "9", "551", "552", None]


def test_minutes_are_summed_by_source(database: Database, acme: UUID) -> None:
    _use(database, acme, NOW - timedelta(microseconds=1), number=1)
    _use(database, acme, NOW, number=2)
    _use(database, acme, NOW + timedelta(seconds=59), number=3, total_tokens=0, **UNPRICED)
    _use(database, acme, NOW + timedelta(seconds=59), number=4, source="groq", cost_usd=Decimal(0))
    _use(database, acme, NOW + timedelta(minutes=1), number=5)

    minutes = sql_functions.usage_by_minute(database, acme, NOW, NOW + timedelta(minutes=1))
    assert [tuple(row) for row in minutes.itertuples(index=False)] == [
        (NOW, "groq", 230, Decimal(0), 1, 0, 0),
        (NOW, "openai", 230, Decimal("0.0093"), 2, 1, 1),
    ]
    assert sql_functions.usage_by_minute(database, acme, NOW, NOW).empty


def test_a_feed_sees_what_is_new_and_what_was_late(database: Database, acme: UUID) -> None:
    old = _use(database, acme, NOW - timedelta(minutes=30))
    seen = _use(database, acme, NOW - timedelta(seconds=1))
    feed = read_feed(database, acme, NOW)
    assert _ids(feed) == [seen, old]

    late = _use(database, acme, NOW - timedelta(seconds=50))
    new = _use(database, acme, NOW + timedelta(seconds=2))
    feed = renew_feed(feed, database, NOW + timedelta(seconds=3))

    assert _ids(feed) == [new, seen, late, old]
    whole = read_feed(database, acme, NOW + timedelta(seconds=3))
    assert feed.calls.equals(whole.calls)
    assert feed.minutes.equals(whole.minutes)
    assert feed.hour()["request_count"] == 4


def test_a_feed_reads_all_again_after_a_while(database: Database, acme: UUID) -> None:
    feed = read_feed(database, acme, NOW)
    very_late = _use(database, acme, NOW - timedelta(minutes=20))
    feed = renew_feed(feed, database, NOW + timedelta(seconds=3))
    assert _ids(feed) == []
    assert feed.hour()["request_count"] == 0

    feed = renew_feed(feed, database, NOW + FULL_REFRESH_EVERY)
    assert _ids(feed) == [very_late]
    assert feed.hour()["request_count"] == 1


def test_a_call_of_the_future_does_not_hide_those_of_now(database: Database, acme: UUID) -> None:
    ahead = _use(database, acme, NOW + timedelta(hours=5))
    feed = read_feed(database, acme, NOW)
    new = _use(database, acme, NOW + timedelta(seconds=1))
    assert _ids(renew_feed(feed, database, NOW + timedelta(seconds=3))) == [ahead, new]


def test_a_feed_forgets_what_is_older_than_an_hour(database: Database, acme: UUID) -> None:
    _use(database, acme, NOW - timedelta(minutes=59))
    feed = read_feed(database, acme, NOW)
    assert feed.hour()["request_count"] == 1
    assert renew_feed(feed, database, NOW + timedelta(minutes=1)).hour()["request_count"] == 0


def test_a_feed_keeps_the_newest_calls(database: Database, acme: UUID) -> None:
    for second in range(MAX_CALLS + 2):
        _use(database, acme, NOW + timedelta(seconds=second))
    feed = read_feed(database, acme, NOW + timedelta(minutes=1))
    assert len(feed.calls) == MAX_CALLS
    newest = _use(database, acme, NOW + timedelta(minutes=1))
    feed = renew_feed(feed, database, NOW + timedelta(minutes=1, seconds=3))
    assert len(feed.calls) == MAX_CALLS
    assert _ids(feed)[0] == newest


def test_rates_are_those_of_minutes_that_are_over(database: Database, acme: UUID) -> None:
    for at in (timedelta(0), timedelta(minutes=-1), timedelta(minutes=-5), timedelta(minutes=-6)):
        _use(database, acme, NOW + at)
    feed = read_feed(database, acme, NOW + timedelta(seconds=10))
    assert feed.last_minutes(1)["request_count"] == 1
    assert feed.last_minutes(5)["total_tokens"] == 460
    assert feed.last_minutes(5)["total_cost"] == Decimal("0.0186")
    assert feed.hour()["request_count"] == 4


@pytest.mark.parametrize("later", [timedelta(seconds=3), FULL_REFRESH_EVERY])
def test_a_refresh_is_one_round_trip(database: Database, acme: UUID, later: timedelta) -> None:
    _use(database, acme, NOW)
    with TcpProxy(database.url) as proxy:
        through = Database(proxy.url)
        feed = read_feed(through, acme, NOW)
        before = proxy.round_trips
        renew_feed(feed, through, NOW + later)
        assert proxy.round_trips == before + 1
        through.close()
