"""The page "Conversations" under AppTest: list, search, order, paging, one conversation's calls, links."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb
from streamlit.testing.v1 import AppTest

from analytics import charts, queries
from analytics.database import Database
from analytics.days import Days
from tests import factories, sql_functions
from tests.app import button, facts_of, metrics_of, open_page, text_of
from tests.tcp_proxy import TcpProxy

pytestmark = pytest.mark.usefixtures("cold_caches")

PATH = "pages/conversations.py"
ADA, BOB = UUID(int=101), UUID(int=102)


@pytest.fixture
def client_id(configured: Database) -> UUID:
    return factories.client(configured)


def _use(database: Database, client_id: UUID, **columns: Any) -> None:
    row = {"created_at": datetime.now(UTC), **columns}
    factories.insert_usage(database, factories.usage_log(client_id, **row))


def _listed(page: AppTest, column: str = "Conversation") -> list[Any]:
    values: list[Any] = page.dataframe[0].value[column].tolist()
    return values


def _two_conversations(database: Database, client_id: UUID) -> None:
    factories.conversation(database, client_id, id=ADA, phone="5511987654321", name="Ada")
    factories.conversation(database, client_id, id=BOB, phone="5511900000000", name="Bob")
    _use(database, client_id, conversation_id=ADA, phone=None, total_tokens=100, cost_usd=Decimal(2))
    _use(database, client_id, conversation_id=BOB, phone=None, total_tokens=300, cost_usd=Decimal(1))


def test_all_conversations_are_listed_with_phones_masked(configured: Database, client_id: UUID) -> None:
    _two_conversations(configured, client_id)
    page = open_page(PATH)

    assert not page.exception
    assert _listed(page) == ["Bob", "Ada"]
    assert _listed(page, "Phone") == ["•••• 0000", "•••• 4321"]
    assert _listed(page, "Cost") == [1.0, 2.0]
    assert _listed(page, "Tokens") == [300, 100]
    assert "1\N{EN DASH}2 of 2" in text_of(page)

    page.toggle(key="phones").set_value(True).run()
    assert _listed(page, "Phone") == ["5511900000000", "5511987654321"]


@pytest.mark.parametrize(
    ("link", "names"),
    [
        ({"sort": "highest-cost"}, ["Ada", "Bob"]),
        ({"sort": "name-z-to-a"}, ["Bob", "Ada"]),
        ({"q": "aD"}, ["Ada"]),
        ({"q": "1190000"}, ["Bob"]),
        ({"q": str(ADA)}, ["Ada"]),
    ],
)
def test_search_and_order_are_in_the_link(
    configured: Database, client_id: UUID, link: dict[str, str], names: list[str]
) -> None:
    _two_conversations(configured, client_id)
    assert _listed(open_page(PATH, **link)) == names


def test_what_is_chosen_goes_into_the_link_but_no_phone(configured: Database, client_id: UUID) -> None:
    _two_conversations(configured, client_id)
    page = open_page(PATH)
    page.text_input(key="q").set_value("ada").run()
    page.selectbox(key="sort").set_value("used-last").run()
    assert _listed(page) == ["Ada"]
    assert page.query_params == {"q": "ada", "sort": "used-last"}

    page.text_input(key="q").set_value("+55 11 98765-4321").run()
    assert _listed(page) == ["Ada"]
    assert page.query_params["q"].startswith("phone-")
    assert "98765" not in page.query_params["q"]
    assert _listed(open_page(PATH, **page.query_params)) == ["Ada"]


def test_fifty_conversations_are_a_page(configured: Database, client_id: UUID) -> None:
    for number in range(101):
        _use(configured, client_id, phone=f"55119{number:08}", total_tokens=1000 - number)
    page = open_page(PATH)
    assert _listed(page, "Tokens") == list(range(1000, 950, -1))
    assert "1\N{EN DASH}50 of 101" in text_of(page)
    assert button(page, "Previous").disabled

    button(page, "Next").click().run()
    assert page.query_params["page"] == "2"
    assert _listed(page, "Tokens") == list(range(950, 900, -1))

    page = open_page(PATH, page="3")
    assert _listed(page, "Tokens") == [900]
    assert "101\N{EN DASH}101 of 101" in text_of(page)
    assert button(page, "Next").disabled

    page.selectbox(key="sort").set_value("fewest-tokens").run()
    assert "page" not in page.query_params
    assert _listed(page, "Tokens")[0] == 900
    assert "1\N{EN DASH}50 of 101" in text_of(page)


def test_a_search_that_nothing_fits_has_a_way_back(configured: Database, client_id: UUID) -> None:
    _two_conversations(configured, client_id)
    page = open_page(PATH, q="<b>nobody")
    assert not page.exception
    assert "No conversation matches" in text_of(page)
    button(page, "Show all conversations").click().run()
    assert _listed(page) == ["Bob", "Ada"]


def test_a_page_that_is_not_there_has_a_way_back(configured: Database, client_id: UUID) -> None:
    _two_conversations(configured, client_id)
    page = open_page(PATH, page="7")
    assert "There is no page 7" in text_of(page)
    button(page, "Go to the first page").click().run()
    assert _listed(page) == ["Bob", "Ada"]


def test_a_client_without_calls_in_the_period_is_told_so(configured: Database, client_id: UUID) -> None:
    factories.insert_usage(configured, factories.usage_log(client_id, created_at=factories.LONG_AGO))
    page = open_page(PATH)
    assert not page.exception
    assert "No usage, last 30 days" in text_of(page)


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ({"sort": "price"}, "sort must be one of most-tokens, fewest-tokens"),
        ({"page": "0"}, 'page must be a whole number from 1 to 1,000,000, not "0"'),
        ({"page": "1e3"}, 'page must be a whole number from 1 to 1,000,000, not "1e3"'),
        ({"page": "9" * 30}, "page must be a whole number from 1 to 1,000,000"),
        ({"q": "x" * 101}, "q must be at most 100 characters long, not 101"),
        ({"timeline": "5511987654321"}, "timeline must be an id such as"),
    ],
)
def test_a_link_that_does_not_work_says_why(
    configured: Database, client_id: UUID, link: dict[str, str], message: str
) -> None:
    _two_conversations(configured, client_id)
    page = open_page(PATH, **link)
    assert not page.exception
    assert message.lower() in page.error[0].value.replace("\\", "").lower()

    button(page, "Go on without it").click().run()
    assert not page.exception
    assert page.query_params == {}
    assert _listed(page) == ["Bob", "Ada"]


def test_a_link_opens_one_conversation(configured: Database, client_id: UUID) -> None:
    _two_conversations(configured, client_id)
    at = datetime.now(UTC)
    rows = {"source": "groq", "model": "llama", "total_tokens": 50, "cost_usd": Decimal("0.5")}
    _use(configured, client_id, conversation_id=None, phone="5511987654321", created_at=at, **rows)
    _use(
        configured, client_id, conversation_id=ADA, created_at=at + timedelta(seconds=1), cost_usd=None,
        cost_basis="unpriced", total_tokens=7, model=None, metadata={"phone": "5511987654321", "turn": 3},
    )  # fmt: skip
    page = open_page(PATH, timeline=str(ADA))

    assert not page.exception
    assert "## Ada" in text_of(page)
    assert metrics_of(page) == {
        "Cost": "≥\N{NO-BREAK SPACE}$2.50",
        "Tokens": "157",
        "Calls": "3",
        "Cost per call": "$1.25",
    }
    models, calls = page.dataframe[0].value, page.dataframe[1].value
    assert models["Model"].tolist() == ["gpt-4 (OpenAI)", "llama (Groq)", "(no model)"]
    assert models["Tokens"].sum() == 157
    assert calls["Tokens"].tolist() == [100, 50, 7]
    assert calls["Running tokens"].tolist() == [100, 150, 157]
    assert calls["Running cost"].tolist() == [2.0, 2.5, 2.5]
    assert calls["Cost"].isna().tolist() == [False, False, True]
    assert "5511987654321" not in text_of(page)

    page.toggle(key="phones").set_value(True).run()
    assert "5511987654321" in text_of(page)

    button(page, "All conversations").click().run()
    assert "timeline" not in page.query_params
    assert _listed(page) == ["Bob", "Ada"]


def test_a_call_shows_what_is_known_of_it(configured: Database, client_id: UUID) -> None:
    phone = "5511987654321"
    factories.conversation(configured, client_id, id=ADA, phone=phone, name="Ada")
    at = datetime.now(UTC)
    with configured.transaction() as connection:
        tags = Jsonb({"feature": "*search*", "user": phone})
        [tag_set_id] = connection.execute("select intern_tags(%s, %s)", [client_id, tags]).fetchone() or [0]
    first, second = UUID(int=1), UUID(int=2)
    _use(
        configured, client_id, id=first, conversation_id=ADA, created_at=at, operation="chat", outcome="ok",
        service_tier="flex", latency_ms=1234, time_to_first_token_ms=210, attempt=2, operation_id="op-1",
        response_id="resp_7", stated_cost_usd=Decimal("0.01"), cached_tokens=1024, reasoning_tokens=0,
        web_search_count=1, tag_set_id=tag_set_id,
        metadata={"price": {"list": "genai-prices 0.2.3", "model": "gpt-4o"}, "note": phone},
    )  # fmt: skip
    _use(
        configured, client_id, id=second, conversation_id=ADA, created_at=at + timedelta(seconds=1),
        outcome="error", attempt=1, tag_set_id=0, prompt_tokens=0, completion_tokens=0, cost_usd=Decimal(0),
        metadata={"price": {"reason": "failed: nothing to pay"}, "tags": {"feature": "x"}},
    )  # fmt: skip
    page = open_page(PATH, timeline=str(ADA), call=str(first))
    assert not page.exception
    assert facts_of(page) == {
        "Cost": "0.0093 USD, priced",
        "Price from": "public price of gpt-4o, by genai-prices 0.2.3",
        "Stated cost": "0.01 USD, as the provider says",
        "Tokens": "230 tokens: 150 prompt, 80 completion",
        "Meters": "1,024 cached, 1 web search",
        "Outcome": "answered, attempt 2",
        "Latency": "1.23 s, the first token after 210 ms",
        "Tier": "flex",
        "Operation": "chat",
        "Tags": "user: •••• 4321, feature: *search*",
        "Operation id": "op-1",
        "Response id": "resp_7",
        "Id": str(first),
    }
    assert phone not in text_of(page) + page.json[0].value
    assert "1 failed" in text_of(page)
    assert page.dataframe[1].value["Outcome"].tolist() == ["ok", "error"]

    page.toggle(key="phones").set_value(True).run()
    assert facts_of(page)["Tags"] == f"user: {phone}, feature: *search*"
    assert phone in page.json[0].value

    page = open_page(PATH, timeline=str(ADA), call=str(second))
    assert facts_of(page)["Cost"] == "0 USD, priced"
    assert facts_of(page)["Price from"] == "failed: nothing to pay"
    assert facts_of(page)["Outcome"] == "failed, attempt 1"
    assert facts_of(page)["Tags"] == "feature: x"

    button(page, "Close").click().run()
    assert "call" not in page.query_params
    assert not facts_of(page)


def test_a_call_that_is_not_there_is_told_and_ends_with_the_conversation(
    configured: Database, client_id: UUID
) -> None:
    _two_conversations(configured, client_id)
    page = open_page(PATH, timeline=str(ADA), call=str(UUID(int=9)))
    assert "This call is not here" in text_of(page)

    page = open_page(PATH, timeline=str(ADA), call="5511987654321")
    assert "call must be an id such as" in page.error[0].value.replace("\\", "").lower()
    button(page, "Go on without it").click().run()
    assert page.query_params == {"timeline": str(ADA)}

    page = open_page(PATH, timeline=str(ADA), call=str(UUID(int=9)))
    button(page, "All conversations").click().run()
    assert page.query_params == {}
    assert _listed(page) == ["Bob", "Ada"]


def test_of_many_calls_the_first_are_shown_and_all_are_counted(configured: Database, client_id: UUID) -> None:
    at = datetime.now(UTC)
    factories.insert_usage(
        configured,
        *(
            factories.usage_log(
                client_id, conversation_id=ADA, created_at=at, total_tokens=1, cost_usd=Decimal("0.01")
            )
            for _ in range(1001)
        ),
    )
    page = open_page(PATH, timeline=str(ADA))
    assert "First 1,000 of 1,001 calls, last 30 days" in text_of(page)
    assert metrics_of(page)["Calls"] == "1,001"
    assert metrics_of(page)["Cost"] == "$10.01"
    assert len(page.dataframe[1].value) == 1000
    assert "All 1,001\N{NO-BREAK SPACE}calls, page by page" in [each.label for each in page.button]


def test_the_course_has_each_call_and_the_cost_so_far(database: Database, acme: UUID) -> None:
    for hour, source in enumerate(("openai", "groq", "mistral")):
        at = factories.NOW + timedelta(hours=hour)
        factories.insert_usage(
            database, factories.usage_log(acme, conversation_id=ADA, source=source, created_at=at)
        )
    today = factories.NOW.date()
    calls = sql_functions.conversation_calls(
        database, acme, Days(today, today), conversation_id=ADA, phone_handle=None
    )
    [points] = charts.timeline(calls, "America/Sao_Paulo").to_dict()["datasets"].values()
    assert [point["name"] for point in points] == ["OpenAI", "Groq", "Mistral"]
    assert [point["running_cost"] for point in points] == [0.0093, 0.0186, 0.0279]
    assert points[0]["clock"] == "Wed 18 Mar 2026, 09:00:00"
    assert points[0]["made_at"].startswith("2026-03-18T09:00:00")


def test_the_last_good_list_stays_while_the_database_is_away(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    _two_conversations(database, factories.client(database))
    with TcpProxy(database.url) as proxy:
        monkeypatch.setenv("DATABASE_URL", proxy.url.render_as_string(hide_password=False))
        page = open_page(PATH)
        proxy.stop()
        button(page, "Refresh").click().run()
        assert not page.exception
        assert "The database does not answer" in page.warning[0].value
        assert _listed(page) == ["Bob", "Ada"]


def test_an_unknown_conversation_is_told_so(configured: Database, client_id: UUID) -> None:
    _use(configured, client_id)
    other = factories.client(configured, "Beta")
    _use(configured, other, conversation_id=ADA)
    for unknown in (uuid4(), ADA):
        page = open_page(PATH, client="Acme", timeline=str(unknown))
        assert not page.exception
        assert f"has no conversation `{unknown}` with calls in these days" in text_of(page)
        assert not page.metric


def test_conversations_without_an_id_are_in_the_link(configured: Database, client_id: UUID) -> None:
    _use(configured, client_id, conversation_id=None, phone="5511955555555", total_tokens=1)
    _use(configured, client_id, conversation_id=None, phone=None, total_tokens=2)
    _use(configured, client_id, conversation_id=None, phone="5511966666666", total_tokens=4)
    found = queries.found_conversations(configured, client_id, Days(*_last_days(2)))
    handles = dict(zip(found["phone"], found["phone_handle"], strict=True))

    of_phone = open_page(PATH, timeline=handles["•••• 5555"])
    assert not of_phone.exception
    assert "phone •••• 5555" in text_of(of_phone)
    assert metrics_of(of_phone)["Tokens"] == "1"
    assert metrics_of(open_page(PATH, timeline="none"))["Tokens"] == "2"

    nobody = open_page(PATH, timeline=f"p{32 * '0'}", days="7d")
    assert "has no conversation" in text_of(nobody)
    assert not nobody.metric


def _last_days(count: int) -> tuple[date, date]:
    today = datetime.now(UTC).date()
    return today - timedelta(days=count - 1), today
