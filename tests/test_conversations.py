"""search_conversations(), get_conversation() and get_conversation_calls()."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pandas as pd
import pytest

from analytics import queries
from analytics.database import Database
from analytics.days import Days
from analytics.errors import DataRefused
from analytics.formatting import folded, matches_search
from tests import factories, sql_functions
from tests.factories import NOW, call, insert_usage, usage_log

ADA, BOB, GONE = UUID(int=101), UUID(int=102), UUID(int=103)
TODAY = NOW.date()
MIDNIGHT = pd.Timestamp(TODAY)
UNPRICED: dict[str, Any] = {"cost_usd": Decimal(0), "cost_basis": "unpriced"}


def _names(database: Database, client_id: UUID, **asked: Any) -> list[tuple[str | None, str | None]]:
    asked = {"sees_phones": True} | asked
    found = queries.found_conversations(database, client_id, Days(TODAY, TODAY), **asked)
    return list(zip(found["conversation_name"], found["phone"], strict=True))


def _three(database: Database, client_id: UUID) -> None:
    """Ada (most tokens, least cost), Bob, and a phone without a conversation."""
    factories.conversation(database, client_id, id=ADA, phone="5511987654321", name="Ada")
    factories.conversation(database, client_id, id=BOB, phone=None, name="bob_100%")
    insert_usage(
        database,
        usage_log(client_id, conversation_id=ADA, phone=None, total_tokens=300, cost_usd=Decimal(1)),
        usage_log(client_id, conversation_id=BOB, phone=None, total_tokens=200, cost_usd=Decimal(2)),
        usage_log(client_id, conversation_id=BOB, phone=None, total_tokens=0, cost_usd=Decimal(0)),
        usage_log(client_id, conversation_id=None, phone="44700", total_tokens=100, cost_usd=Decimal(3)),
    )


ADA_ROW, BOB_ROW, LONE_ROW = ("Ada", "5511987654321"), ("bob_100%", None), (None, "44700")


@pytest.mark.parametrize("is_folded", [True, False])
def test_one_conversation_is_one_row(database: Database, acme: UUID, is_folded: bool) -> None:
    factories.conversation(database, acme, id=ADA, phone="551", name="Ada")
    yesterday = NOW - timedelta(days=1)
    insert_usage(
        database,
        usage_log(acme, conversation_id=ADA, phone=None, total_tokens=1000, created_at=yesterday),
        usage_log(acme, conversation_id=None, phone="551", total_tokens=200, source="groq", cost_usd=0),
        usage_log(acme, conversation_id=ADA, phone="else", total_tokens=30, source="x", **UNPRICED),
        usage_log(acme, conversation_id=GONE, phone=None, total_tokens=5, cost_usd=0),
        usage_log(acme, conversation_id=None, phone=None, total_tokens=4, cost_usd=0),
        usage_log(acme, conversation_id=ADA, total_tokens=9, created_at=NOW - timedelta(days=2)),
    )
    if is_folded:
        database.fold()

    found = queries.found_conversations(database, acme, Days(yesterday.date(), TODAY), sees_phones=True)
    assert [tuple(row) for row in found.astype(object).itertuples(index=False)] == [
        (
            ADA, "551", None, "Ada", pd.Timestamp(yesterday.date()), MIDNIGHT, 1230, 1000, 200, 30,
            Decimal("0.0093"), 3, 1, 3,
        ),
        (GONE, None, None, None, MIDNIGHT, MIDNIGHT, 5, 5, 0, 0, 0, 1, 0, 3),
        (None, None, None, None, MIDNIGHT, MIDNIGHT, 4, 4, 0, 0, 0, 1, 0, 3),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("search", "rows"),
    [
        ("", [ADA_ROW, BOB_ROW, LONE_ROW]),
        ("aDA", [ADA_ROW]),
        ("b_1", [BOB_ROW]),
        ("b%", []),
        ("0%", [BOB_ROW]),
        ("9876", [ADA_ROW]),
        ("+55 (11) 98765-4321", [ADA_ROW]),
        ("447-00", [LONE_ROW]),
        ("-", []),
        (str(BOB).upper(), [BOB_ROW]),
        ("00000000", [ADA_ROW, BOB_ROW]),
        ("nobody", []),
        ("'; drop table usage_logs; --", []),
    ],
)
def test_a_search_finds_parts_of_names_and_phones(
    database: Database, acme: UUID, search: str, rows: list[Any]
) -> None:
    _three(database, acme)
    assert _names(database, acme, search=search) == rows


@pytest.mark.parametrize(
    ("name", "search"),
    [
        ("João Conceição", "joao conceicao"),
        ("joao", "JOÃO"),
        ("Jo\u0061\u0303o", "jo\u00e3o"),
        ("Jo\u00e3o", "jo\u0061\u0303o"),
        ("Straße", "STRASSE"),
        ("STRASSE", "straße"),
        ("GROẞ", "gross"),
        ("\ufb01nance o\ufb03ce", "finance office"),
        ("\uff21\uff4e\uff4e\uff41 \uff11\uff12", "anna 12"),
        ("I\u0307stanbul \u0130zmir", "istanbul izmir"),
        ("DIYARBAK\u0131R", "diyarbakir"),
        ("Smørrebrød Łódź", "smorrebrod lodz"),
        ("Œuvre Ærø", "oeuvre aero"),
        ("\u0416\u0443\u043a\u043e\u0432", "\u0436\u0423\u041a"),
        (
            "\u039f\u03b4\u03c5\u03c3\u03c3\u03ad\u03b1\u03c2",
            "\u039f\u0394\u03a5\u03a3\u03a3\u0395\u0391\u03a3",
        ),
        ("O\u2019Brien", "o'brien"),
        ("\u5c71\u7530\u592a\u90ce", "\u7530\u592a"),
        ("\u0645\u064f\u062d\u064e\u0645\u0651\u064e\u062f", "\u0645\u062d\u0645\u062f"),
        ("100 % of a_b\\c", "% OF A_b\\"),
    ],
)
def test_a_search_ignores_accents_and_case(database: Database, acme: UUID, name: str, search: str) -> None:
    factories.conversation(database, acme, id=ADA, phone=None, name=name)
    factories.conversation(database, acme, id=BOB, phone=None, name="another")
    insert_usage(
        database,
        usage_log(acme, conversation_id=ADA, phone=None),
        usage_log(acme, conversation_id=BOB, phone=None),
    )
    assert _names(database, acme, search=search) == [(name, None)]
    # In Python it is the same, where a page searches what it has.
    assert call(database, "folded", "folded", name) == [(folded(name),)]
    assert matches_search(search, None, name)
    assert not matches_search(search, "another", None)


@pytest.mark.parametrize("search", ["%", "_", "\\", "\u0301", "a.*", "(", "jo_o", "j%o"])
def test_no_sign_of_a_search_stands_for_others(database: Database, acme: UUID, search: str) -> None:
    factories.conversation(database, acme, id=ADA, phone=None, name="João")
    insert_usage(database, usage_log(acme, conversation_id=ADA, phone=None))
    assert _names(database, acme, search=search) == []
    assert not matches_search(search, "João")


@pytest.mark.parametrize(
    ("sort", "descending", "rows"),
    [
        ("tokens", True, [ADA_ROW, BOB_ROW, LONE_ROW]),
        ("tokens", False, [LONE_ROW, BOB_ROW, ADA_ROW]),
        ("cost", True, [LONE_ROW, BOB_ROW, ADA_ROW]),
        ("cost", False, [ADA_ROW, BOB_ROW, LONE_ROW]),
        ("requests", True, [BOB_ROW, ADA_ROW, LONE_ROW]),
        ("requests", False, [ADA_ROW, LONE_ROW, BOB_ROW]),
        # Without a name by the phone.
        ("name", False, [LONE_ROW, ADA_ROW, BOB_ROW]),
        ("name", True, [BOB_ROW, ADA_ROW, LONE_ROW]),
    ],
)
def test_conversations_are_in_the_order_asked_for(
    database: Database, acme: UUID, sort: queries.Sort, descending: bool, rows: list[Any]
) -> None:
    _three(database, acme)
    assert _names(database, acme, sort=sort, descending=descending) == rows


def test_the_last_day_of_use_orders_too(database: Database, acme: UUID) -> None:
    for days_ago, phone in ((2, "1"), (0, "2"), (1, "3")):
        insert_usage(database, usage_log(acme, phone=phone, created_at=NOW - timedelta(days=days_ago)))
    for descending, phones in ((True, ["2", "3", "1"]), (False, ["1", "3", "2"])):
        found = queries.found_conversations(
            database,
            acme,
            Days(TODAY - timedelta(days=2), TODAY),
            sort="last",
            descending=descending,
            sees_phones=True,
        )
        assert found["phone"].tolist() == phones


def test_pages_are_all_conversations_once(database: Database, acme: UUID) -> None:
    # All the same in tokens, so that only a complete order keeps pages apart.
    insert_usage(database, *(usage_log(acme, phone=f"5511{number:03}") for number in range(7)))
    pages = [
        queries.found_conversations(
            database, acme, Days(TODAY, TODAY), limit=3, offset=offset, sees_phones=True
        )
        for offset in (0, 3, 6, 9)
    ]
    assert [page["phone"].tolist() for page in pages] == [
        ["5511000", "5511001", "5511002"], ["5511003", "5511004", "5511005"], ["5511006"], [],
    ]  # fmt: skip
    assert {count for page in pages for count in page["matched_count"]} == {7}


@pytest.mark.parametrize("sees_phones", [True, False])
@pytest.mark.parametrize("descending", [True, False])
def test_pages_by_name_are_one_list(
    database: Database, acme: UUID, descending: bool, sees_phones: bool
) -> None:
    """Full pages are read along an index of names; one that holds all conversations is not."""
    names: list[tuple[str | None, str | None]] = [
        *(("Same", f"55119000000{number}") for number in range(3)),
        *(("same", None), ("Ädda", "1"), ("Zed 5511987654321", None), ("Zed 551190000009", "551190000009")),
        *(("5511911112222", "5511911112222"), (None, "5511933334444"), (None, None), ("~tilde", None)),
        *(("", None), ("anna +55 11 95555-6666", None), ("Order 123456", "123"), ("Bea", "5511988887777")),
    ]
    for number, (name, phone) in enumerate(names):
        id = factories.conversation(database, acme, id=UUID(int=200 + number), phone=phone, name=name)
        insert_usage(
            database, usage_log(acme, conversation_id=id, phone=phone, total_tokens=10 * (number % 4))
        )
    factories.conversation(database, acme, id=UUID(int=300), phone=None, name="Not used")
    insert_usage(database, usage_log(acme, conversation_id=GONE, phone=None))

    def listed(limit: int, offset: int = 0) -> list[Any]:
        found = queries.found_conversations(
            database,
            acme,
            Days(TODAY, TODAY),
            sort="name",
            descending=descending,
            limit=limit,
            offset=offset,
            sees_phones=sees_phones,
        )
        assert set(found["matched_count"]) == {len(names) + 1}
        return found["conversation_id"].tolist()

    whole = listed(1000)
    assert len(whole) == len(names) + 1
    for limit in (1, 2, 4):
        offsets = range(0, len(whole), limit)
        assert [id for offset in offsets for id in listed(limit, offset)] == whole


def test_another_clients_conversations_are_not_found(database: Database, acme: UUID) -> None:
    other = factories.client(database, "Other")
    _three(database, other)
    assert _names(database, acme) == []
    timeline = queries.conversation_timeline(
        database, acme, Days(TODAY, TODAY), conversation_id=ADA, phone_handle=None
    )
    assert timeline.calls.empty
    assert timeline.conversation.empty


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sort": "price"}, "sort must be tokens, cost, requests, name or last, not price"),
        ({"sort": None}, "not null"),
        ({"limit": 0}, "a page has 1 to 1000 conversations"),
        ({"limit": 1001}, "a page has 1 to 1000 conversations"),
        ({"offset": -1}, "begins at 0 or later"),
    ],
)
def test_what_makes_no_sense_is_refused(
    database: Database, acme: UUID, wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataRefused, match=message):
        call(database, "*", "search_conversations", acme, TODAY, TODAY, **wrong)


def test_calls_run_up_to_the_sums_of_their_conversation(database: Database, acme: UUID) -> None:
    factories.conversation(database, acme, id=ADA, phone="551", name="Ada")
    at = [NOW - timedelta(hours=number) for number in (4, 3, 2, 2)]
    insert_usage(
        database,
        usage_log(acme, id=UUID(int=1), conversation_id=ADA, created_at=at[0]),
        usage_log(acme, id=UUID(int=2), conversation_id=None, phone="551", created_at=at[1], model=None),
        usage_log(acme, id=UUID(int=4), conversation_id=ADA, phone=None, created_at=at[3], cost_usd=None),
        usage_log(acme, id=UUID(int=3), conversation_id=ADA, phone=None, created_at=at[2], total_tokens=5),
        usage_log(acme, conversation_id=BOB, phone="551", created_at=at[0]),
        usage_log(acme, conversation_id=None, phone=None, created_at=at[0]),
    )
    timeline = queries.conversation_timeline(
        database, acme, Days(TODAY, TODAY), conversation_id=ADA, phone_handle=None
    )
    calls = timeline.calls

    assert calls["id"].tolist() == [UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4)]
    assert calls["running_tokens"].tolist() == [230, 460, 465, 695]
    assert calls["running_cost"].tolist()[-1] == calls["cost_usd"].sum()
    assert calls["call_count"].tolist() == [4, 4, 4, 4]
    [whole] = timeline.conversation.to_dict("records")
    assert whole["conversation_name"] == "Ada"
    assert whole["total_tokens"] == calls["total_tokens"].sum()
    assert whole["total_cost"] == calls["cost_usd"].sum()
    assert whole["request_count"] == len(calls)


@pytest.mark.parametrize(
    ("conversation_id", "phone", "tokens"), [(None, "551", [1]), (None, None, [2]), (GONE, None, [3])]
)
def test_calls_that_belong_to_no_known_conversation(
    database: Database, acme: UUID, conversation_id: UUID | None, phone: str | None, tokens: list[int]
) -> None:
    insert_usage(
        database,
        usage_log(acme, conversation_id=None, phone="551", total_tokens=1),
        usage_log(acme, conversation_id=None, phone=None, total_tokens=2),
        usage_log(acme, conversation_id=GONE, phone=None, total_tokens=3),
        usage_log(acme, conversation_id=None, phone="5511", total_tokens=4),
    )
    handles = {
        row["phone"]: row["phone_handle"]
        for row in queries.found_conversations(database, acme, Days(TODAY, TODAY), sees_phones=True).to_dict(
            "records"
        )
    }
    timeline = queries.conversation_timeline(
        database, acme, Days(TODAY, TODAY), conversation_id=conversation_id, phone_handle=handles[phone]
    )
    assert timeline.calls["total_tokens"].tolist() == tokens
    assert timeline.conversation["total_tokens"].tolist() == tokens


def test_a_handle_that_stands_for_nothing_finds_nothing(database: Database, acme: UUID) -> None:
    """Not the calls without a conversation, either; nor another client's."""
    other = factories.client(database, "Other")
    insert_usage(database, usage_log(acme, phone=None), usage_log(acme), usage_log(other))
    [theirs] = queries.found_conversations(database, other, Days(TODAY, TODAY))["phone_handle"]
    for handle in (theirs, "p" + 32 * "0"):
        timeline = queries.conversation_timeline(
            database, acme, Days(TODAY, TODAY), conversation_id=None, phone_handle=handle
        )
        assert timeline.calls.empty
        assert timeline.conversation.empty


