"""Phones are for administrators: what others get out of the database is masked, and tells them no more."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from analytics import queries
from analytics.api.answers import AnalyticsRequest, analytics_json
from analytics.database import Database, Query
from analytics.days import Days
from analytics.exports.calls import calls_csv
from analytics.queries import Period
from tests import factories, sql_functions
from tests.factories import NOW

PHONE, OTHER_PHONE = "5511987654321", "5511900054321"
TODAY = NOW.date()
DAYS = Days(date(2026, 3, 1), date(2026, 3, 31))
NAMED, LONE = UUID(int=101), UUID(int=102)
METADATA: dict[str, Any] = {
    "phone": PHONE,
    "to": [f"{PHONE}@s.whatsapp.net", {"wa_id": int(PHONE), "+55 11 98765-4321": "yes"}],
    "note": "call (11) 98765-4321, or 4472 0794 60958",
    "turn": 3,
}


def one(database: Database, expression: str, *values: Any) -> Any:
    with database.transaction() as connection:
        row = connection.execute(f"select {expression}", values).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return row[0]


@pytest.mark.parametrize(
    ("phone", "masked"),
    [
        (PHONE, "•••• 4321"),
        (f"{PHONE}@s.whatsapp.net", "•••• 4321"),
        ("1234567", "•••• 4567"),
        ("123456", "••••"),
        ("", None),
        (None, None),
    ],
)
def test_a_masked_phone(database: Database, phone: str | None, masked: str | None) -> None:
    assert one(database, "masked_phone(%s)", phone) == masked


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("Ana Souza", "Ana Souza"),
        ("order 20260318", "order 20260318"),
        (PHONE, "•••• 4321"),
        ("+55 11 98765-4321", "•••• 4321"),
        (f" {PHONE}@s.whatsapp.net ", "•••• 4321"),
        ("9876-5432", "•••• 5432"),
        ("Ana +55 (11) 98765-4321", "Ana •••• 4321"),
        (f"Ana {PHONE} {OTHER_PHONE}", "Ana •••• 4321 •••• 4321"),
        ("Ana 44700", "Ana ••••"),  # the conversation's own
    ],
)
def test_a_masked_name(database: Database, name: str, masked: str) -> None:
    assert one(database, "masked_name(%s, %s)", name, "44700") == masked


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-18",
        "2026-03-18 12:00:00",
        "2026-03-18T12:00:00.123456Z",
        "0.00000123456",
        "550e8400-e29b-41d4-a716-446655440000",
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "chatcmpl-1234567",
        "1,234,567.89 USD",
        "",
    ],
)
def test_what_is_no_phone_stays(database: Database, text: str) -> None:
    assert one(database, "masked_text(%s, '5511999999999')", text) == text


def test_masked_metadata(database: Database) -> None:
    value = {
        "user_phone": int(PHONE),
        "Telefone": {"ddd": 11, "numero": "98765-4321"},
        "nested": [[{"deep": f"wa:{PHONE}"}]],
        "number": 447000000000.0,
        "own, however it is written": "987.65.43",
        "at": 1773835200,
        "at_ms": 1773835200000,
        "cost": "0.0000123456",
        "tokens": 123456,
        "ok": None,
        "is_it": True,
        "empty": [{}, []],
    }
    assert one(database, "masked_metadata(%s, '9876543')", Jsonb(value)) == {
        "user_phone": "•••• 4321",
        "Telefone": {"ddd": "••••", "numero": "•••• 4321"},
        "nested": [[{"deep": "wa:•••• 4321"}]],
        "number": "•••• 0000",
        "own, however it is written": "•••• 6543",
        "at": 1773835200,
        "at_ms": 1773835200000,
        "cost": "0.0000123456",
        "tokens": 123456,
        "ok": None,
        "is_it": True,
        "empty": [{}, []],
    }


def test_metadata_nested_deep_is_masked_as_well(database: Database) -> None:
    text = f'{"[" * 2_000}"{PHONE}"{"]" * 2_000}'
    assert PHONE not in str(one(database, "masked_metadata(%s::text::jsonb, null)::text", text))


@pytest.fixture
def acme(database: Database) -> UUID:
    """A conversation whose name holds its phone, a phone without a conversation, both ending alike."""
    client_id = factories.client(database)
    factories.conversation(database, client_id, id=NAMED, name="+55 11 98765-4321", phone=PHONE)
    factories.insert_usage(
        database,
        factories.usage_log(client_id, conversation_id=NAMED, phone=PHONE, metadata=METADATA),
        factories.usage_log(client_id, phone=OTHER_PHONE, metadata=METADATA, total_tokens=7),
    )
    return client_id


def assert_masked(told: object, *, is_shown: bool = False) -> None:
    text = "".join(sign for sign in str(told) if sign.isalnum() or sign == "•")
    for phone in (PHONE, OTHER_PHONE, "447207946095"):
        assert (phone in text) == is_shown, told
    assert "4321" in text


@pytest.mark.parametrize("sees_phones", [False, True])
def test_what_leaves_the_database(database: Database, acme: UUID, sees_phones: bool) -> None:
    """Each question that has a phone in its answer, asked by who may see it and by who may not."""
    asked: dict[str, Any] = {"sees_phones": sees_phones}
    overview = queries.load_overview(database, acme, Period.of(DAYS), NOW, **asked)
    conversations = sql_functions.usage_by_conversation(database, acme, 30, now=NOW, **asked)
    found = queries.found_conversations(database, acme, DAYS, **asked)
    calls = sql_functions.calls_since(database, acme, NOW, **asked)
    live, _ = queries.live_usage(database, acme, calls_since=NOW, minutes_since=NOW, until=NOW, **asked)
    for frame in (overview.conversations, conversations, found, calls, live):
        text = frame.to_csv() + "447207946095"
        if sees_phones:
            assert_masked(text, is_shown=True)
        else:
            assert_masked(text.replace("447207946095", ""))
    [handle] = [handle for handle in found["phone_handle"] if handle]
    for which in ((NAMED, None), (None, handle)):
        timeline = queries.conversation_timeline(
            database, acme, DAYS, conversation_id=which[0], phone_handle=which[1], **asked
        )
        [id] = timeline.calls["id"]
        [metadata] = queries.known_call(database, acme, str(id), **asked).call["metadata"]
        assert (metadata == METADATA) == sees_phones
        if not sees_phones:
            assert_masked([metadata, timeline.conversation.to_csv()])
    content = b"".join(calls_csv(database, acme, DAYS, is_unmasked=sees_phones)).decode()
    assert (PHONE in content, "98765-4321" in content) == (sees_phones, sees_phones)


def test_a_key_never_gets_a_phone(database: Database, acme: UUID) -> None:
    answer = analytics_json(database, acme, AnalyticsRequest(period=Period(days=30, last=TODAY)), NOW)
    assert_masked(answer.body.decode())


# Where somebody sees four digits, a search must not tell them the others.
ORACLES = (
    PHONE, PHONE[:6], PHONE[2:9], "55 11 98765-4321", "+55 11 9", "98765-4321", "5 4321", "%4321", "+55",
    "98765", "119876",
)  # fmt: skip


def test_a_search_tells_nothing_that_is_not_seen(database: Database, acme: UUID) -> None:
    def found(search: str, **asked: Any) -> int:
        return len(queries.found_conversations(database, acme, DAYS, search=search, **asked))

    assert {search: found(search) for search in ORACLES} == dict.fromkeys(ORACLES, 0)
    assert all(found(search, sees_phones=True) for search in (PHONE, "55 11 98765-4321", "98765", "+55"))
    assert all(found(search, finds_phones=True) for search in (PHONE, "55 11 98765-4321", "98765", "+55"))
    assert_masked(
        queries.found_conversations(database, acme, DAYS, search="4321", finds_phones=True).to_csv()
    )
    assert [found(search) for search in ("4321", "321", "43-21", "•••• 4321", str(NAMED))] == [2, 2, 2, 2, 1]


def test_an_order_tells_nothing_that_is_not_seen(database: Database) -> None:
    """By name a phone would stand where its first digits belong."""
    client_id = factories.client(database)
    phones = [f"55119{number:04}8888" for number in (7, 3, 9, 1, 5)]
    factories.insert_usage(
        database, *(factories.usage_log(client_id, phone=phone, total_tokens=9) for phone in phones)
    )

    def order(**asked: Any) -> list[str]:
        found = queries.found_conversations(database, client_id, DAYS, sort="name", descending=False, **asked)
        return list(found["phone_handle"])

    assert order() != order(sees_phones=True)
    assert sorted(order()) == sorted(order(sees_phones=True))


def test_a_reader_who_says_nothing_sees_no_phones(database: Database, acme: UUID) -> None:
    """What forgets to say whether it may."""
    with database.transaction() as connection:
        connection.execute("select set_config('app.client_id', %s, true)", [str(acme)])
        assert connection.execute("select shown_phone('5511987654321')").fetchone() == (PHONE,)
        connection.execute("set local role analytics_reader")
        assert connection.execute("select shown_phone('5511987654321')").fetchone() == ("•••• 4321",)
        found = connection.execute(
            "select count(*) from search_conversations(%s, %s, %s, %s)", [acme, DAYS.first, DAYS.last, PHONE]
        )
        assert found.fetchone() == (0,)
    # Nor is what one transaction may see left to the next one.
    query = Query(statement="select shown_phone('5511987654321')")
    for sees_phones, seen in ((True, PHONE), (False, "•••• 4321"), (True, PHONE)):
        for client_id in (acme, None):
            [rows] = database.read(query, client_id=client_id, sees_phones=sees_phones)
            assert rows.records == [(seen,)]


def test_a_handle_is_of_no_use_without_the_secret(database: Database, acme: UUID) -> None:
    """Another installation's is another one, and so is another client's."""
    mine = one(database, "phone_handle(read_phone_secret(), %s, %s)", acme, PHONE)
    others = {
        one(database, "phone_handle('another secret', %s, %s)", acme, PHONE),
        one(database, "phone_handle(read_phone_secret(), %s, %s)", UUID(int=9), PHONE),
    }
    assert mine not in others
    assert len(one(database, "read_phone_secret()")) == 72
