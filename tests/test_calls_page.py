"""The page "Calls" under AppTest: all calls page by page, columns, and all that is known of one."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from streamlit.testing.v1 import AppTest

from analytics.calls.validation import response_call_id
from analytics.database import Database
from tests import factories
from tests.app import button, facts_of, open_page, text_of

pytestmark = pytest.mark.usefixtures("cold_caches")

PATH = "pages/calls.py"
ADA = UUID(int=101)


@pytest.fixture
def client_id(configured: Database) -> UUID:
    return factories.client(configured)


def _use(database: Database, client_id: UUID, ago: timedelta = timedelta(0), **columns: Any) -> None:
    row = {"created_at": datetime.now(UTC) - ago, **columns}
    factories.insert_usage(database, factories.usage_log(client_id, **row))


def _listed(page: AppTest, column: str = "Tokens") -> list[Any]:
    values: list[Any] = page.dataframe[0].value[column].tolist()
    return values


def test_all_calls_are_listed_newest_first(configured: Database, client_id: UUID) -> None:
    factories.conversation(configured, client_id, id=ADA, phone="5511987654321", name="Ada")
    _use(configured, client_id, timedelta(days=2), conversation_id=ADA, total_tokens=1, latency_ms=900)
    _use(
        configured, client_id, timedelta(hours=1), phone="5511987654321", total_tokens=2, cost_usd=Decimal(3)
    )
    _use(configured, client_id, timedelta(days=40), total_tokens=4)
    other = factories.client(configured, "Beta")
    _use(configured, other, total_tokens=8)
    page = open_page(PATH, client="Acme")

    assert not page.exception
    assert _listed(page) == [2, 1]
    assert _listed(page, "Conversation") == ["Ada", "Ada"]
    assert _listed(page, "Cost") == [3.0, 0.0093]
    assert page.dataframe[0].value["Latency"].fillna(0).tolist() == [0, 900]
    assert "2\N{NO-BREAK SPACE}calls" in text_of(page)
    assert "5511987654321" not in page.dataframe[0].value.to_csv()
    assert [each.label for each in page.button if each.label in ("Next", "Previous")] == []


def test_pages_are_found_by_the_call_that_they_begin_at(configured: Database, client_id: UUID) -> None:
    at = datetime.now(UTC)
    # Three at each moment: pages part calls that were made at once, too.
    factories.insert_usage(
        configured,
        *(
            factories.usage_log(
                client_id,
                id=UUID(int=number),
                total_tokens=number,
                created_at=at - timedelta(seconds=(120 - number) // 3),
            )
            for number in range(121)
        ),
    )
    page = open_page(PATH)
    assert _listed(page) == list(range(120, 70, -1))
    assert "50 of 121\N{NO-BREAK SPACE}calls" in text_of(page)
    assert [button(page, label).disabled for label in ("Newest", "Previous", "Next")] == [True, True, False]

    button(page, "Next").click().run()
    assert page.query_params["page"].startswith("older~")
    assert _listed(page) == list(range(70, 20, -1))
    assert [button(page, label).disabled for label in ("Newest", "Previous", "Next")] == [False] * 3

    button(page, "Next").click().run()
    assert _listed(page) == list(range(20, -1, -1))
    assert button(page, "Next").disabled

    button(page, "Previous").click().run()
    assert page.query_params["page"].startswith("newer~")
    assert _listed(page) == list(range(70, 20, -1))
    assert not button(page, "Previous").disabled

    # 120 to 71 are exactly one page, and the newest one.
    button(page, "Previous").click().run()
    assert _listed(page) == list(range(120, 70, -1))
    assert button(page, "Previous").disabled
    assert not button(page, "Next").disabled

    page = open_page(PATH, page=f"older~0~{UUID(int=0)}")
    assert "No further calls" in text_of(page)
    button(page, "Go to the newest").click().run()
    assert page.query_params == {}
    assert _listed(page)[0] == 120


def test_sums_of_buckets_are_marked_wherever_calls_are_listed(configured: Database, client_id: UUID) -> None:
    id, bucket = uuid4(), {"requests": 270, "from_at": "2026-03-01", "until_at": "2026-03-02"}
    factories.conversation(configured, client_id, id=ADA, name="Ada")
    _use(configured, client_id, timedelta(minutes=1), id=id, conversation_id=ADA, metadata={"bucket": bucket})
    _use(configured, client_id, conversation_id=ADA)

    calls = open_page(PATH, client="Acme")
    call = open_page(PATH, client="Acme", call=str(id))
    conversation = open_page("pages/conversations.py", client="Acme", timeline=str(ADA))
    live = open_page("pages/live.py", client="Acme")

    assert "271\N{NO-BREAK SPACE}calls" in text_of(calls)
    assert facts_of(call)["Sum of"] == "270 requests, 2026-03-01 to 2026-03-02"
    assert [
        each.label for each in conversation.button if "page by page" in each.label
    ] == []  # none is left out
    for page in (calls, conversation, live):
        assert not page.exception
        [marked] = [each.value for each in page.dataframe if "Sum of" in each.value]
        assert sorted(marked["Sum of"].fillna(0).tolist()) == [0, 270]


def test_columns_are_chosen_in_the_link(configured: Database, client_id: UUID) -> None:
    _use(
        configured, client_id, cached_tokens=7, tag_set_id=0, stated_cost_usd=Decimal("0.5"),
        metadata={"tags": {"feature": "search"}}, operation="chat", response_id="resp_1",
    )  # fmt: skip
    page = open_page(PATH)
    assert page.dataframe[0].value.columns.tolist() == [
        *("Made", "Cost", "Tokens", "Model", "Provider", "Conversation", "Latency", "Outcome"),
    ]
    page.button_group(key="columns").set_value(["cost_usd", "tags", "cached_tokens"]).run()
    assert page.query_params["columns"] == "cost_usd,cached_tokens,tags"
    assert page.dataframe[0].value.columns.tolist() == ["Made", "Cost", "Cached", "Tags"]
    assert page.dataframe[0].value.iloc[0].tolist()[2:] == [7, "feature: search"]

    page = open_page(PATH, columns="stated_cost_usd,response_id,operation,id")
    assert page.dataframe[0].value.columns.tolist() == [
        *("Made", "Operation", "Id", "Response id", "Stated cost"),
    ]
    assert page.dataframe[0].value.columns.tolist() == [
        *("Made", "Operation", "Id", "Response id", "Stated cost"),
    ]
    assert open_page(PATH, columns="none").dataframe[0].value.columns.tolist() == ["Made"]


def test_what_a_subscription_pays_is_said_to_be_no_money(configured: Database, client_id: UUID) -> None:
    call_id = uuid4()
    _use(
        configured, client_id, id=call_id, cost_usd=Decimal(0), cost_basis="plan",
        stated_cost_usd=Decimal("0.5"), metadata={"price": {"list": "plan", "plan": "max"}},
    )  # fmt: skip
    _use(configured, client_id)
    assert len(open_page(PATH, basis="plan").dataframe[0].value) == 1
    facts = facts_of(open_page(PATH, call=str(call_id)))
    assert (facts["Cost"], facts["Price from"], facts["Stated cost"]) == (
        "0 USD, plan",
        'nothing by itself: the subscription "max" pays',
        "0.5 USD, as the provider says: not money, and in no sum",
    )


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ({"page": "2"}, "page must be older or newer than a call"),
        ({"page": "older~x~y"}, "page must be older or newer than a call"),
        ({"page": f"older~{10**30}~{UUID(int=0)}"}, "page must be older or newer than a call"),
        ({"columns": "cost"}, "columns must be some of cost_usd"),
        ({"call": "7"}, "call must be an id such as"),
        ({"find": "a\0b"}, "find must be an id of at most 200 characters"),
    ],
)
def test_a_link_that_does_not_work_says_why(
    configured: Database, client_id: UUID, link: dict[str, str], message: str
) -> None:
    _use(configured, client_id)
    page = open_page(PATH, **link)
    assert not page.exception
    assert message in page.error[0].value.replace("\\", "").replace("This link does not work.", "").lower()
    button(page, "Go on without it").click().run()
    assert page.query_params == {}


def test_a_call_is_found_by_its_ids_with_the_other_attempts(configured: Database, client_id: UUID) -> None:
    factories.conversation(configured, client_id, id=ADA, phone="5511987654321", name="Ada")
    answered = response_call_id(str(client_id), "openai", "resp_7")
    assert answered is not None
    _use(
        configured, client_id, timedelta(days=400), id=UUID(int=1), conversation_id=ADA, total_tokens=0,
        outcome="error", attempt=1, operation_id="op-1", cost_usd=Decimal(0), phone=None,
    )  # fmt: skip
    _use(
        configured, client_id, timedelta(days=400) - timedelta(seconds=9), id=answered, conversation_id=ADA,
        outcome="ok", attempt=2, operation_id="op-1", response_id="resp_7", phone=None,
    )  # fmt: skip
    _use(configured, client_id, timedelta(days=399), operation_id="op-1")
    page = open_page(PATH)
    page.text_input(key="find").set_value("resp_7").run()

    assert not page.exception
    assert page.query_params["find"] == "resp_7"
    assert facts_of(page)["Id"] == str(answered)
    assert facts_of(page)["Outcome"] == "answered, attempt 2"
    assert "Timeline of Ada" in [each.label for each in page.button]
    assert page.dataframe[0].value["Outcome"].tolist() == ["error"]

    page = open_page(PATH, call=str(UUID(int=1)))
    assert facts_of(page)["Outcome"] == "failed, attempt 1"
    assert page.dataframe[0].value["Outcome"].tolist() == ["ok"]

    button(page, "All calls").click().run()
    assert page.query_params == {}


def test_a_call_that_is_not_there_and_one_of_another_client_are_told_alike(
    configured: Database, client_id: UUID
) -> None:
    _use(configured, client_id)
    other = factories.client(configured, "Beta")
    _use(configured, other, id=UUID(int=7))
    told = []
    for unknown in (UUID(int=7), UUID(int=8)):
        page = open_page(PATH, client="Acme", call=str(unknown))
        assert not page.exception
        assert not facts_of(page)
        told.append(text_of(page).replace("\\", "").replace(str(unknown), "ID"))
    assert told[0] == told[1]
    assert "Acme has no call with the id ID." in told[0]


def test_a_call_leads_to_those_with_the_same(configured: Database, client_id: UUID) -> None:
    _use(
        configured, client_id, id=UUID(int=1), operation="chat", tag_set_id=0,
        metadata={"tags": {"feature": "a,b", "user": "5511987654321"}},
    )  # fmt: skip
    page = open_page(PATH, call=str(UUID(int=1)))
    page.button(key="only model").click().run()
    assert page.query_params == {"model": "gpt-4"}

    page = open_page(PATH, call=str(UUID(int=1)))
    page.button(key="only tag.feature").click().run()
    assert page.query_params == {"tag.feature": "a\\,b"}

    page = open_page(PATH, call=str(UUID(int=1)))
    keys = {each.key for each in page.button}
    assert "only tag.user" in keys
    page.toggle(key="phones").set_value(True).run()
    # A phone is in no link.
    assert keys - {each.key for each in page.button} == {"only tag.user"}