def test_the_first_calls_say_how_many_there_are(database: Database, acme: UUID) -> None:
    insert_usage(
        database,
        *(usage_log(acme, conversation_id=ADA, created_at=NOW + timedelta(seconds=s)) for s in range(3)),
    )
    calls = sql_functions.conversation_calls(
        database, acme, Days(TODAY, TODAY), conversation_id=ADA, phone_handle=None, limit=2
    )
    assert calls["running_tokens"].tolist() == [230, 460]
    assert calls["call_count"].tolist() == [3, 3]


def test_days_are_those_of_the_client(database: Database) -> None:
    client_id = factories.client(database, timezone="America/Sao_Paulo")
    midnight = datetime(2026, 3, 18, 3, tzinfo=UTC)
    insert_usage(
        database,
        usage_log(client_id, conversation_id=ADA, total_tokens=1, created_at=midnight),
        usage_log(
            client_id, conversation_id=ADA, total_tokens=2, created_at=midnight - timedelta(microseconds=1)
        ),
    )
    for day, tokens in ((date(2026, 3, 17), [2]), (date(2026, 3, 18), [1])):
        calls = sql_functions.conversation_calls(
            database, client_id, Days(day, day), conversation_id=ADA, phone_handle=None
        )
        assert calls["total_tokens"].tolist() == tokens


@pytest.mark.parametrize("is_folded", [True, False])
@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"model": "gpt-4"}, [(ADA, 300, 2), (None, 40, 1)]),
        ({"model!": "gpt-4"}, [(BOB, 200, 1), (ADA, 100, 1)]),
        ({"outcome": "error"}, [(ADA, 100, 1)]),
        ({"provider": "nobody"}, []),
        ({"conversation": str(ADA)}, [(ADA, 400, 3)]),
        ({"conversation!": str(ADA)}, [(BOB, 200, 1), (None, 40, 1)]),
        ({"conversation": f"{BOB},{ADA}", "model": "gpt-4"}, [(ADA, 300, 2)]),
        ({"conversation": ""}, []),
    ],
)
def test_conversations_follow_the_filters(
    database: Database,
    acme: UUID,
    is_folded: bool,
    filters: dict[str, str],
    expected: list[tuple[UUID | None, int, int]],
) -> None:
    factories.conversation(database, acme, id=ADA, phone="551", name="Ada")
    factories.conversation(database, acme, id=BOB, phone=None, name="Bob")
    insert_usage(
        database,
        usage_log(acme, conversation_id=ADA, phone=None, total_tokens=250),
        usage_log(acme, conversation_id=None, phone="551", total_tokens=50),
        usage_log(acme, conversation_id=ADA, total_tokens=100, model="gpt-5", outcome="error"),
        usage_log(acme, conversation_id=BOB, total_tokens=200, model="gpt-5"),
        usage_log(acme, conversation_id=None, phone="44", total_tokens=40),
        usage_log(acme, conversation_id=BOB, total_tokens=999, created_at=NOW - timedelta(days=2)),
    )
    if is_folded:
        database.fold()
    wanted = queries.Filters.parse(filters)

    def rows(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
        return list(zip(frame["conversation_id"], frame["total_tokens"], frame["request_count"], strict=True))

    found = queries.found_conversations(database, acme, Days(TODAY, TODAY), filters=wanted)
    assert rows(found) == expected
    assert set(found["matched_count"]) <= {len(expected)}
    searched = queries.found_conversations(database, acme, Days(TODAY, TODAY), search="ada", filters=wanted)
    assert rows(searched) == [row for row in expected if row[0] == ADA]
    overview = queries.load_overview(database, acme, queries.Period(days=1), NOW, filters=wanted)
    assert rows(overview.conversations) == expected
    timeline = queries.conversation_timeline(
        database, acme, Days(TODAY, TODAY), conversation_id=ADA, phone_handle=None, filters=wanted
    )
    # A timeline is of its conversation, whatever else is named.
    assert timeline.calls["total_tokens"].sum() == timeline.conversation["total_tokens"].sum()
    assert set(timeline.calls["call_count"]) <= {len(timeline.calls)}
